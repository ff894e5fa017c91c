//! What waits to be given to NATS: bounded in bytes. What finds no place is dropped; the other relays notice, and end what it belonged to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use crate::{metrics::Counters, switch::To};

/// The end that the switch fills.
pub(crate) struct Outbox {
    items: mpsc::UnboundedSender<(To, Vec<u8>)>,
    bytes: Arc<AtomicUsize>,
    max: usize,
    counters: Arc<Counters>,
}

/// The end that NATS is given from.
pub(crate) struct Outgoing {
    items: mpsc::UnboundedReceiver<(To, Vec<u8>)>,
    bytes: Arc<AtomicUsize>,
}

/// Makes one for at most `max` bytes.
pub(crate) fn outbox(max: usize, counters: &Arc<Counters>) -> (Outbox, Outgoing) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let bytes = Arc::new(AtomicUsize::new(0));
    (Outbox { items: sender, bytes: Arc::clone(&bytes), max, counters: Arc::clone(counters) }, Outgoing { items: receiver, bytes })
}

impl Outbox {
    pub(crate) fn push(&self, to: To, message: Vec<u8>) {
        let length = message.len();
        if self.bytes.fetch_add(length, Ordering::Relaxed).saturating_add(length) > self.max {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            return self.counters.nats_dropped.add_one();
        }
        // Fails only if the relay is ending.
        let _ = self.items.send((to, message));
    }
}

impl Outgoing {
    /// The next message; `None` once the outbox is gone and everything is taken. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<(To, Vec<u8>)> {
        let (to, message) = self.items.recv().await?;
        self.bytes.fetch_sub(message.len(), Ordering::Relaxed);
        Some((to, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drops_at_the_limit() {
        let counters = Arc::default();
        let (outbox, mut outgoing) = outbox(10, &counters);
        for length in [6, 5, 4, 1] {
            outbox.push(To::All, vec![0; length]);
        }
        assert_eq!(outgoing.next().await.unwrap().1.len(), 6);
        outbox.push(To::All, vec![0; 5]);
        drop(outbox);
        assert_eq!(counters.nats_dropped.value(), 2);
        assert_eq!(outgoing.next().await.unwrap().1.len(), 4);
        assert_eq!(outgoing.next().await.unwrap().1.len(), 5);
        assert!(outgoing.next().await.is_none());
    }
}
