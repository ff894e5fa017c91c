//! Questions that end with whoever needs their answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::Console;

/// Whether somebody wants the answer to a question, as whoever asks it sees it.
#[derive(Default)]
pub(crate) struct Wanted(Arc<AtomicBool>);

impl Wanted {
    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whoever wants the answer. Dropped, the question is taken away: it is off the terminal when this is gone, and none begins any more.
pub(crate) struct Wanting {
    console: Arc<Console>,
    over: Arc<AtomicBool>,
}

impl Wanting {
    pub(crate) fn new(console: &Arc<Console>) -> (Self, Wanted) {
        let over = Arc::<AtomicBool>::default();
        (Self { console: console.clone(), over: over.clone() }, Wanted(over))
    }
}

impl Drop for Wanting {
    fn drop(&mut self) {
        let state = self.console.lock();
        self.over.store(true, Ordering::Relaxed);
        self.console.changed.notify_all();
        drop(self.console.changed.wait_while(state, |state| state.asking));
    }
}
