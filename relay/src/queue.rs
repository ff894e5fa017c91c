//! What waits to be written to one connection: bounded in bytes; who reads too slowly is cut, never buffered for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, mpsc};

/// The end that the switch fills.
pub(crate) struct Queue {
    items: mpsc::UnboundedSender<Item>,
    bytes: Arc<AtomicUsize>,
    max: usize,
    cut: Notify,
}

/// The end that the connection writes from.
pub(crate) struct Queued {
    items: mpsc::UnboundedReceiver<Item>,
    bytes: Arc<AtomicUsize>,
}

/// One thing to write.
pub(crate) enum Item {
    Frame(Vec<u8>),
    /// Nothing comes after it: close the connection.
    Finish,
}

/// Makes a queue for at most `max` bytes.
pub(crate) fn queue(max: usize) -> (Queue, Queued) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let bytes = Arc::new(AtomicUsize::new(0));
    (Queue { items: sender, bytes: Arc::clone(&bytes), max, cut: Notify::new() }, Queued { items: receiver, bytes })
}

impl Queue {
    /// Adds a frame, or cuts the connection if there are too many already.
    pub(crate) fn push(&self, frame: Vec<u8>) {
        let length = frame.len();
        if self.bytes.fetch_add(length, Ordering::Relaxed).saturating_add(length) > self.max {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            self.cut.notify_one();
            return;
        }
        // Fails only if the connection is gone, and then nobody reads what is lost.
        let _ = self.items.send(Item::Frame(frame));
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(u64::MAX)
    }

    /// Nothing more will come.
    pub(crate) fn finish(&self) {
        let _ = self.items.send(Item::Finish);
    }

    /// Waits until a frame found no place.
    pub(crate) async fn overflowed(&self) {
        self.cut.notified().await;
    }
}

impl Queued {
    /// The next thing to write. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Item {
        self.items.recv().await.unwrap_or(Item::Finish)
    }

    /// Frees the place of a frame once it is written.
    pub(crate) fn written(&self, length: usize) {
        self.bytes.fetch_sub(length, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cuts_at_the_limit() {
        let (queue, mut queued) = queue(10);
        queue.push(vec![0; 6]);
        queue.push(vec![0; 4]);
        let Item::Frame(frame) = queued.next().await else { panic!() };
        queued.written(frame.len());
        queue.push(vec![0; 6]);
        queue.push(vec![0; 1]);
        queue.overflowed().await;
        queue.finish();
        assert!(matches!(queued.next().await, Item::Frame(frame) if frame.len() == 4));
        assert!(matches!(queued.next().await, Item::Frame(frame) if frame.len() == 6));
        assert!(matches!(queued.next().await, Item::Finish));
    }
}
