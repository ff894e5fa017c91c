//! What `approve` and its holder say to each other through two pipes: a line of JSON, an answer, and so on.

use countersign_core::request::CodeText;
use countersign_link::Clock;
use serde::{Deserialize, Serialize};

use super::super::{
    dispenser::Dispenser,
    pool::{Pool, Slot},
    wire::VERSION,
};

/// Longest line that brings codes, bytes.
pub(super) const MAX_CODES_LINE: usize = 8192;
/// The codes on their way through the pipe; times count from the moment of writing.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Codes {
    v: u8,
    limit: u8,
    reuse: bool,
    period: u64,
    slots: Vec<Moved>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    opens_in: u64,
    ends_in: u64,
    code: CodeText,
}

/// What a holder answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    Ready,
    Taken,
    Failed { message: String, hint: Option<String> },
    Held,
    Kept,
}

/// Said to a holder at the end.
pub(super) const KEEP: &[u8] = b"keep";

impl Codes {
    /// The codes of `pool`, whose times refer to `now`.
    pub(super) fn new(pool: Pool, reuse: bool, now: u64) -> Self {
        let (slots, limit, period) = pool.into_parts();
        let moved =
            |slot: Slot| Moved { opens_in: slot.opens.saturating_sub(now), ends_in: slot.ends.saturating_sub(now), code: slot.code };
        Self { v: VERSION, limit, reuse, period, slots: slots.into_iter().map(moved).collect() }
    }

    /// The codes as they are now; `None` if they are of another version.
    pub(super) fn into_dispenser(self) -> Option<Dispenser> {
        if self.v != VERSION {
            return None;
        }
        let clock = Clock::start();
        let now = clock.now().mono;
        let slot = |it: Moved| Slot { opens: now.saturating_add(it.opens_in), ends: now.saturating_add(it.ends_in), code: it.code };
        let slots = self.slots.into_iter().map(slot).collect();
        Some(Dispenser::new(Pool::new(slots, self.period, self.limit, self.reuse), clock))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::wire, *};

    #[test]
    fn twenty_codes_fit_into_their_line() {
        let code: CodeText = serde_json::from_value("48291357".into()).unwrap();
        let slot = |n: u64| Slot { opens: n * 120_000, ends: (n + 1) * 120_000, code: code.clone() };
        let pool = Pool::new((0..20).map(slot).collect(), 120_000, 20, false);
        let line = wire::line_within(&Codes::new(pool, false, 0), MAX_CODES_LINE);
        assert!(line.len() < MAX_CODES_LINE);
        assert_eq!(wire::parse::<Codes>(&line).unwrap().into_dispenser().unwrap().left(), 20);
    }
}
