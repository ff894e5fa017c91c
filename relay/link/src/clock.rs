//! Time from the operating system.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::time::Now;
// The operating system's, or that of a test in virtual time.
use tokio::time::Instant;

/// Reads the wall clock and a monotonic one that starts with it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts the monotonic clock at 0. One program uses one `Clock`: moments of two cannot be compared.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// The time now; the wall clock is 0 if it is set before 1970.
    #[must_use]
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { unix, mono: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs() {
        let clock = Clock::start();
        let (a, b) = (clock.now(), clock.now());
        assert!(a.mono <= b.mono && a.mono < 60_000);
        assert!(a.unix > 1_700_000_000);
    }
}
