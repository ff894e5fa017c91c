//! Which connections there is something to do for.
//!
//! A waker for each connection instead of a task for each: a task costs four times as much memory, and one loop that owns everything
//! needs no locks.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use crate::switch::ConnId;

/// The connections whose sockets have become ready, each at most once.
#[derive(Default)]
pub(super) struct Ready {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    queue: Vec<ConnId>,
    engine: Option<Waker>,
}

/// Puts its connection into the queue.
pub(super) struct ConnWaker {
    conn: ConnId,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Ready {
    /// Whom to wake when the queue is no longer empty.
    pub(super) fn wakes(&self, engine: &Waker) {
        let mut inner = self.lock();
        if !inner.engine.as_ref().is_some_and(|known| known.will_wake(engine)) {
            inner.engine = Some(engine.clone());
        }
    }

    /// Gives the queue in exchange for `empty`.
    pub(super) fn take(&self, empty: Vec<ConnId>) -> Vec<ConnId> {
        std::mem::replace(&mut self.lock().queue, empty)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnWaker {
    pub(super) fn new(conn: ConnId, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { conn, queued: AtomicBool::new(false), ready: Arc::clone(ready) })
    }

    /// Its turn has come: from now on it can be put into the queue again.
    pub(super) fn taken(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Wake for ConnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut inner = self.ready.lock();
        // The engine takes the whole queue: whoever found it empty has woken it.
        let engine = if inner.queue.is_empty() { inner.engine.clone() } else { None };
        inner.queue.push(self.conn);
        drop(inner);
        if let Some(engine) = engine {
            engine.wake();
        }
    }
}
