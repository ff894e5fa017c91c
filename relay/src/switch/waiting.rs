//! OPENs that wait for a phone that is away.

use std::collections::{HashMap, VecDeque};

use countersign_core::relay::{Circuit as Number, Mailbox, TicketId};

use super::{ConnId, circuit::End, milliseconds};
use crate::{
    limits::Limits,
    network::{Network, PerNetwork},
};

/// An OPEN whose ticket and signature were found good, without its tail.
pub(super) struct Pending {
    pub(super) conn: ConnId,
    pub(super) number: Number,
    pub(super) ticket_id: TicketId,
    pub(super) max_bytes: u32,
    pub(super) opens_per_hour: u16,
    pub(super) expires: u64,
}

/// One that waits.
pub(super) struct WaitingOpen {
    pub(super) pending: Pending,
    pub(super) network: Network,
    pub(super) tail: Box<[u8]>,
    pub(super) since: u64,
}

/// A limit is reached.
pub(super) struct Full;

/// All that wait, by mailbox, oldest first.
pub(super) struct Waiting {
    queues: HashMap<Mailbox, VecDeque<WaitingOpen>>,
    per_network: PerNetwork,
    total: usize,
    max_per_mailbox: usize,
    max_per_ip: usize,
    max: usize,
    max_wait: u64,
}

impl Waiting {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            queues: HashMap::new(),
            per_network: PerNetwork::default(),
            total: 0,
            max_per_mailbox: limits.max_waiting_per_mailbox,
            max_per_ip: limits.max_waiting_per_ip,
            max: limits.max_waiting,
            max_wait: milliseconds(limits.max_wait),
        }
    }

    /// Keeps an OPEN. If there are too many, one of the network with the most of them gives way, and its end is given.
    pub(super) fn add(&mut self, mailbox: Mailbox, open: WaitingOpen) -> Result<Option<End>, Full> {
        let there = self.queues.get(&mailbox).map_or(0, VecDeque::len);
        if there >= self.max_per_mailbox || self.per_network.count(open.network) >= self.max_per_ip {
            return Err(Full);
        }
        let gave_way = if self.total >= self.max { Some(self.make_room(open.network).ok_or(Full)?) } else { None };
        self.per_network.add_many(open.network, 1);
        self.total += 1;
        self.queues.entry(mailbox).or_default().push_back(open);
        Ok(gave_way)
    }

    fn make_room(&mut self, newcomer: Network) -> Option<End> {
        let fullest = self.per_network.greedier_than(newcomer)?;
        let theirs = |(mailbox, queue): (&Mailbox, &VecDeque<WaitingOpen>)| {
            let open = queue.iter().find(|open| open.network == fullest)?;
            Some((*mailbox, (open.pending.conn, open.pending.number)))
        };
        let (mailbox, end) = self.queues.iter().find_map(theirs)?;
        self.remove(&mailbox, end.0, end.1);
        Some(end)
    }

    /// Takes the oldest that waits for a mailbox, if its message has at most `max` bytes.
    pub(super) fn take(&mut self, mailbox: &Mailbox, max: usize) -> Option<WaitingOpen> {
        let queue = self.queues.get_mut(mailbox)?;
        if queue.front()?.tail.len() > max {
            return None;
        }
        let open = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(mailbox);
        }
        self.discount(open.network);
        Some(open)
    }

    /// The mailboxes that something waits for.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.queues.keys()
    }

    /// Drops one.
    pub(super) fn remove(&mut self, mailbox: &Mailbox, conn: ConnId, number: Number) {
        self.remove_if(mailbox, |open| (open.pending.conn, open.pending.number) == (conn, number));
    }

    /// Drops those that waited too long, and says which.
    pub(super) fn expire(&mut self, mono: u64) -> Vec<End> {
        let is_over = |open: &WaitingOpen, max: u64| mono.saturating_sub(open.since) >= max;
        let max = self.max_wait;
        let over = |queue: &VecDeque<WaitingOpen>| queue.front().is_some_and(|open| is_over(open, max));
        let mailboxes: Vec<_> = self.queues.iter().filter(|(_, queue)| over(queue)).map(|(mailbox, _)| *mailbox).collect();
        mailboxes.iter().flat_map(|mailbox| self.remove_if(mailbox, |open| is_over(open, max))).collect()
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.total, self.per_network.total());
        assert_eq!(self.total, self.queues.values().map(VecDeque::len).sum::<usize>());
        self.total
    }

    fn remove_if(&mut self, mailbox: &Mailbox, remove: impl Fn(&WaitingOpen) -> bool) -> Vec<End> {
        let mut removed = Vec::new();
        let Some(queue) = self.queues.get_mut(mailbox) else { return removed };
        let mut networks = Vec::new();
        queue.retain(|open| {
            if remove(open) {
                removed.push((open.pending.conn, open.pending.number));
                networks.push(open.network);
                return false;
            }
            true
        });
        if queue.is_empty() {
            self.queues.remove(mailbox);
        }
        for network in networks {
            self.discount(network);
        }
        removed
    }

    fn discount(&mut self, network: Network) {
        self.total -= 1;
        self.per_network.remove(network);
    }
}
