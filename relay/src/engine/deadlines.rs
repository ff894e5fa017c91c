//! What is due when. All waits of a kind are equally long, so a queue is enough.

use std::{collections::VecDeque, time::Duration};

use crate::{limits::Limits, switch::ConnId};

/// The connections that wait equally long, the first to be due first.
pub(super) struct Waits {
    milliseconds: u64,
    queue: VecDeque<(u64, ConnId)>,
}

/// All kinds.
pub(super) struct Deadlines {
    /// The handshakes have to be over.
    pub(super) handshake: Waits,
    /// A ping is due.
    pub(super) ping: Waits,
    /// Something has to have been heard since.
    pub(super) pong: Waits,
    /// A message that began has to be whole.
    pub(super) message: Waits,
    /// A connection that is being closed has to be closed.
    pub(super) close: Waits,
}

impl Deadlines {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            handshake: Waits::new(limits.handshake_timeout),
            ping: Waits::new(limits.ping_interval),
            pong: Waits::new(limits.pong_timeout),
            message: Waits::new(limits.message_timeout),
            close: Waits::new(limits.close_timeout),
        }
    }
}

impl Waits {
    fn new(duration: Duration) -> Self {
        Self { milliseconds: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), queue: VecDeque::new() }
    }

    /// Begins a wait at `mono`.
    pub(super) fn begin(&mut self, conn: ConnId, mono: u64) {
        self.queue.push_back((mono.saturating_add(self.milliseconds), conn));
    }

    /// Takes one that is over at `mono`.
    pub(super) fn over(&mut self, mono: u64) -> Option<ConnId> {
        if self.queue.front().is_none_or(|(due, _)| *due > mono) {
            return None;
        }
        let conn = self.queue.pop_front().map(|(_, conn)| conn);
        // A flood that is over leaves no memory behind.
        if self.queue.len() < self.queue.capacity() / 4 {
            self.queue.shrink_to(self.queue.len() * 2);
        }
        conn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order() {
        let mut waits = Waits::new(Duration::from_secs(1));
        waits.begin(ConnId(1), 0);
        waits.begin(ConnId(2), 500);
        assert_eq!(waits.over(999), None);
        assert_eq!(waits.over(1_600), Some(ConnId(1)));
        assert_eq!(waits.over(1_600), Some(ConnId(2)));
        assert_eq!(waits.over(u64::MAX), None);
        assert_eq!(waits.queue.capacity(), 0);
    }
}
