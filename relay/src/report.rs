//! What strangers can cause, told to the operator in one line an interval: no stranger can fill the log.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::{limits::REPORT_INTERVAL, metrics::Counters, switch::Stats};

/// Counts of what went wrong, as they were at the last report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wrongs {
    refused_full: u64,
    refused_address: u64,
    handshakes_failed: u64,
    proofs_failed: u64,
    auth_timeouts: u64,
    malformed: u64,
    over_limits: u64,
    slow_readers: u64,
    cut: u64,
}

impl Wrongs {
    fn of(switch: &Stats, shell: &Counters) -> Self {
        let error = |code| switch.errors.iter().find(|(name, _)| *name == code).map_or(0, |(_, count)| count);
        let refused = |reason| switch.opens_refused.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| count);
        Self {
            refused_full: shell.refused_full.value(),
            refused_address: shell.refused_address.value(),
            handshakes_failed: shell.handshakes_tls_failed.value()
                + shell.handshakes_websocket_failed.value()
                + shell.handshakes_timed_out.value(),
            proofs_failed: switch.proofs_failed,
            auth_timeouts: error("auth_timeout"),
            malformed: error("malformed"),
            over_limits: error("limit") + refused("limit"),
            slow_readers: shell.slow_readers.value(),
            cut: shell.strangers_cut.value() + shell.holders_cut.value() + shell.messages_timed_out.value(),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            refused_full: self.refused_full - before.refused_full,
            refused_address: self.refused_address - before.refused_address,
            handshakes_failed: self.handshakes_failed - before.handshakes_failed,
            proofs_failed: self.proofs_failed - before.proofs_failed,
            auth_timeouts: self.auth_timeouts - before.auth_timeouts,
            malformed: self.malformed - before.malformed,
            over_limits: self.over_limits - before.over_limits,
            slow_readers: self.slow_readers - before.slow_readers,
            cut: self.cut - before.cut,
        }
    }
}

/// Says what was new since it last said something.
#[derive(Default)]
pub(crate) struct Report {
    told: Wrongs,
    at: Option<Instant>,
    /// When it was first called.
    began: Option<Instant>,
}

impl Report {
    /// To be called about once a second: writes a line if there is something to tell and the last one is old enough.
    pub(crate) fn tick(&mut self, switch: &Stats, shell: &Counters, now: Instant) {
        self.tell(Wrongs::of(switch, shell), now, REPORT_INTERVAL);
    }

    /// The last one: what is new is told at once.
    pub(crate) fn last(mut self, switch: &Stats, shell: &Counters, now: Instant) {
        self.tell(Wrongs::of(switch, shell), now, Duration::ZERO);
    }

    fn tell(&mut self, wrongs: Wrongs, now: Instant, interval: Duration) {
        if let Some((wrongs, seconds)) = self.due(wrongs, now, interval) {
            warn!(
                event = "refused",
                seconds,
                refused_full = wrongs.refused_full,
                refused_address = wrongs.refused_address,
                handshakes_failed = wrongs.handshakes_failed,
                proofs_failed = wrongs.proofs_failed,
                auth_timeouts = wrongs.auth_timeouts,
                malformed = wrongs.malformed,
                over_limits = wrongs.over_limits,
                slow_readers = wrongs.slow_readers,
                cut = wrongs.cut,
                "some were refused or cut{}",
                // Mostly it is not a stranger, but a URL.
                if wrongs.proofs_failed > 0 { "; proofs of everybody fail if --origin is not the URL that clients use" } else { "" }
            );
        }
    }

    /// What to tell, and over how many seconds it came.
    fn due(&mut self, now_wrong: Wrongs, now: Instant, interval: Duration) -> Option<(Wrongs, u64)> {
        let since = now.saturating_duration_since(self.at.unwrap_or(*self.began.get_or_insert(now)));
        // The first one is told at once.
        if now_wrong == self.told || (since < interval && self.at.is_some()) {
            return None;
        }
        let new = now_wrong.since(self.told);
        self.told = now_wrong;
        self.at = Some(now);
        Some((new, since.as_secs()))
    }
}

/// A line that is written at most once an interval.
#[derive(Default)]
pub(crate) struct Seldom {
    told: Option<Instant>,
}

impl Seldom {
    /// Whether it is time for the line; then it counts as written.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        let due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= REPORT_INTERVAL);
        if due {
            self.told = Some(now);
        }
        due
    }
}

/// Says that accepting pauses, and that it goes on: at most once an interval, because strangers can cause it.
#[derive(Default)]
pub(crate) struct Pauses {
    line: Seldom,
    to_end: bool,
}

impl Pauses {
    /// Accepting failed.
    pub(crate) fn begin(&mut self, error: &std::io::Error, now: Instant) {
        if self.line.due(now) {
            self.to_end = true;
            warn!(event = "not_accepting", %error, "cannot accept connections for now; those that are there go on");
        }
    }

    /// A connection was accepted.
    pub(crate) fn end(&mut self) {
        if std::mem::take(&mut self.to_end) {
            info!(event = "accepting_again", "new connections are taken again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_an_interval() {
        let start = Instant::now();
        let mut report = Report::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        let failed = |proofs_failed| Wrongs { proofs_failed, ..Wrongs::default() };
        let mut due = |wrongs, seconds| report.due(wrongs, at(seconds), REPORT_INTERVAL);
        assert_eq!(due(failed(0), 0), None);
        assert_eq!(due(failed(3), 1).unwrap().0, failed(3));
        for second in 2..61 {
            assert_eq!(due(failed(3 + second), second), None);
        }
        assert_eq!(due(failed(70), 61).unwrap(), (failed(67), 60));
        assert_eq!(due(failed(70), 600), None);
        assert_eq!(report.due(failed(71), at(601), Duration::ZERO).unwrap(), (failed(1), 540));
    }

    #[test]
    fn one_pause_an_interval() {
        let start = Instant::now();
        let error = std::io::Error::other("no more files");
        let mut pauses = Pauses::default();
        pauses.begin(&error, start);
        assert!(std::mem::take(&mut pauses.to_end));
        pauses.begin(&error, start + Duration::from_secs(59));
        assert!(!pauses.to_end);
        pauses.begin(&error, start + REPORT_INTERVAL);
        assert!(pauses.to_end);
        pauses.end();
        assert!(!pauses.to_end);
    }
}
