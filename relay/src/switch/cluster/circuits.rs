//! Circuits with one end at another relay.

use std::collections::VecDeque;

use countersign_core::{
    relay::{CloseReason, Frame, Mailbox},
    time::Now,
};

use super::{
    super::{
        Output, Switch,
        circuit::{Circuit, CircuitId, End, Side},
        drain::Phase,
        milliseconds,
        waiting::{Pending, Stage},
    },
    Cluster, Link, RemoteEnd, Shared,
};
use crate::limits::PEER_TIMEOUT;

impl Cluster {
    pub(super) fn share(&mut self, end: RemoteEnd, what: Shared) {
        let Some(peer) = self.peers.get_mut(&end.node) else { return };
        if peer.shared.is_empty() {
            // The other relay sends no PING as long as nothing is shared.
            peer.linked = self.now.mono;
        }
        peer.shared.insert(end.number, what);
    }

    pub(super) fn shared(&self, end: RemoteEnd) -> Option<Shared> {
        self.peers.get(&end.node)?.shared.get(&end.number).copied()
    }

    fn unshare(&mut self, end: RemoteEnd) {
        if let Some(peer) = self.peers.get_mut(&end.node) {
            peer.shared.remove(&end.number);
        }
    }

    fn close(&mut self, outputs: &mut VecDeque<Output>, end: RemoteEnd, reason: CloseReason) {
        self.link(outputs, end, Link::Close { reason });
    }
}

impl Switch {
    /// A numbered message came in.
    pub(super) fn circuit_message(&mut self, end: RemoteEnd, what: Link<'_>, now: Now) {
        let Some(cluster) = self.cluster.as_deref() else { return };
        match (what, cluster.shared(end)) {
            (Link::Open { mailbox, ticket_id, max_bytes, opens_per_hour, expires, tail }, None) if cluster.is_theirs(end) => {
                let max_bytes = max_bytes.min(self.limits.max_bytes_per_circuit);
                let pending = Pending { from: Side::Remote(end), ticket_id, max_bytes, opens_per_hour, expires };
                self.open_from_peer(end, &mailbox, &pending, tail, now);
            }
            (Link::Join { rendezvous }, None) if cluster.is_theirs(end) => self.join_from_peer(end, &rendezvous, now),
            (Link::Opened, Some(Shared::Opening { mailbox, end: own, .. })) => self.opened_by_peer(end, &mailbox, own),
            (Link::Opened, Some(Shared::Joining { rendezvous, .. })) => self.joined_by_peer(end, &rendezvous, now),
            // It was given up here before the answer came.
            (Link::Opened, None) => self.close_at_peer(end, CloseReason::PeerGone),
            (Link::Away, Some(Shared::Opening { mailbox, end: own, .. })) => {
                self.unshare(end);
                if self.waiting.take_back(&mailbox, own) {
                    self.wait_again(&mailbox, now);
                }
            }
            (Link::Away, Some(Shared::Joining { rendezvous, .. })) => {
                self.unshare(end);
                self.lonely_again(&rendezvous);
            }
            (Link::Data { tail }, Some(Shared::Circuit(id))) => self.pass_on(id, Side::Remote(end), tail),
            (Link::Close { reason }, Some(Shared::Circuit(id))) => self.end_circuit(id, reason, Some(Side::Remote(end))),
            (Link::Close { reason }, Some(Shared::Opening { mailbox, end: own, .. })) => {
                self.unshare(end);
                self.end_opening(&mailbox, own, reason);
            }
            (Link::Close { reason }, Some(Shared::Joining { rendezvous, .. })) => {
                self.unshare(end);
                self.end_joining(&rendezvous, reason);
            }
            // Ended here before it came, or not what the protocol allows.
            _ => {}
        }
    }

    /// An OPEN for a phone of this relay.
    fn open_from_peer(&mut self, end: RemoteEnd, mailbox: &Mailbox, open: &Pending, tail: &[u8], now: Now) {
        if open.expires != 0 && open.expires <= now.unix {
            return self.close_at_peer(end, CloseReason::TicketRefused);
        }
        if self.phase != Phase::Running || self.budget(mailbox).is_none_or(|budget| tail.len() > budget) {
            return self.tell_peer(end, Link::Away);
        }
        self.deliver(mailbox, open, tail, now);
    }

    /// The phone has it.
    fn opened_by_peer(&mut self, remote: RemoteEnd, mailbox: &Mailbox, end: End) {
        let Some(open) = self.waiting.remove(mailbox, end) else { return };
        let tail = u32::try_from(open.tail.len()).unwrap_or(u32::MAX);
        self.join(Circuit {
            ends: (Side::Local(end), Side::Remote(remote)),
            // Counted for the mailbox where the phone is.
            ticket: None,
            messages_left: self.limits.max_messages_per_circuit.saturating_sub(1),
            bytes_left: open.pending.max_bytes.saturating_sub(tail),
        });
        self.send(end.0, &Frame::Opened { circuit: end.1 });
    }

    /// Withdraws an OPEN that waits, wherever it has come to.
    pub(in super::super) fn withdraw_open(&mut self, mailbox: &Mailbox, end: End) {
        if let Some(Stage::Given(remote)) = self.waiting.remove(mailbox, end).map(|open| open.stage) {
            self.unshare(remote);
            self.close_at_peer(remote, CloseReason::Done);
        }
    }

    pub(in super::super) fn share_circuit(&mut self, end: RemoteEnd, id: CircuitId) {
        if let Some(cluster) = self.cluster.as_deref_mut() {
            cluster.share(end, Shared::Circuit(id));
        }
    }

    pub(in super::super) fn unshare(&mut self, end: RemoteEnd) {
        if let Some(cluster) = self.cluster.as_deref_mut() {
            cluster.unshare(end);
        }
    }

    pub(in super::super) fn opened_at_peer(&mut self, end: RemoteEnd) {
        self.tell_peer(end, Link::Opened);
    }

    pub(in super::super) fn data_to_peer(&mut self, end: RemoteEnd, tail: &[u8]) {
        self.tell_peer(end, Link::Data { tail });
    }

    pub(in super::super) fn close_at_peer(&mut self, end: RemoteEnd, reason: CloseReason) {
        if let Some(cluster) = self.cluster.as_deref_mut() {
            cluster.close(&mut self.outputs, end, reason);
        }
    }

    pub(super) fn tell_peer(&mut self, end: RemoteEnd, what: Link<'_>) {
        if let Some(cluster) = self.cluster.as_deref_mut() {
            cluster.link(&mut self.outputs, end, what);
        }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(in super::super) fn shared_circuits(&self) -> usize {
        let peers = self.cluster.iter().flat_map(|cluster| cluster.peers.values());
        peers.flat_map(|peer| peer.shared.values()).filter(|what| matches!(what, Shared::Circuit(_))).count()
    }

    /// Ends what waits for an answer for too long.
    pub(super) fn end_unanswered(&mut self, now: Now) {
        let Some(cluster) = self.cluster.as_deref() else { return };
        let is_late = |what: &Shared| match what {
            Shared::Circuit(_) => false,
            Shared::Opening { since, .. } | Shared::Joining { since, .. } => now.mono.saturating_sub(*since) >= milliseconds(PEER_TIMEOUT),
        };
        let ends = cluster.peers.iter().flat_map(|(&node, peer)| {
            let late = peer.shared.iter().filter(|(_, what)| is_late(what));
            late.map(move |(&number, &what)| (RemoteEnd { node, number }, what))
        });
        let late: Vec<_> = ends.collect();
        for (end, what) in late {
            self.unshare(end);
            self.close_at_peer(end, CloseReason::PeerGone);
            self.end_one(end, what);
        }
    }

    /// Ends one thing that was shared; the other relay is not told.
    ///
    /// An OPEN whose answer is missing may have been delivered, so it is not given again: ci begins anew.
    pub(super) fn end_one(&mut self, end: RemoteEnd, what: Shared) {
        match what {
            Shared::Circuit(id) => self.end_circuit(id, CloseReason::PeerGone, Some(Side::Remote(end))),
            Shared::Opening { mailbox, end, .. } => self.end_opening(&mailbox, end, CloseReason::PeerGone),
            Shared::Joining { rendezvous, .. } => self.end_joining(&rendezvous, CloseReason::PeerGone),
        }
    }

    fn end_opening(&mut self, mailbox: &Mailbox, (conn, number): End, reason: CloseReason) {
        if self.waiting.remove(mailbox, (conn, number)).is_some() {
            self.drop_slot(conn, number);
            self.refuse_open((conn, number), reason);
        }
    }
}
