//! The codes of one approval: which one to hand out now, or how long to wait. Pure: times are milliseconds of a monotonic clock that the caller reads.

use std::collections::VecDeque;

use countersign_core::request::{CodeText, StepCode};

use crate::ask::Answer;

/// What is kept back of a step when it is compared with a wanted life: a code handed out the moment its step opens lives that much less.
const SLACK: u64 = 1000;

/// A code and when it is valid.
#[derive(Debug)]
pub(crate) struct Slot {
    /// When its step begins.
    pub(crate) opens: u64,
    /// When its step is over.
    pub(crate) ends: u64,
    /// Wiped when it is handed out or over.
    pub(crate) code: CodeText,
}

impl Slot {
    fn lives(&self, now: u64, min_life: u64) -> bool {
        self.ends.saturating_sub(now) >= min_life.max(1)
    }
}

/// The codes that are left of an approval, in the order of their steps.
#[derive(Debug)]
pub(crate) struct Pool {
    slots: VecDeque<Slot>,
    /// How many may still be handed out.
    left: u8,
    /// How often a code was handed out.
    handed: u8,
    /// One step may serve several times: the code that was handed out last stays, until it is over.
    reuse: Option<Kept>,
    /// When the last step is over.
    ends: u64,
    /// How long a step lasts.
    period: u64,
}

/// What a pool that allows it keeps.
#[derive(Debug, Default)]
struct Kept(Option<Slot>);

/// The answer to [`Pool::next`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Valid now, for at least as long as wanted.
    Code(CodeText),
    /// Ask again after so many milliseconds.
    Wait(u64),
    /// There is none, and there will be none.
    Spent(Spent),
}

/// Why there is no code any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spent {
    /// As many as were allowed have been handed out.
    #[error("all codes of this approval were handed out already")]
    HandedOut,
    /// The steps are over.
    #[error("the time of this approval's codes is over")]
    Over,
    /// No step lasts that long.
    #[error("no code of this seed lives that long")]
    TooLong,
}

impl Pool {
    /// `limit` of these codes may be handed out, at most one for each step unless `reuse`. A step lasts `period`; the first may have begun before
    /// the clock did.
    pub(crate) fn new(slots: Vec<Slot>, period: u64, limit: u8, reuse: bool) -> Self {
        let ends = slots.iter().map(|slot| slot.ends).max().unwrap_or(0);
        Self { slots: slots.into(), left: limit, handed: 0, reuse: reuse.then(Kept::default), ends, period }
    }

    /// The codes of an answer, which keeps none; `now` is the caller's clock at this moment.
    pub(crate) fn of(answer: &mut Answer, limit: u8, reuse: bool, now: u64) -> Self {
        let codes = answer.take_codes();
        let period = answer.approval().map_or(0, |approval| approval.period).saturating_mul(1000);
        let slot = |StepCode(step, code)| {
            let ends = now.saturating_add(u64::try_from(answer.ends_in(step).as_millis()).unwrap_or(u64::MAX));
            Slot { opens: ends.saturating_sub(period), ends, code }
        };
        Self::new(codes.into_iter().map(slot).collect(), period, limit, reuse)
    }

    /// Nothing is handed out any more from then on, and no code whose step begins later is kept.
    pub(crate) fn end_at(&mut self, until: u64) {
        self.slots.retain(|slot| slot.opens < until);
        for slot in &mut self.slots {
            slot.ends = slot.ends.min(until);
        }
        self.ends = self.ends.min(until);
    }

    /// The next code with at least `min_life` milliseconds left: where steps may serve again, perhaps one that was handed out before.
    pub(crate) fn next(&mut self, now: u64, min_life: u64) -> Next {
        self.forget_what_is_over(now);
        if min_life <= self.longest_life()
            && let Some(Kept(Some(slot))) = &self.reuse
            && slot.lives(now, min_life)
        {
            self.handed = self.handed.saturating_add(1);
            return Next::Code(slot.code.clone());
        }
        self.next_fresh(now, min_life)
    }

    /// The same, and never one that was handed out before.
    pub(crate) fn next_fresh(&mut self, now: u64, min_life: u64) -> Next {
        self.forget_what_is_over(now);
        if min_life > self.longest_life() {
            return Next::Spent(Spent::TooLong);
        }
        if self.left == 0 {
            return Next::Spent(Spent::HandedOut);
        }
        // A code that dies too soon for this caller may do for another one: it stays.
        let Some(at) = self.slots.iter().position(|slot| slot.lives(now, min_life)) else { return Next::Spent(Spent::Over) };
        let opens = self.slots.get(at).map_or(0, |slot| slot.opens);
        if opens > now {
            return Next::Wait(opens - now);
        }
        let Some(slot) = self.slots.remove(at) else { return Next::Spent(Spent::Over) };
        self.left -= 1;
        self.handed = self.handed.saturating_add(1);
        match &mut self.reuse {
            Some(kept) => {
                let code = slot.code.clone();
                kept.0 = Some(slot);
                Next::Code(code)
            }
            None => Next::Code(slot.code),
        }
    }

    fn forget_what_is_over(&mut self, now: u64) {
        self.slots.retain(|slot| slot.ends > now);
        if let Some(Kept(kept)) = &mut self.reuse {
            kept.take_if(|slot| slot.ends <= now);
        }
    }

    /// The code that was handed out last was refused: it does not serve again.
    pub(crate) fn refused(&mut self) {
        if let Some(Kept(kept)) = &mut self.reuse {
            *kept = None;
        }
    }

    /// The longest life that can be wanted of a code, milliseconds.
    pub(crate) fn longest_life(&self) -> u64 {
        self.period.saturating_sub(SLACK)
    }

    /// How often a code was handed out.
    pub(crate) fn handed(&self) -> u8 {
        self.handed
    }

    /// How many can still be handed out.
    pub(crate) fn left(&mut self, now: u64) -> u8 {
        self.forget_what_is_over(now);
        self.left.min(u8::try_from(self.slots.len()).unwrap_or(u8::MAX))
    }

    /// Whether nothing will be handed out any more.
    pub(crate) fn is_spent(&mut self, now: u64) -> bool {
        self.left(now) == 0 && !matches!(self.reuse, Some(Kept(Some(_))))
    }

    /// How long until a code with this life that was not handed out before can be had; nothing if there is none.
    pub(crate) fn opens_in(&self, now: u64, min_life: u64) -> u64 {
        self.slots.iter().find(|slot| slot.lives(now, min_life)).map_or(0, |slot| slot.opens.saturating_sub(now))
    }

    /// When the first step begins.
    pub(crate) fn opens(&self) -> u64 {
        self.slots.front().map_or(0, |slot| slot.opens)
    }

    /// When nothing can be had any more: the end of the last step.
    pub(crate) fn ends(&self) -> u64 {
        self.ends
    }

    /// Gives the codes away: how many of them may be handed out, and how long a step lasts.
    pub(crate) fn into_parts(self) -> (Vec<Slot>, u8, u64) {
        (self.slots.into(), self.left, self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 30_000;

    fn text(code: &str) -> CodeText {
        serde_json::from_value(code.into()).unwrap()
    }

    /// Codes 0, 1, 2 ... of steps that follow each other; the first one opened 10 s ago.
    fn pool(codes: u64, limit: u8, reuse: bool) -> Pool {
        let slot = |n: u64| Slot { opens: 90_000 + n * STEP, ends: 90_000 + (n + 1) * STEP, code: text(&n.to_string()) };
        Pool::new((0..codes).map(slot).collect(), STEP, limit, reuse)
    }

    fn code(code: &str) -> Next {
        Next::Code(text(code))
    }

    #[test]
    fn each_step_serves_once() {
        let mut pool = pool(3, 3, false);
        assert_eq!(pool.opens_in(100_000, 8_000), 0);
        assert_eq!(pool.next(100_000, 8_000), code("0"));
        assert_eq!((pool.opens_in(100_000, 8_000), pool.next(100_000, 8_000)), (20_000, Next::Wait(20_000)));
        assert_eq!(pool.next(120_000, 8_000), code("1"));
        assert_eq!(pool.next(150_000, 8_000), code("2"));
        assert_eq!(pool.opens_in(150_000, 8_000), 0);
        assert_eq!(pool.next(150_000, 8_000), Next::Spent(Spent::HandedOut));
        assert_eq!(pool.handed(), 3);
    }

    #[test]
    fn a_code_with_too_little_life_waits_for_the_next_and_is_not_lost() {
        let mut pool = pool(2, 2, false);
        assert_eq!(pool.next(115_000, 10_000), Next::Wait(5_000));
        assert_eq!(pool.next(115_000, 5_000), code("0"));
        assert_eq!(pool.next(120_000, 29_000), code("1"));
    }

    #[test]
    fn steps_that_pass_are_lost_and_the_limit_is_not() {
        let mut pool = pool(4, 2, false);
        assert_eq!(pool.next(100_000, 0), code("0"));
        // Steps 1 and 2 passed unused.
        assert_eq!(pool.next(185_000, 0), code("3"));
        assert_eq!(pool.next(190_000, 0), Next::Spent(Spent::HandedOut));
    }

    #[test]
    fn after_the_last_step_it_is_over() {
        let mut pool = pool(2, 2, false);
        assert_eq!(pool.ends(), 150_000);
        assert_eq!(pool.next(149_999, 0), code("1"));
        assert_eq!(pool.next(149_999, 0), Next::Spent(Spent::Over));
        assert_eq!(pool.next(150_000, 0), Next::Spent(Spent::Over));
        assert_eq!(pool.left(150_000), 0);
        // The last step has not enough life left, and there is none after it.
        let mut pool = self::pool(1, 1, false);
        assert_eq!(pool.next(119_000, 8_000), Next::Spent(Spent::Over));
    }

    #[test]
    fn a_life_that_no_step_has_is_told() {
        let mut pool = pool(2, 2, false);
        assert_eq!(pool.next(100_000, 29_001), Next::Spent(Spent::TooLong));
        assert_eq!(pool.next(100_000, u64::MAX), Next::Spent(Spent::TooLong));
    }

    #[test]
    fn where_it_is_allowed_a_step_serves_again() {
        let mut pool = pool(2, 2, true);
        assert_eq!(pool.next(100_000, 8_000), code("0"));
        assert_eq!(pool.next(110_000, 8_000), code("0"));
        assert_eq!(pool.next(115_000, 8_000), Next::Wait(5_000));
        assert_eq!(pool.next(120_000, 8_000), code("1"));
        assert_eq!((pool.handed(), pool.left(120_000)), (3, 0));
        assert!(!pool.is_spent(149_999) && pool.is_spent(150_000));
        let mut pool = self::pool(2, 2, true);
        assert_eq!(pool.next(100_000, 8_000), code("0"));
        assert_eq!(pool.next(120_000, 8_000), code("1"));
        assert_eq!(pool.next(125_000, 8_000), code("1"));
        pool.refused();
        assert_eq!(pool.next(125_000, 8_000), Next::Spent(Spent::HandedOut));
    }

    #[test]
    fn who_wants_a_fresh_one_never_gets_what_was_handed_out() {
        let mut pool = pool(3, 3, true);
        assert_eq!(pool.next(100_000, 8_000), code("0"));
        // Two who wait for the same step get two codes.
        assert_eq!((pool.next_fresh(100_000, 8_000), pool.next_fresh(100_000, 8_000)), (Next::Wait(20_000), Next::Wait(20_000)));
        assert_eq!(pool.next(100_000, 8_000), code("0"));
        assert_eq!(pool.next_fresh(120_000, 8_000), code("1"));
        assert_eq!(pool.next_fresh(120_000, 8_000), Next::Wait(30_000));
        assert_eq!(pool.next_fresh(150_000, 8_000), code("2"));
        assert_eq!((pool.next_fresh(150_000, 8_000), pool.handed()), (Next::Spent(Spent::HandedOut), 4));
    }

    #[test]
    fn a_refused_code_does_not_serve_again() {
        let mut pool = pool(2, 2, true);
        assert_eq!(pool.next(100_000, 8_000), code("0"));
        pool.refused();
        assert_eq!(pool.next(100_000, 8_000), Next::Wait(20_000));
        assert_eq!(pool.next(120_000, 8_000), code("1"));
        assert_eq!(pool.next(150_000, 8_000), Next::Spent(Spent::HandedOut));
    }

    #[test]
    fn it_can_end_before_its_last_step() {
        let mut pool = pool(5, 5, false);
        pool.end_at(160_000);
        assert_eq!((pool.opens(), pool.ends(), pool.left(100_000)), (90_000, 160_000, 3));
        assert_eq!(pool.next(152_000, 8_000), code("2"));
        let mut pool = self::pool(5, 5, false);
        pool.end_at(160_000);
        assert_eq!(pool.next(153_000, 8_000), Next::Spent(Spent::Over));
    }

    #[test]
    fn what_was_handed_out_or_is_over_is_gone_from_the_pool() {
        let mut pool = pool(3, 3, false);
        assert_eq!(pool.next(100_000, 0), code("0"));
        assert_eq!(pool.left(155_000), 1);
        let (slots, left, _) = pool.into_parts();
        assert_eq!(slots.iter().map(|slot| slot.code.clone()).collect::<Vec<_>>(), [text("2")]);
        assert_eq!(left, 2);
    }

    #[test]
    fn nothing_shows_a_code() {
        assert_eq!(format!("{:?}", code("482913")), "Code(CodeText(..))");
        assert!(!format!("{:?}", pool(2, 2, true)).contains("code: \""));
    }
}
