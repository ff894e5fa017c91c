//! Whether new connections are taken, for whoever asks `/readyz`.

use std::sync::atomic::{AtomicU8, Ordering};

/// What is told to load balancers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// New connections are taken.
    Ready,
    /// Accepting fails for want of file descriptors.
    NoFiles,
    /// The relay is on its way to the end.
    Draining,
}

/// The state, shared. It begins as ready.
#[derive(Debug, Default)]
pub(crate) struct Readiness(AtomicU8);

impl Readiness {
    pub(crate) fn state(&self) -> State {
        match self.0.load(Ordering::Relaxed) {
            value if value == State::Ready as u8 => State::Ready,
            value if value == State::NoFiles as u8 => State::NoFiles,
            _ => State::Draining,
        }
    }

    pub(crate) fn set(&self, state: State) {
        self.0.store(state as u8, Ordering::Relaxed);
    }
}
