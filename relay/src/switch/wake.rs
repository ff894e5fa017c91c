//! Wake-ups: which OPENs that wait cause one, and how often (docs/PROTOCOL.md §7.7).

use std::collections::{HashMap, VecDeque};

use countersign_core::{
    relay::{Circuit as Number, ErrorCode, Frame, Mailbox, PushStatus, Subscription, TicketId, WakeResult},
    time::Now,
};

use super::{ConnId, Output, Switch, Wake, circuit::End, connection::Slot, milliseconds};
use crate::limits::Limits;

const HOUR: u64 = 60 * 60 * 1000;

type Key = (Mailbox, TicketId);

/// Wake-ups per ticket: a rest after each, and so many in an hour, which begins with the first one.
pub(super) struct Wakes {
    max: usize,
    rest: u64,
    per_hour: u16,
    tickets: HashMap<Key, Tally>,
    /// Every counted ticket, the oldest hour first.
    order: VecDeque<(Key, u64)>,
}

struct Tally {
    count: u16,
    last: u64,
}

/// Whether a ticket may cause a wake-up now.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    /// There was one a moment ago.
    Resting,
    /// There were enough in this hour.
    Spent,
}

impl Wakes {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max: limits.max_wake_table.max(1),
            rest: milliseconds(limits.wake_rest),
            per_hour: limits.max_wakes_per_ticket_per_hour,
            tickets: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Counts a wake-up if it is the ticket's turn.
    fn count(&mut self, key: Key, mono: u64) -> Turn {
        while let Some((oldest, since)) = self.order.front() {
            if mono.saturating_sub(*since) < HOUR {
                break;
            }
            self.tickets.remove(oldest);
            self.order.pop_front();
        }
        if let Some(tally) = self.tickets.get_mut(&key) {
            if mono.saturating_sub(tally.last) < self.rest {
                return Turn::Resting;
            }
            if tally.count >= self.per_hour {
                return Turn::Spent;
            }
            tally.count += 1;
            tally.last = mono;
            return Turn::Now;
        }
        if self.per_hour == 0 {
            return Turn::Spent;
        }
        while self.tickets.len() >= self.max {
            let Some((oldest, _)) = self.order.pop_front() else { break };
            self.tickets.remove(&oldest);
        }
        self.tickets.insert(key, Tally { count: 1, last: mono });
        self.order.push_back((key, mono));
        Turn::Now
    }
}

impl Switch {
    /// PUSH: seals a push address, or tells the relay's key.
    pub(super) fn push(&mut self, conn: ConnId, mailbox: Mailbox, subscription: Option<&Subscription<'_>>) -> Result<(), ErrorCode> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        if connection.mailboxes.is_empty() {
            return Err(ErrorCode::Malformed);
        }
        connection.count_proof(&self.limits)?;
        // A newer connection may have taken the mailbox while the PUSH was under way.
        if !connection.mailboxes.contains(&mailbox) {
            return Ok(());
        }
        let (status, key, sealed) = match &self.push {
            Some(push) => {
                let (status, sealed) = push.seal(&mailbox, subscription);
                (status, *push.vapid.public(), sealed)
            }
            None => (PushStatus::Off, [0; 65], Vec::new()),
        };
        self.send(conn, &Frame::PushSealed { mailbox, status, key, sealed: &sealed });
        Ok(())
    }

    /// An OPEN waits because the phone is away: has it woken, if it is the ticket's turn.
    pub(super) fn wake(&mut self, (conn, circuit): End, ticket: Key, sealed: &[u8], now: Now) {
        let Some(push) = &self.push else { return };
        let Some(target) = push.open(&ticket.0, sealed) else { return self.tell_wake(conn, circuit, WakeResult::Gone) };
        match self.wakes.count(ticket, now.mono) {
            Turn::Now => self.outputs.push_back(Output::Wake(Box::new(Wake { conn, circuit, target }))),
            Turn::Resting => {}
            Turn::Spent => self.tell_wake(conn, circuit, WakeResult::Limit),
        }
    }

    /// What came of an [`Output::Wake`]. Only told while the OPEN still waits.
    pub fn woken(&mut self, conn: ConnId, circuit: Number, result: WakeResult) {
        if matches!(self.slot(conn, circuit), Some(Slot::Waiting(_))) {
            self.tell_wake(conn, circuit, result);
        } else {
            self.stats.wakes.count(result);
        }
    }

    fn tell_wake(&mut self, conn: ConnId, circuit: Number, result: WakeResult) {
        self.stats.wakes.count(result);
        self.send(conn, &Frame::Wake { circuit, result });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        (Mailbox::from_bytes([n; 32]), [n; 16])
    }

    #[test]
    fn rests_and_hours() {
        let mut wakes = Wakes::new(&Limits { max_wakes_per_ticket_per_hour: 2, ..Limits::default() });
        let rest = wakes.rest;
        assert_eq!(wakes.count(key(1), 0), Turn::Now);
        assert_eq!(wakes.count(key(1), rest - 1), Turn::Resting);
        assert_eq!(wakes.count(key(2), rest - 1), Turn::Now);
        assert_eq!(wakes.count(key(1), rest), Turn::Now);
        assert_eq!(wakes.count(key(1), 2 * rest - 1), Turn::Resting);
        assert_eq!(wakes.count(key(1), 2 * rest), Turn::Spent);
        assert_eq!(wakes.count(key(1), HOUR), Turn::Now);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut wakes = Wakes::new(&Limits { max_wake_table: 2, ..Limits::default() });
        for n in 0..100 {
            assert_eq!(wakes.count(key(n), u64::from(n)), Turn::Now);
        }
        assert_eq!((wakes.tickets.len(), wakes.order.len()), (2, 2));
        assert_eq!(wakes.count(key(99), 100), Turn::Resting);
    }
}
