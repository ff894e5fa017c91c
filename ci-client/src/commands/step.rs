//! The wait for a code's step of time to begin: said at once, and again while it lasts.

use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::{Instant, interval_at};

use crate::{
    duration::{Left, USUAL_STEP},
    event::Event,
    ui::Ui,
    waiting::{LINE_EVERY, spinner},
};

/// A wait that is shorter needs no word.
const WORTH_A_LINE: Duration = Duration::from_secs(1);
/// How often the moving line moves.
const TICK: Duration = Duration::from_millis(250);

/// A step that has not begun.
pub(super) struct Wait<'a> {
    pub(super) ui: Ui,
    pub(super) seed: &'a str,
    /// How long until it does.
    pub(super) left: Duration,
    /// How long a step of this seed lasts, if that is known.
    pub(super) period: Option<Duration>,
}

impl Wait<'_> {
    /// What `work` comes to, which waits for that step. Dropped, it drops the work.
    pub(super) async fn told<T>(self, work: impl Future<Output = T>) -> T {
        if self.left <= WORTH_A_LINE {
            return work.await;
        }
        let deadline = Instant::now() + self.left;
        self.ui.tell(&Event::Step { seed: self.seed, left_s: self.left.as_secs() }, &self.why());
        let moving = spinner(self.ui).map(Moving);
        let every = if moving.is_some() { TICK } else { LINE_EVERY };
        let mut ticks = interval_at(Instant::now() + every, every);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => self.again(moving.as_ref(), deadline.saturating_duration_since(Instant::now())),
            }
        }
    }

    fn why(&self) -> String {
        let left = Left(self.left);
        if self.left <= self.period.unwrap_or(Duration::from_secs(USUAL_STEP)) {
            return format!("the code is of the next step of time: waiting {left} for it to begin");
        }
        format!(
            "the code is of a later step of time: waiting {left} for it to begin. All steps before it belong to an earlier approval, used or \
             not, and no step is issued twice"
        )
    }

    fn again(&self, moving: Option<&Moving>, left: Duration) {
        let text = format!("waiting for the code's step of time, {} left", Left(left));
        match moving {
            Some(Moving(spinner)) => {
                spinner.set_message(text);
                spinner.tick();
            }
            None => self.ui.tell(&Event::Step { seed: self.seed, left_s: left.as_secs() }, &text),
        }
    }
}

/// The terminal is left as it was.
struct Moving(ProgressBar);

impl Drop for Moving {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UI: Ui = Ui { terminal: false, color: false, json: false, platform: None };

    fn wait(left: u64, period: Option<u64>) -> Wait<'static> {
        Wait { ui: UI, seed: "npm", left: Duration::from_secs(left), period: period.map(Duration::from_secs) }
    }

    #[test]
    fn why_it_is_waited_for() {
        let next = "the code is of the next step of time: waiting 25 s for it to begin";
        assert_eq!((wait(25, Some(30)).why().as_str(), wait(25, None).why().as_str()), (next, next));
        for long in [wait(25, Some(15)), wait(31, None), wait(540, Some(30))] {
            assert!(long.why().contains("belong to an earlier approval, used or not"), "{}", long.why());
        }
    }

    /// What is waited for counts, not what is told meanwhile.
    #[tokio::test]
    async fn the_work_is_what_ends_it() {
        assert_eq!(wait(60, None).told(async { 7 }).await, 7);
        assert_eq!(wait(0, None).told(async { 8 }).await, 8);
    }
}
