//! What must not last: handshakes, silence, half messages, goodbyes.

use std::num::NonZeroU64;

use super::{
    Engine,
    conn::{Gone, Phase},
    find,
};
use crate::{switch::ConnId, websocket};

impl Engine {
    /// Counts what a connection holds. When all together hold too much, the one that has done so for the longest is cut: honest
    /// ones are done in a moment.
    pub(super) fn count_held(&mut self, id: ConnId) {
        let now = self.now.mono;
        let Some(conn) = find(&mut self.conns, id) else { return };
        let (before, held) = (conn.counted, conn.held());
        conn.counted = held;
        if held > 0 {
            self.holders.join(&mut conn.holder, id);
        } else {
            self.holders.leave(&mut conn.holder);
        }
        if conn.held_input() > 0 && matches!(conn.phase, Phase::Open(_)) {
            conn.message_since.get_or_insert(NonZeroU64::new(now).unwrap_or(NonZeroU64::MIN));
            if !conn.message_due {
                conn.message_due = true;
                self.deadlines.message.begin(id, now);
            }
        } else {
            conn.message_since = None;
        }
        self.held = self.held - before + held;
        if held > before
            && self.held > self.limits.max_held
            && let Some(holder) = self.holders.first()
        {
            self.counters.holders_cut.add_one();
            self.broken.push(holder);
        }
    }

    /// Ends what has taken too long, and pings those it is time for.
    pub(super) fn end_waits(&mut self, mono: u64) {
        while let Some(id) = self.deadlines.handshake.over(mono) {
            if self.conn(id).is_some_and(|conn| conn.is_stranger()) {
                self.counters.handshakes_timed_out.add_one();
                self.remove(id);
            }
        }
        while let Some(id) = self.deadlines.close.over(mono) {
            if self.conn(id).is_some_and(|conn| matches!(conn.phase, Phase::Closing)) {
                self.remove(id);
            }
        }
        while let Some(id) = self.deadlines.pong.over(mono) {
            if self.conn(id).is_some_and(|conn| !conn.heard || conn.stands_still()) {
                self.counters.ping_timeouts.add_one();
                self.gone(id);
            }
        }
        while let Some(id) = self.deadlines.ping.over(mono) {
            self.ping(id, mono);
        }
        let timeout = u64::try_from(self.limits.message_timeout.as_millis()).unwrap_or(u64::MAX);
        while let Some(id) = self.deadlines.message.over(mono) {
            let Some(conn) = self.conn(id) else { continue };
            conn.message_due = false;
            match conn.message_since {
                Some(since) if mono.saturating_sub(since.get()) >= timeout => {
                    self.counters.messages_timed_out.add_one();
                    self.gone(id);
                }
                // A younger message, or none.
                _ => self.count_held(id),
            }
        }
        self.dispatch();
    }

    fn ping(&mut self, id: ConnId, mono: u64) {
        let Some(conn) = find(&mut self.conns, id) else { return };
        if !matches!(conn.phase, Phase::Open(_)) {
            return;
        }
        conn.heard = false;
        conn.stands_still();
        self.counters.pings.add_one();
        let sent = conn.send_raw(websocket::ping().as_bytes(), &mut self.buffers.scratch);
        self.deadlines.pong.begin(id, mono);
        self.deadlines.ping.begin(id, mono);
        if let Err(Gone) = sent {
            self.gone(id);
        }
    }
}
