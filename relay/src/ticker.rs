//! Says once a second that a second has passed.
//!
//! A thread and not a timer of the runtime: with a timer pending, every wait for a socket arms one in the kernel and takes it back,
//! which a relay of small messages notices.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use crate::limits::STANDSTILL;

const SECOND: Duration = Duration::from_secs(1);

/// Ends its thread, within a second, when it is dropped.
pub(crate) struct Ticker(Arc<Due>);

struct Due {
    passed: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Ticker {
    /// Starts; the first second is over at once.
    pub(crate) fn start() -> io::Result<Self> {
        let due = Arc::new(Due { passed: AtomicBool::new(true), waker: Mutex::default() });
        let weak = Arc::downgrade(&due);
        thread::Builder::new().name("ticker".to_owned()).spawn(move || run(&weak))?;
        Ok(Self(due))
    }

    /// Whether a second has passed since this was last true; wakes when the next one has.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> bool {
        let mut waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        self.0.passed.swap(false, Ordering::AcqRel)
    }
}

/// Whether a second that has passed may be acted on. After a standstill (of the machine, or of the process) it may not: all waits are
/// over at once then, also of those who answered meanwhile, and what they said has to be heard first. The next second may, whenever
/// it comes: a relay that has too much to do still ends what must not last.
#[derive(Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    passed_over: bool,
}

impl Pace {
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        let since = self.last.replace(now).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.passed_over = since > STANDSTILL && !self.passed_over;
        !self.passed_over
    }
}

fn run(due: &Weak<Due>) {
    loop {
        thread::sleep(SECOND);
        let Some(due) = due.upgrade() else { return };
        due.passed.store(true, Ordering::Release);
        let waker = due.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    #[test]
    fn the_first_second_after_a_standstill_is_passed_over() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut at = |seconds| pace.allows(start + Duration::from_secs(seconds));
        assert!(at(0) && at(1) && at(2));
        assert!(!at(60) && at(61) && at(62));
        // One that is always late goes on, too.
        assert_eq!([at(70), at(80), at(90), at(100)], [false, true, false, true]);
        assert!(at(101));
    }

    #[tokio::test]
    async fn ticks() {
        let ticker = Ticker::start().unwrap();
        for _ in 0..2 {
            poll_fn(|cx| if ticker.poll(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
        }
    }
}
