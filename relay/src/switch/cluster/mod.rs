//! More than one relay: what the switch does so that any relay serves any phone (docs/PROTOCOL.md §7.9).
//!
//! Nothing is replicated. Where a phone is, is a question to all relays, asked when an OPEN needs it; a relay whose phone proves a mailbox
//! says so once. The shell carries [`super::Output::Publish`] to the others and their messages to [`Switch::peer`]. Messages may be
//! lost; those from one relay to another must keep their order.

mod circuits;
mod clock;
mod link;
mod meet;
mod search;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, HashMap, VecDeque};

use countersign_core::{relay::Mailbox, time::Now};

use super::{Output, Switch, milliseconds};
use crate::limits::{MAX_NODES, NODE_HEARTBEAT, NODE_SILENCE};
use clock::Clock;
use link::{Followed, Peer, Shared};
use search::Search;
use wire::{Body, Link, Message};

/// Names a relay of a cluster: 16 random bytes, new at every start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// Takes 16 random bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, ..] = self.0;
        write!(f, "NodeId({a:02x}{b:02x}..)")
    }
}

/// To which relays a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum To {
    /// All of the cluster.
    All,
    /// One.
    Node(NodeId),
}

/// An end that is connected to another relay: which one, and the circuit's number between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RemoteEnd {
    pub(super) node: NodeId,
    pub(super) number: u64,
}

/// What a relay of a cluster knows about the others.
pub(super) struct Cluster {
    pub(super) id: NodeId,
    /// Whether there is a connection to NATS.
    up: bool,
    up_since: u64,
    beat: u64,
    now: Now,
    clock: Clock,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    pub(super) searches: HashMap<Mailbox, Search>,
    next_epoch: u64,
    next_query: u64,
    next_circuit: u64,
}

impl Cluster {
    fn new(id: NodeId) -> Self {
        Self {
            id,
            up: false,
            up_since: 0,
            beat: 0,
            now: Now { unix: 0, mono: 0 },
            clock: Clock::default(),
            peers: BTreeMap::new(),
            searches: HashMap::new(),
            next_epoch: 1,
            next_query: 1,
            next_circuit: 0,
        }
    }

    fn see_time(&mut self, now: Now) {
        self.now = now;
        self.clock.see_time(now.unix);
    }

    fn publish(&mut self, outputs: &mut VecDeque<Output>, to: To, body: Body<'_>) {
        if self.up {
            let bytes = Message { from: self.id, stamp: self.clock.stamp(), body }.encode();
            outputs.push_back(Output::Publish { to, bytes });
        }
    }

    /// Sends a numbered message.
    fn link(&mut self, outputs: &mut VecDeque<Output>, to: RemoteEnd, what: Link<'_>) {
        let Some(peer) = self.peers.get_mut(&to.node) else { return };
        peer.out_number += 1;
        let body = Body::Link { epoch: peer.out_epoch, number: peer.out_number, circuit: to.number, what };
        self.publish(outputs, To::Node(to.node), body);
    }

    fn ping(&mut self, outputs: &mut VecDeque<Output>, node: NodeId) {
        let Some(peer) = self.peers.get(&node) else { return };
        let body = Body::Ping { epoch: peer.out_epoch, last: peer.out_number, follows: peer.follows() };
        self.publish(outputs, To::Node(node), body);
    }

    fn make_epoch(&mut self) -> u64 {
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        epoch
    }

    /// A number for a circuit that this relay opens: both relays of a link choose some, one of them the even ones.
    fn make_end(&mut self, node: NodeId) -> RemoteEnd {
        self.next_circuit += 1;
        RemoteEnd { node, number: self.next_circuit * 2 + u64::from(self.id > node) }
    }

    /// Whether a number is one that the other relay may choose for a new circuit.
    fn is_theirs(&self, end: RemoteEnd) -> bool {
        let shared = self.peers.get(&end.node).map(|peer| &peer.shared);
        end.number % 2 == u64::from(end.node > self.id) && shared.is_some_and(|shared| !shared.contains_key(&end.number))
    }

    /// Whether every relay had the time to be heard of.
    fn is_settled(&self) -> bool {
        self.now.mono.saturating_sub(self.up_since) >= milliseconds(NODE_HEARTBEAT)
    }
}

/// A message as it is written after it was read; `None` if it is none.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_again(bytes: &[u8]) -> Option<Vec<u8>> {
    Message::parse(bytes).map(|message| message.encode())
}

impl Switch {
    /// Makes this switch one of a cluster's, under a fresh id. It serves its own connections until [`Switch::nats_up`].
    pub fn join_cluster(&mut self, id: NodeId) {
        self.cluster = Some(Box::new(Cluster::new(id)));
    }

    /// Messages to and from the other relays pass from now on.
    pub fn nats_up(&mut self, now: Now) {
        self.nats_down(now);
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        cluster.up = true;
        cluster.up_since = now.mono;
        cluster.beat = now.mono;
        cluster.publish(&mut self.outputs, To::All, Body::Heartbeat);
        self.ask_again(now);
        self.seek_again();
    }

    /// They don't pass any more: what was shared with other relays is over, and OPENs for phones elsewhere wait.
    pub fn nats_down(&mut self, now: Now) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        cluster.see_time(now);
        cluster.up = false;
        cluster.searches.clear();
        for (node, peer) in std::mem::take(&mut cluster.peers) {
            self.end_shared(node, peer.shared);
        }
        let waiting: Vec<_> = self.waiting.mailboxes().copied().collect();
        for mailbox in waiting {
            self.phone_is_away(&mailbox, now);
        }
        self.end_freed();
    }

    /// A message from another relay. One that this relay does not understand is ignored.
    pub fn peer(&mut self, bytes: &[u8], now: Now) {
        let Some(Message { from, stamp, body }) = Message::parse(bytes) else { return };
        let Some(cluster) = self.cluster.as_deref_mut().filter(|cluster| cluster.up && cluster.id != from) else { return };
        cluster.see_time(now);
        cluster.clock.see_stamp(stamp);
        if body == Body::Bye {
            return self.forget_peer(from);
        }
        if !self.hear(from, now) {
            return;
        }
        match body {
            Body::Heartbeat | Body::Bye => {}
            Body::Find { query, mailbox } => self.answer(from, query, mailbox),
            Body::Answer { query, mailbox, stamp } => self.answered(from, query, &mailbox, stamp),
            Body::Up { mailbox, stamp, holder } => self.mailbox_is_elsewhere(&mailbox, stamp, holder),
            Body::Seek { rendezvous, role, stamp } => self.sought(from, rendezvous, role, stamp),
            Body::Taken { rendezvous, stamp } => self.taken(&rendezvous, stamp),
            Body::Ping { epoch, last, follows } => {
                let followed = self.peer_link(from, |peer| peer.follow_ping(epoch, last));
                self.keep_link(from, followed);
                let current = self.cluster.as_deref().and_then(|cluster| cluster.peers.get(&from)).map(|peer| peer.out_epoch);
                // It does not know yet that this relay began anew. After the answer it does.
                if current.is_some_and(|current| current != follows) && followed != Followed::Lost {
                    self.ping_peer(from);
                }
            }
            Body::Link { epoch, number, circuit, what } => {
                let followed = self.peer_link(from, |peer| peer.follow(epoch, number));
                self.keep_link(from, followed);
                if followed != Followed::Old {
                    self.circuit_message(RemoteEnd { node: from, number: circuit }, what, now);
                }
            }
        }
        self.end_freed();
    }

    /// How many other relays of the cluster are heard; `None` without a cluster or without NATS.
    #[must_use]
    pub fn peers(&self) -> Option<usize> {
        self.cluster.as_deref().filter(|cluster| cluster.up).map(|cluster| cluster.peers.len())
    }

    /// Time has passed: asks and decides what is due. To be called a few times a second; [`Switch::tick`] calls it too.
    pub fn cluster_tick(&mut self, now: Now) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        cluster.see_time(now);
        if !cluster.up {
            return;
        }
        let silence = milliseconds(NODE_SILENCE);
        let is_silent = |peer: &Peer| {
            let since = if peer.shared.is_empty() { peer.heard } else { peer.heard.min(peer.linked) };
            now.mono.saturating_sub(since) >= silence
        };
        let silent: Vec<_> = cluster.peers.iter().filter(|(_, peer)| is_silent(peer)).map(|(node, _)| *node).collect();
        let beats = now.mono.saturating_sub(cluster.beat) >= milliseconds(NODE_HEARTBEAT);
        for node in silent {
            self.forget_peer(node);
        }
        if beats {
            self.beat(now);
        }
        self.search_on(now);
        self.end_freed();
    }

    /// Says that this relay is going.
    pub(super) fn leave_cluster(&mut self) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        cluster.publish(&mut self.outputs, To::All, Body::Bye);
        cluster.up = false;
        cluster.peers.clear();
        cluster.searches.clear();
    }

    /// The stamp of something that happens now; 0 without a cluster.
    pub(super) fn stamp(&mut self, now: Now) -> u64 {
        let Some(cluster) = self.cluster.as_deref_mut() else { return 0 };
        cluster.see_time(now);
        cluster.clock.stamp()
    }

    fn publish(&mut self, to: To, body: Body<'_>) {
        if let Some(cluster) = self.cluster.as_deref_mut() {
            cluster.publish(&mut self.outputs, to, body);
        }
    }

    fn ping_peer(&mut self, node: NodeId) {
        if let Some(cluster) = self.cluster.as_deref_mut() {
            cluster.ping(&mut self.outputs, node);
        }
    }

    /// Says that this relay is here, to those it shares something with also how far its messages went, and looks after what waits.
    fn beat(&mut self, now: Now) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        cluster.beat = now.mono;
        cluster.publish(&mut self.outputs, To::All, Body::Heartbeat);
        let sharing: Vec<_> = cluster.peers.iter().filter(|(_, peer)| !peer.shared.is_empty()).map(|(node, _)| *node).collect();
        for node in sharing {
            self.ping_peer(node);
        }
        self.end_unanswered(now);
        self.ask_again(now);
        self.seek_again();
    }

    /// Another relay is there. `false`: there are too many.
    fn hear(&mut self, node: NodeId, now: Now) -> bool {
        let Some(cluster) = self.cluster.as_deref_mut() else { return false };
        if let Some(peer) = cluster.peers.get_mut(&node) {
            peer.heard = now.mono;
            return true;
        }
        if cluster.peers.len() >= MAX_NODES {
            return false;
        }
        let epoch = cluster.make_epoch();
        cluster.peers.insert(node, Peer::new(epoch, now.mono));
        // It may not know this relay; and if it does, it must know that this relay remembers nothing of it.
        self.ping_peer(node);
        true
    }

    /// Another relay is gone, or as good as gone.
    fn forget_peer(&mut self, node: NodeId) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        if let Some(peer) = cluster.peers.remove(&node) {
            self.end_shared(node, peer.shared);
        }
    }

    fn peer_link(&mut self, node: NodeId, follow: impl FnOnce(&mut Peer) -> Followed) -> Followed {
        let Some(cluster) = self.cluster.as_deref_mut() else { return Followed::Old };
        let Some(peer) = cluster.peers.get_mut(&node) else { return Followed::Old };
        peer.linked = cluster.now.mono;
        follow(peer)
    }

    /// Ends what is shared if the link lost something.
    fn keep_link(&mut self, node: NodeId, followed: Followed) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        if matches!(followed, Followed::Good | Followed::Old) {
            return;
        }
        let epoch = (followed == Followed::Lost).then(|| cluster.make_epoch());
        let Some(peer) = cluster.peers.get_mut(&node) else { return };
        let shared = std::mem::take(&mut peer.shared);
        if let Some(epoch) = epoch {
            peer.out_epoch = epoch;
            peer.out_number = 0;
        }
        self.end_shared(node, shared);
        if epoch.is_some() {
            self.ping_peer(node);
        }
    }

    /// Ends what was shared with another relay, which is not told.
    fn end_shared(&mut self, node: NodeId, shared: BTreeMap<u64, Shared>) {
        for (number, what) in shared {
            self.end_one(RemoteEnd { node, number }, what);
        }
    }
}
