//! How a cluster counts time: a Lamport clock that never lags behind the wall clock.
//!
//! What happens after something else that was heard of gets a greater stamp, whatever the machines' clocks say. What happened while two
//! relays could not hear each other is ordered as far as their clocks agree.

use crate::limits::MAX_CLOCK_AHEAD;

/// The seconds of a stamp are above these bits, a counter is below.
const SHIFT: u32 = 20;

/// The clock of one relay. Stamps are above 0.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: u64,
    unix: u64,
}

impl Clock {
    /// The wall clock says `unix` seconds.
    pub(super) fn see_time(&mut self, unix: u64) {
        self.unix = unix;
        self.last = self.last.max(floor(unix));
    }

    /// Another relay's message has this stamp. One from too far in the future is not followed.
    pub(super) fn see_stamp(&mut self, stamp: u64) {
        if stamp <= floor(self.unix.saturating_add(MAX_CLOCK_AHEAD.as_secs())) {
            self.last = self.last.max(stamp);
        }
    }

    /// The stamp of something that happens now.
    pub(super) fn stamp(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }
}

fn floor(unix: u64) -> u64 {
    unix.saturating_mul(1 << SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_with_what_is_heard_and_with_time() {
        let (mut a, mut b) = (Clock::default(), Clock::default());
        a.see_time(1_000);
        b.see_time(900);
        let first = a.stamp();
        b.see_stamp(first);
        assert!(b.stamp() > first);
        // Nothing heard, but later.
        b.see_time(1_001);
        assert!(b.stamp() > first + 1000);
        // A clock that is set back.
        let before = a.stamp();
        a.see_time(10);
        assert!(a.stamp() > before);
    }

    #[test]
    fn nobody_drives_the_clock_to_its_end() {
        let mut clock = Clock::default();
        clock.see_time(1_000);
        clock.see_stamp(u64::MAX);
        assert_eq!(clock.stamp(), floor(1_000) + 1);
        clock.see_time(u64::MAX);
        assert_eq!(clock.stamp(), u64::MAX);
    }
}
