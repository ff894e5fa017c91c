//! Wake-ups: which OPENs that wait cause one, and how often (docs/PROTOCOL.md §7.7).

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

use countersign_core::{
    relay::{Circuit as Number, ErrorCode, Frame, Mailbox, PushStatus, Subscription, TicketId, WakeResult},
    time::Now,
};

use super::{ConnId, Output, Switch, Wake, circuit::End, connection::Slot, milliseconds};
use crate::{
    limits::Limits,
    network::{Network, PerNetwork},
};

const MINUTE: u64 = 60 * 1000;
const HOUR: u64 = 60 * MINUTE;

type Key = (Mailbox, TicketId);

/// Wake-ups per ticket: a rest after each, and so many in an hour, which begins with the first one. And per address of who asks,
/// because anybody can make tickets of a mailbox of their own.
pub(super) struct Wakes {
    max: usize,
    max_under_way_per_ip: usize,
    max_per_ip_per_minute: usize,
    under_way: PerNetwork,
    /// The minute that is counted, and the wake-ups in it.
    minute: u64,
    in_minute: PerNetwork,
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
            max_under_way_per_ip: limits.max_wakes_in_flight_per_ip,
            max_per_ip_per_minute: limits.max_wakes_per_ip_per_minute,
            under_way: PerNetwork::default(),
            minute: 0,
            in_minute: PerNetwork::default(),
            rest: milliseconds(limits.wake_rest),
            per_hour: limits.max_wakes_per_ticket_per_hour,
            tickets: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Counts a wake-up that `asker` wants if it is the ticket's turn, and the asker's.
    fn count(&mut self, key: Key, asker: Network, mono: u64) -> Turn {
        if self.minute != mono / MINUTE {
            self.minute = mono / MINUTE;
            self.in_minute = PerNetwork::default();
        }
        let new = self.in_minute.count(asker) == 0;
        let full = self.under_way.count(asker) >= self.max_under_way_per_ip
            || self.in_minute.count(asker) >= self.max_per_ip_per_minute
            || (new && self.in_minute.networks() >= self.max);
        let turn = self.count_ticket(key, full, mono);
        if turn == Turn::Now {
            self.under_way.add_many(asker, 1);
            self.in_minute.add_many(asker, 1);
        }
        turn
    }

    /// Counts a wake-up if it is the ticket's turn; there is none while the asker has had its share.
    fn count_ticket(&mut self, key: Key, full: bool, mono: u64) -> Turn {
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
            if full || tally.count >= self.per_hour {
                return Turn::Spent;
            }
            tally.count += 1;
            tally.last = mono;
            return Turn::Now;
        }
        if full || self.per_hour == 0 {
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
        let Some(asker) = self.connections.get(&conn).map(|connection| connection.network) else { return };
        match self.wakes.count(ticket, asker, now.mono) {
            Turn::Now => self.outputs.push_back(Output::Wake(Box::new(Wake { conn, circuit, asker: asker.address(), target }))),
            Turn::Resting => {}
            Turn::Spent => self.tell_wake(conn, circuit, WakeResult::Limit),
        }
    }

    /// What came of an [`Output::Wake`], to be said once for each. Only told while the OPEN still waits.
    pub fn woken(&mut self, conn: ConnId, circuit: Number, asker: IpAddr, result: WakeResult) {
        self.wakes.under_way.remove(asker.into());
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

    fn asker(n: u8) -> Network {
        IpAddr::from([192, 0, 2, n]).into()
    }

    fn key(n: u8) -> Key {
        (Mailbox::from_bytes([n; 32]), [n; 16])
    }

    #[test]
    fn rests_and_hours() {
        let mut wakes = Wakes::new(&Limits { max_wakes_per_ticket_per_hour: 2, ..Limits::default() });
        let rest = wakes.rest;
        assert_eq!(wakes.count(key(1), asker(1), 0), Turn::Now);
        assert_eq!(wakes.count(key(1), asker(1), rest - 1), Turn::Resting);
        assert_eq!(wakes.count(key(2), asker(1), rest - 1), Turn::Now);
        assert_eq!(wakes.count(key(1), asker(1), rest), Turn::Now);
        assert_eq!(wakes.count(key(1), asker(1), 2 * rest - 1), Turn::Resting);
        assert_eq!(wakes.count(key(1), asker(1), 2 * rest), Turn::Spent);
        assert_eq!(wakes.count(key(1), asker(1), HOUR), Turn::Now);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut wakes = Wakes::new(&Limits { max_wake_table: 2, ..Limits::default().without_addresses() });
        for n in 0..100 {
            assert_eq!(wakes.count(key(n), asker(1), u64::from(n)), Turn::Now);
        }
        assert_eq!((wakes.tickets.len(), wakes.order.len()), (2, 2));
        assert_eq!(wakes.count(key(99), asker(1), 100), Turn::Resting);
        assert_eq!(wakes.count(key(100), asker(2), 100), Turn::Now);
        assert_eq!(wakes.count(key(101), asker(3), 100), Turn::Spent);
    }

    #[test]
    fn one_address_does_not_take_all_wake_ups() {
        let limits = Limits { max_wakes_in_flight_per_ip: 2, max_wakes_per_ip_per_minute: 3, ..Limits::default() };
        let mut wakes = Wakes::new(&limits);
        assert_eq!([1, 2, 3].map(|n| wakes.count(key(n), asker(1), 0)), [Turn::Now, Turn::Now, Turn::Spent]);
        // Another address has its own share, and one that was sent makes room.
        assert_eq!(wakes.count(key(3), asker(2), 0), Turn::Now);
        wakes.under_way.remove(asker(1));
        wakes.under_way.remove(asker(1));
        assert_eq!([4, 5].map(|n| wakes.count(key(n), asker(1), 0)), [Turn::Now, Turn::Spent]);
        wakes.under_way.remove(asker(1));
        assert_eq!(wakes.count(key(6), asker(1), MINUTE), Turn::Now);
    }
}
