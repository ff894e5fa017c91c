//! How many codes an approval is for: as many as steps of time, or fewer of a longer window.

use std::{fmt, time::Duration};

use clap::Args;
use countersign_core::{
    request::MAX_CODES,
    text::{MAX_REASON, clean},
};

use countersign_link::Clock;

use crate::{
    ask::Answer,
    codes::{Dispenser, Pool},
    config::Seed,
    duration::{Left, USUAL_STEP, Window},
    problem::Problem,
    ui::Ui,
};

#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// How many codes may be used, 1 to 20; else what the seed says in the configuration. The maintainer may allow fewer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_CODES)))]
    codes: Option<u8>,
    /// For how long codes are wanted, up to 10m, from the first one on. Codes follow each other, one for each 30 s: this asks for one of every
    /// step, and uses no more than --codes of them
    #[arg(long = "for", value_name = "TIME")]
    window: Option<Window>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    /// Codes, of as many steps that follow each other.
    pub(super) steps: u8,
    /// How many of them may be used.
    pub(super) limit: u8,
    window: Option<Window>,
}

impl BatchArgs {
    /// # Errors
    /// [`Problem`] if the window has fewer steps than codes are to be used.
    pub(super) fn batch(&self, seed: &Seed) -> Result<Batch, Problem> {
        let wanted = self.codes.unwrap_or(seed.codes);
        let Some(window) = self.window else { return Ok(Batch::of(wanted)) };
        let steps = window.steps();
        // A number from the configuration was not meant for this window.
        let limit = if self.codes.is_none() { wanted.min(steps) } else { wanted };
        if limit > steps {
            let needed = u64::from(limit) * USUAL_STEP;
            return Err(Problem::config(format!(
                "--for is too short for {limit} codes: each is of a step of its own, {USUAL_STEP} s long"
            ))
            .hint(format!("give --for {}m{}s or more, or fewer --codes", needed / 60, needed % 60)));
        }
        Ok(Batch { steps, limit, window: Some(window) })
    }
}

impl Batch {
    /// Each of them may be used.
    pub(super) fn of(codes: u8) -> Self {
        Self { steps: codes, limit: codes, window: None }
    }

    /// The codes of the answer: not for longer than was asked, even if this seed's steps are longer. `now` is the caller's clock.
    pub(super) fn pool(self, answer: &mut Answer, reuse: bool, now: u64, ui: Ui) -> Pool {
        let mut pool = Pool::of(answer, self.limit, reuse, now);
        if let Some(window) = self.window {
            // Codes issued before, even unused, push the first step into the future: the time begins with it.
            pool.end_at(pool.opens().max(now).saturating_add(window.as_millis()));
            let period = answer.approval().map_or(0, |approval| approval.period);
            if period < USUAL_STEP {
                let left = Left(Duration::from_millis(pool.ends().saturating_sub(now)));
                ui.say(&format!("the steps of this seed are {period} s long: its codes are for {left} only"));
            }
        }
        pool
    }

    /// The same, ready to hand out.
    pub(super) fn dispenser(self, answer: &mut Answer, reuse: bool, ui: Ui) -> Dispenser {
        let clock = Clock::start();
        Dispenser::new(self.pool(answer, reuse, clock.now().mono, ui), clock)
    }

    /// What the phone shows as the reason: it says so when more codes are given than will be used.
    pub(super) fn reason(self, reason: &str) -> String {
        if self.limit == self.steps {
            return clean(reason, MAX_REASON);
        }
        let words = format!("[{self}]");
        let room = MAX_REASON.saturating_sub(words.chars().count() + 1);
        let reason = clean(reason, room);
        if reason.is_empty() { words } else { format!("{reason} {words}") }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, limit, .. } = self;
        if limit < steps {
            let seconds = u64::from(*steps) * USUAL_STEP;
            let time = if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") };
            return write!(f, "{steps} codes ({time}), at most {limit} used");
        }
        if *steps == 1 { f.write_str("a code") } else { write!(f, "{steps} codes") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn batch(codes: Option<u8>, window: Option<&str>) -> Result<Batch, Problem> {
        let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/sealed.json")).unwrap();
        let sealed = data_encoding::HEXLOWER.decode(vectors["opens"][0]["sealed"].as_str().unwrap().as_bytes()).unwrap();
        let sealed = countersign_core::seed::SealedSeed::parse(sealed).unwrap();
        let seed = Seed { sealed, label: String::new(), target: crate::targets::Targets::builtin().find("npm").unwrap(), codes: 3 };
        BatchArgs { codes, window: window.map(|window| window.parse().unwrap()) }.batch(&seed)
    }

    #[test]
    fn a_window_needs_a_code_for_each_of_its_steps() {
        assert_eq!(batch(None, None), Ok(Batch::of(3)));
        assert_eq!(batch(Some(5), None), Ok(Batch::of(5)));
        assert_eq!(batch(Some(2), Some("10m")), Ok(Batch { steps: 20, limit: 2, window: "10m".parse().ok() }));
        assert_eq!(batch(None, Some("30s")), Ok(Batch { steps: 1, limit: 1, window: "30s".parse().ok() }));
        let problem = batch(Some(5), Some("2m")).unwrap_err();
        assert_eq!(problem.exit, Exit::BadConfig);
        assert_eq!(problem.hint.unwrap(), "give --for 2m30s or more, or fewer --codes");
    }

    #[test]
    fn the_phone_shows_how_many_will_be_used() {
        let wide = Batch { steps: 20, limit: 3, window: None };
        assert_eq!(wide.reason("release 1.2"), "release 1.2 [20 codes (10 min), at most 3 used]");
        assert_eq!(wide.reason(""), "[20 codes (10 min), at most 3 used]");
        let long = wide.reason(&"x".repeat(200));
        assert_eq!(long.chars().count(), MAX_REASON);
        assert!(long.ends_with("x [20 codes (10 min), at most 3 used]"));
        assert_eq!(Batch::of(20).reason("release 1.2"), "release 1.2");
        assert_eq!((Batch::of(1).to_string(), Batch::of(4).to_string()), ("a code".into(), "4 codes".into()));
    }
}
