//! OPENs that wait for a phone that is away.

use std::collections::{HashMap, VecDeque};

use countersign_core::relay::{Mailbox, TicketId};

use super::{
    circuit::{End, Side},
    cluster::RemoteEnd,
    milliseconds,
};
use crate::{
    limits::Limits,
    network::{Network, PerNetwork},
};

/// An OPEN whose ticket and signature were found good, without its tail.
pub(super) struct Pending {
    pub(super) from: Side,
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
    pub(super) stage: Stage,
    /// The sealed push address of its ticket, until the phone was woken.
    pub(super) push: Box<[u8]>,
}

/// How far an OPEN that waits has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Other relays are being asked; ci was told nothing yet.
    Quiet,
    /// ci was told WAITING.
    Told,
    /// It was given to another relay, whose answer is awaited. Never given to a second one before the first says that it did not
    /// deliver it: a phone that is given the same request twice takes it for a replay.
    Given(RemoteEnd),
}

impl WaitingOpen {
    fn end(&self) -> Option<End> {
        match self.pending.from {
            Side::Local(end) => Some(end),
            Side::Remote(_) => None,
        }
    }

    fn is_given(&self) -> bool {
        matches!(self.stage, Stage::Given(_))
    }
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
            let open = queue.iter().find(|open| open.network == fullest && !open.is_given())?;
            Some((*mailbox, open.end()?))
        };
        let (mailbox, end) = self.queues.iter().find_map(theirs)?;
        self.remove(&mailbox, end);
        Some(end)
    }

    /// Takes the oldest that waits for a mailbox and was not given to another relay, if its message has at most `max` bytes.
    pub(super) fn take(&mut self, mailbox: &Mailbox, max: usize) -> Option<WaitingOpen> {
        let queue = self.queues.get_mut(mailbox)?;
        let oldest = queue.iter().position(|open| !open.is_given())?;
        if queue.get(oldest)?.tail.len() > max {
            return None;
        }
        let open = queue.remove(oldest)?;
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

    /// Whether anything waits for a mailbox that was not given to another relay.
    pub(super) fn has_any(&self, mailbox: &Mailbox) -> bool {
        self.queues.get(mailbox).is_some_and(|queue| queue.iter().any(|open| !open.is_given()))
    }

    /// Marks those that were told nothing yet as told, and says which.
    pub(super) fn tell(&mut self, mailbox: &Mailbox) -> Vec<End> {
        let Some(queue) = self.queues.get_mut(mailbox) else { return Vec::new() };
        let quiet = queue.iter_mut().filter(|open| open.stage == Stage::Quiet);
        quiet
            .filter_map(|open| {
                open.stage = Stage::Told;
                open.end()
            })
            .collect()
    }

    /// Takes the push addresses of those that wait for a mailbox: each causes one wake-up at most.
    pub(super) fn take_push(&mut self, mailbox: &Mailbox) -> Vec<(End, TicketId, Box<[u8]>)> {
        let queue = self.queues.get_mut(mailbox).into_iter().flatten();
        let with_push = queue.filter(|open| !open.push.is_empty() && !open.is_given());
        with_push.filter_map(|open| Some((open.end()?, open.pending.ticket_id, std::mem::take(&mut open.push)))).collect()
    }

    /// The next that waits for a mailbox and was not given away; the caller sets its stage.
    pub(super) fn next_to_give(&mut self, mailbox: &Mailbox) -> Option<&mut WaitingOpen> {
        self.queues.get_mut(mailbox)?.iter_mut().find(|open| !open.is_given())
    }

    /// The other relay did not deliver it: it waits again. Says whether it was still there.
    pub(super) fn take_back(&mut self, mailbox: &Mailbox, end: End) -> bool {
        let queue = self.queues.get_mut(mailbox);
        let Some(open) = queue.and_then(|queue| queue.iter_mut().find(|open| open.end() == Some(end))) else { return false };
        open.stage = Stage::Quiet;
        true
    }

    /// Drops one, and gives it.
    pub(super) fn remove(&mut self, mailbox: &Mailbox, end: End) -> Option<WaitingOpen> {
        self.remove_if(mailbox, |open| open.end() == Some(end)).pop()
    }

    /// Drops those that waited too long, and says which.
    pub(super) fn expire(&mut self, mono: u64) -> Vec<End> {
        // One that was given away ends with the answer, which has a time limit of its own.
        let is_over = |open: &WaitingOpen, max: u64| !open.is_given() && mono.saturating_sub(open.since) >= max;
        let max = self.max_wait;
        let over = |queue: &VecDeque<WaitingOpen>| queue.iter().any(|open| is_over(open, max));
        let mailboxes: Vec<_> = self.queues.iter().filter(|(_, queue)| over(queue)).map(|(mailbox, _)| *mailbox).collect();
        mailboxes.iter().flat_map(|mailbox| self.remove_if(mailbox, |open| is_over(open, max))).filter_map(|open| open.end()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.total
    }

    /// The same, counted anew.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn count(&self) -> usize {
        assert_eq!(self.total, self.per_network.total());
        self.queues.values().map(VecDeque::len).sum()
    }

    fn remove_if(&mut self, mailbox: &Mailbox, remove: impl Fn(&WaitingOpen) -> bool) -> Vec<WaitingOpen> {
        let Some(queue) = self.queues.get_mut(mailbox) else { return Vec::new() };
        let (removed, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(queue).into_iter().partition(|open| remove(open));
        *queue = kept;
        if queue.is_empty() {
            self.queues.remove(mailbox);
        }
        for open in &removed {
            self.discount(open.network);
        }
        removed.into()
    }

    fn discount(&mut self, network: Network) {
        self.total -= 1;
        self.per_network.remove(network);
    }
}
