//! Where a phone is: a question to all relays, and what one says when a phone came.

use std::collections::{BTreeSet, VecDeque};

use countersign_core::{relay::Mailbox, time::Now};

use super::{
    super::{Output, Switch, circuit::Side, milliseconds, waiting::Stage},
    Body, Cluster, Link, NodeId, Shared, To,
};
use crate::limits::{FIND_AGAIN, FIND_GRACE, FIND_RETRY, FIND_TIMEOUT};

/// For a phone that something waits for.
pub(in super::super) struct Search {
    query: u64,
    since: u64,
    answered: BTreeSet<NodeId>,
    /// The newest that has it, and since when.
    best: Option<(u64, NodeId)>,
    /// When to ask again; `None` while the answers are awaited.
    again: Option<u64>,
}

impl Cluster {
    fn ask(&mut self, outputs: &mut VecDeque<Output>, mailbox: Mailbox) {
        let query = self.next_query;
        self.next_query += 1;
        let search = Search { query, since: self.now.mono, answered: BTreeSet::new(), best: None, again: None };
        self.searches.insert(mailbox, search);
        self.publish(outputs, To::All, Body::Find { query, mailbox });
    }

    fn ask_later(&mut self, mailbox: Mailbox, again: u64) {
        let since = self.now.mono;
        let search = Search { query: 0, since, answered: BTreeSet::new(), best: None, again: Some(again) };
        self.searches.entry(mailbox).or_insert(search);
    }

    /// Whether enough is known to decide.
    fn is_decided(&self, search: &Search) -> bool {
        let passed = self.now.mono.saturating_sub(search.since);
        let all = self.peers.keys().all(|node| search.answered.contains(node));
        let found = search.best.is_some();
        passed >= milliseconds(FIND_TIMEOUT) || (all && (found || self.is_settled())) || (found && passed >= milliseconds(FIND_GRACE))
    }
}

impl Switch {
    /// Looks for the phone of an OPEN at the other relays. `false`: nobody is there to be asked.
    pub(in super::super) fn search(&mut self, mailbox: &Mailbox, now: Now) -> bool {
        let Some(cluster) = self.cluster.as_deref_mut().filter(|cluster| cluster.up) else { return false };
        cluster.see_time(now);
        if cluster.searches.get(mailbox).is_some_and(|search| search.again.is_none()) {
            return true;
        }
        if cluster.peers.is_empty() && cluster.is_settled() {
            cluster.ask_later(*mailbox, now.mono.saturating_add(milliseconds(FIND_AGAIN)));
            return false;
        }
        cluster.ask(&mut self.outputs, *mailbox);
        true
    }

    /// A mailbox was proven here: from now on others that hold it are wrong. Gives the stamp of the moment.
    pub(in super::super) fn announce_mailbox(&mut self, mailbox: &Mailbox, now: Now) -> u64 {
        let stamp = self.stamp(now);
        if let Some(cluster) = self.cluster.as_deref_mut() {
            cluster.searches.remove(mailbox);
            let holder = cluster.id;
            cluster.publish(&mut self.outputs, To::All, Body::Up { mailbox: *mailbox, stamp, holder });
        }
        stamp
    }

    /// Another relay asks.
    pub(super) fn answer(&mut self, asker: NodeId, query: u64, mailbox: Mailbox) {
        let stamp = self.homes.get(&mailbox).map_or(0, |home| home.stamp);
        self.publish(To::Node(asker), Body::Answer { query, mailbox, stamp });
    }

    /// Another relay answers.
    pub(super) fn answered(&mut self, from: NodeId, query: u64, mailbox: &Mailbox, stamp: u64) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        let Some(search) = cluster.searches.get_mut(mailbox).filter(|search| search.query == query) else { return };
        search.answered.insert(from);
        if stamp != 0 {
            let claim = (stamp, from);
            let known = search.best.unwrap_or(claim);
            let (newest, loser) = (known.max(claim), known.min(claim));
            search.best = Some(newest);
            if loser.1 != newest.1 {
                // Both believe that they have it: the older one is told.
                let up = Body::Up { mailbox: *mailbox, stamp: newest.0, holder: newest.1 };
                cluster.publish(&mut self.outputs, To::Node(loser.1), up);
            }
        }
        let decided = cluster.searches.get(mailbox).is_some_and(|search| cluster.is_decided(search));
        if decided {
            self.decide(mailbox);
        }
    }

    /// Another relay holds a mailbox since `stamp`.
    pub(super) fn mailbox_is_elsewhere(&mut self, mailbox: &Mailbox, stamp: u64, holder: NodeId) {
        let Some(cluster) = self.cluster.as_deref() else { return };
        let own = cluster.id;
        if holder == own {
            return;
        }
        if let Some(home) = self.homes.get(mailbox) {
            if (home.stamp, own) > (stamp, holder) {
                let claim = Body::Up { mailbox: *mailbox, stamp: home.stamp, holder: own };
                return self.publish(To::Node(holder), claim);
            }
            self.evict(mailbox);
        }
        self.give(mailbox, holder);
    }

    /// Asks and decides what is due.
    pub(super) fn search_on(&mut self, now: Now) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        let (waiting, homes) = (&self.waiting, &self.homes);
        cluster.searches.retain(|mailbox, _| waiting.has_any(mailbox) && !homes.contains_key(mailbox));
        let mut due = Vec::new();
        let mut decided = Vec::new();
        for (mailbox, search) in &cluster.searches {
            match search.again {
                Some(again) if again <= now.mono => due.push(*mailbox),
                Some(_) => {}
                None if cluster.is_decided(search) => decided.push(*mailbox),
                None => {}
            }
        }
        for mailbox in due {
            cluster.ask(&mut self.outputs, mailbox);
        }
        for mailbox in decided {
            self.decide(&mailbox);
        }
    }

    /// Asks for phones that something waits for and nobody asked for.
    pub(super) fn ask_again(&mut self, now: Now) {
        let Some(cluster) = self.cluster.as_deref() else { return };
        let is_forgotten = |mailbox: &Mailbox| {
            !cluster.searches.contains_key(mailbox) && !self.homes.contains_key(mailbox) && self.waiting.has_any(mailbox)
        };
        let forgotten: Vec<_> = self.waiting.mailboxes().filter(|mailbox| is_forgotten(mailbox)).copied().collect();
        for mailbox in forgotten {
            if !self.search(&mailbox, now) {
                self.phone_is_away(&mailbox, now);
            }
        }
    }

    /// Another relay could not deliver an OPEN for the moment.
    pub(super) fn wait_again(&mut self, mailbox: &Mailbox, now: Now) {
        if self.homes.contains_key(mailbox) {
            // The phone came here meanwhile.
            self.tell_waiting(mailbox);
            return self.deliver_waiting(mailbox, now);
        }
        self.tell_waiting(mailbox);
        if let Some(cluster) = self.cluster.as_deref_mut() {
            cluster.ask_later(*mailbox, now.mono.saturating_add(milliseconds(FIND_RETRY)));
        }
    }

    /// The question is answered: gives what waits to the relay that has the phone, or the phone is away.
    fn decide(&mut self, mailbox: &Mailbox) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        let Some(search) = cluster.searches.get_mut(mailbox) else { return };
        search.again = Some(cluster.now.mono.saturating_add(milliseconds(FIND_AGAIN)));
        let holder = search.best.take().map(|(_, holder)| holder).filter(|holder| cluster.peers.contains_key(holder));
        let now = cluster.now;
        match holder {
            Some(holder) => self.give(mailbox, holder),
            None => self.phone_is_away(mailbox, now),
        }
    }

    /// Gives all OPENs that wait for a mailbox to the relay that has the phone.
    fn give(&mut self, mailbox: &Mailbox, holder: NodeId) {
        let Some(cluster) = self.cluster.as_deref_mut().filter(|cluster| cluster.peers.contains_key(&holder)) else { return };
        while let Some(open) = self.waiting.next_to_give(mailbox) {
            let Side::Local(end) = open.pending.from else { return };
            let remote = cluster.make_end(holder);
            open.stage = Stage::Given(remote);
            let pending = &open.pending;
            let what = Link::Open {
                mailbox: *mailbox,
                ticket_id: pending.ticket_id,
                max_bytes: pending.max_bytes,
                opens_per_hour: pending.opens_per_hour,
                expires: pending.expires,
                tail: &open.tail,
            };
            cluster.share(remote, Shared::Opening { mailbox: *mailbox, end, since: cluster.now.mono });
            cluster.link(&mut self.outputs, remote, what);
        }
        cluster.searches.remove(mailbox);
    }
}
