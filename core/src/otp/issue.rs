//! Which steps may be issued now (docs/PROTOCOL.md §4, issue rules).

use super::{MAX_PERIOD, MIN_PERIOD};

/// Seconds a step must at least still last for its code to be worth handing out.
pub const MIN_LIFE: u64 = 8;
/// Most codes of one request, and how many steps ahead of the clock the first one may be.
pub const MAX_BATCH: u8 = 20;

/// A run of consecutive steps, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    first: u64,
    last: u64,
    valid_until: u64,
}

/// Why no steps can be issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The codes already issued reach too far ahead of the clock, or the clock was set back: the answer `busy`.
    #[error("the codes already issued reach too far ahead; wait, and check that the phone's clock is right")]
    Busy,
    /// Misuse: the number of codes is not 1 to [`MAX_BATCH`].
    #[error("the number of codes must be 1 to {MAX_BATCH}")]
    Count,
    /// Misuse: the period is not [`MIN_PERIOD`] to [`MAX_PERIOD`] seconds.
    #[error("the period must be {MIN_PERIOD} to {MAX_PERIOD} seconds")]
    Period,
    /// The time is so late that the end of a step can't be told.
    #[error("the phone's clock is out of range")]
    Clock,
}

impl Steps {
    /// The first step.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The last step: the seed's new `last_step`, on disk before any code leaves.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Unix seconds at which the last step ends.
    #[must_use]
    pub fn valid_until(&self) -> u64 {
        self.valid_until
    }

    /// How many steps, 1 to [`MAX_BATCH`].
    #[must_use]
    pub fn count(&self) -> u8 {
        u8::try_from(self.last.saturating_sub(self.first)).unwrap_or(MAX_BATCH).saturating_add(1)
    }

    /// Each step, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<> {
        self.first..=self.last
    }
}

/// Picks the steps for `count` codes. `now` is the phone's time and `period` the seed's, both in seconds; `last_step` is the last
/// step ever issued for the seed. The current step is passed over if it lasts less than `min_life` seconds (but [`MIN_LIFE`] at least).
///
/// # Errors
/// [`IssueError::Busy`] is the answer to the peer; the others are misuse or a clock beyond all sense.
pub fn plan(now: u64, period: u64, last_step: Option<u64>, count: u8, min_life: u8) -> Result<Steps, IssueError> {
    if !(1..=MAX_BATCH).contains(&count) {
        return Err(IssueError::Count);
    }
    if !(MIN_PERIOD..=MAX_PERIOD).contains(&period) {
        return Err(IssueError::Period);
    }
    // Periods are not zero and at least 15: none of these sums comes near the end of u64.
    let current = now / period;
    let life = period - now % period;
    let candidate = if life < MIN_LIFE.max(u64::from(min_life)) { current + 1 } else { current };
    let after_last = last_step.map_or(Some(0), |last| last.checked_add(1)).ok_or(IssueError::Busy)?;
    let first = candidate.max(after_last);
    if first > current + u64::from(MAX_BATCH) {
        return Err(IssueError::Busy);
    }
    let last = first + u64::from(count) - 1;
    let valid_until = (last + 1).checked_mul(period).ok_or(IssueError::Clock)?;
    Ok(Steps { first, last, valid_until })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(now: u64, last: Option<u64>, count: u8) -> Result<(u64, u64), IssueError> {
        plan(now, 30, last, count, 0).map(|steps| (steps.first(), steps.last()))
    }

    #[test]
    fn ci_may_want_a_longer_life() {
        let first = |now, period, min_life| plan(now, period, None, 1, min_life).unwrap().first();
        assert_eq!((first(310, 30, 20), first(311, 30, 20)), (10, 11));
        // Less than the least is not to be had, and no more than one step is passed over.
        assert_eq!((first(322, 30, 7), first(323, 30, 7)), (10, 11));
        assert_eq!((first(300, 15, 120), first(314, 15, 120)), (21, 21));
    }

    #[test]
    fn a_step_about_to_end_is_skipped() {
        assert_eq!(span(300, None, 1), Ok((10, 10)));
        assert_eq!(span(322, None, 1), Ok((10, 10))); // 8 s left
        assert_eq!(span(323, None, 1), Ok((11, 11))); // 7 s left
        assert_eq!(span(329, None, 1), Ok((11, 11)));
        assert_eq!(span(330, None, 1), Ok((11, 11)));
        // The shortest and the longest period.
        assert_eq!(plan(7, 15, None, 1, 0).unwrap().first(), 0);
        assert_eq!(plan(8, 15, None, 1, 0).unwrap().first(), 1);
        assert_eq!(plan(119, 120, None, 1, 0).unwrap().first(), 1);
    }

    #[test]
    fn no_step_is_issued_twice() {
        assert_eq!(span(300, Some(9), 1), Ok((10, 10)));
        assert_eq!(span(300, Some(10), 1), Ok((11, 11)));
        assert_eq!(span(323, Some(10), 1), Ok((11, 11)));
        assert_eq!(span(323, Some(11), 1), Ok((12, 12)));
        let mut last = None;
        for _ in 0..21 {
            let steps = plan(300, 30, last, 1, 0).unwrap();
            assert!(last.is_none_or(|last| steps.first() > last));
            last = Some(steps.last());
        }
        assert_eq!(plan(300, 30, last, 1, 0), Err(IssueError::Busy));
    }

    #[test]
    fn batches_are_consecutive_and_bounded() {
        let steps = plan(300, 30, None, 20, 0).unwrap();
        assert_eq!((steps.count(), steps.valid_until()), (20, 900));
        assert!(steps.iter().eq(10..=29));
        // The first step of the next batch is exactly as far ahead as is allowed.
        assert_eq!(span(300, Some(29), 20), Ok((30, 49)));
        assert_eq!(span(300, Some(30), 1), Err(IssueError::Busy));
        assert_eq!(span(300, None, 0), Err(IssueError::Count));
        assert_eq!(span(300, None, 21), Err(IssueError::Count));
    }

    #[test]
    fn a_clock_set_back_is_busy_not_a_repeat() {
        assert_eq!(span(300, Some(1_000_000), 1), Err(IssueError::Busy));
        assert_eq!(span(300, Some(u64::MAX), 1), Err(IssueError::Busy));
        assert_eq!(span(0, None, 1), Ok((0, 0)));
    }

    #[test]
    fn the_ends_of_the_clock_do_not_overflow() {
        for period in MIN_PERIOD..=MAX_PERIOD {
            for back in 0..4 * MAX_PERIOD {
                for last in [None, Some(0), Some(u64::MAX / period), Some(u64::MAX - 1)] {
                    if let Ok(steps) = plan(u64::MAX - back, period, last, 20, 0) {
                        assert!(steps.valid_until() > u64::MAX - back);
                    }
                }
            }
        }
        assert_eq!(plan(u64::MAX, 30, None, 20, 0), Err(IssueError::Clock));
    }

    #[test]
    fn periods_out_of_range_are_misuse() {
        for period in [0, 1, 14, 121, u64::MAX] {
            assert_eq!(plan(300, period, None, 1, 0), Err(IssueError::Period));
        }
    }
}
