//! The switches, the bus between them, and who is connected to them.

use std::collections::{BTreeMap, VecDeque};

use countersign_core::{
    keys::SigningKey,
    relay::{Circuit, Frame, Nonce, OpenProof, RelayUrl, Role, Ticket},
    time::Now,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

use super::super::{
    super::{
        ConnId, Output, Switch, To,
        tests::{ORIGINS, START, mailbox_key, prove, sender_key},
    },
    NodeId,
};
use crate::limits::Limits;

/// A connection: to which relay, and which one there.
pub(super) type At = (usize, ConnId);

/// What a connection was sent: frames, then perhaps its end.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) frames: VecDeque<Vec<u8>>,
    pub(super) ended: bool,
}

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) switch: Switch,
    pub(super) up: bool,
}

pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Now,
    pub(super) rng: ChaCha8Rng,
    pub(super) seen: BTreeMap<At, Seen>,
    /// In order for one sender, one receiver and one subject; across subjects in any order.
    queues: BTreeMap<(NodeId, usize, bool), VecDeque<Vec<u8>>>,
    /// How many messages were carried.
    pub(super) carried: usize,
    /// Whether the message with this number, from this relay to that, is lost.
    pub(super) loses: Box<dyn FnMut(usize, usize, usize) -> bool>,
    next_conn: u64,
    next_node: u8,
    limits: Limits,
}

impl Switch {
    /// Everything shared with another relay, by number.
    pub(super) fn shared_with(&self, node: NodeId) -> Vec<u64> {
        let peer = self.cluster.as_deref().and_then(|cluster| cluster.peers.get(&node));
        peer.map(|peer| peer.shared.keys().copied().collect()).unwrap_or_default()
    }
}

impl Net {
    pub(super) fn new(count: usize, seed: u64, limits: Limits) -> Self {
        let mut net = Self {
            nodes: Vec::new(),
            now: Now { unix: START, mono: 0 },
            rng: ChaCha8Rng::seed_from_u64(seed),
            seen: BTreeMap::new(),
            queues: BTreeMap::new(),
            carried: 0,
            loses: Box::new(|_, _, _| false),
            next_conn: 0,
            next_node: 0,
            limits,
        };
        for _ in 0..count {
            let node = net.make_node();
            net.nodes.push(node);
        }
        for node in 0..count {
            net.up(node);
        }
        net.run(2_500);
        net
    }

    fn make_node(&mut self) -> Node {
        self.next_node += 1;
        let id = NodeId::from_bytes([self.next_node; 16]);
        let mut switch = Switch::new(&ORIGINS.map(|url| RelayUrl::parse(url).unwrap()), self.limits.clone());
        switch.join_cluster(id);
        Node { id, switch, up: false }
    }

    pub(super) fn up(&mut self, node: usize) {
        self.nodes[node].up = true;
        self.nodes[node].switch.nats_up(self.now);
        self.collect();
    }

    pub(super) fn down(&mut self, node: usize) {
        self.nodes[node].up = false;
        self.nodes[node].switch.nats_down(self.now);
        self.queues.retain(|(_, to, _), _| *to != node);
        self.collect();
    }

    /// A relay dies without a word, and another one starts in its place.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node] = self.make_node();
        self.queues.retain(|(_, to, _), _| *to != node);
        self.seen.retain(|at, _| at.0 != node);
    }

    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    /// Carries what the switches put out, and what that leads to, until nothing is left.
    pub(super) fn carry(&mut self) {
        self.collect();
        while self.carry_one() {}
    }

    fn carry_one(&mut self) -> bool {
        self.queues.retain(|_, queue| !queue.is_empty());
        let count = u32::try_from(self.queues.len()).unwrap();
        if count == 0 {
            return false;
        }
        let chosen = self.below(count) as usize;
        let (&(_, to, _), queue) = self.queues.iter_mut().nth(chosen).unwrap();
        let message = queue.pop_front().unwrap();
        self.nodes[to].switch.peer(&message, self.now);
        self.collect();
        true
    }

    fn collect(&mut self) {
        for from in 0..self.nodes.len() {
            while let Some(output) = self.nodes[from].switch.poll_output() {
                match output {
                    Output::Send { conn, bytes } => self.seen.entry((from, conn)).or_default().frames.push_back(bytes),
                    Output::Disconnect { conn } => self.seen.entry((from, conn)).or_default().ended = true,
                    Output::Publish { to, bytes } => self.publish(from, to, &bytes),
                    Output::Wake(_) => panic!("these switches have no keys to wake anybody with"),
                }
            }
        }
    }

    fn publish(&mut self, from: usize, to: To, bytes: &[u8]) {
        assert!(self.nodes[from].up, "a message without NATS");
        assert!(bytes.len() <= crate::limits::MAX_NODE_MESSAGE);
        let sender = self.nodes[from].id;
        for receiver in 0..self.nodes.len() {
            let node = &self.nodes[receiver];
            if receiver == from || !node.up || matches!(to, To::Node(id) if id != node.id) {
                continue;
            }
            self.carried += 1;
            if !(self.loses)(self.carried, from, receiver) {
                self.queues.entry((sender, receiver, to == To::All)).or_default().push_back(bytes.to_vec());
            }
        }
    }

    /// Lets time pass, in steps of a tenth of a second.
    pub(super) fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 100 {
            self.carry();
            self.pass(100);
        }
        self.carry();
    }

    pub(super) fn pass(&mut self, milliseconds: u64) {
        self.now.mono += milliseconds;
        self.now.unix = START + self.now.mono / 1000;
        for node in &mut self.nodes {
            if self.now.mono % 1000 < milliseconds {
                node.switch.tick(self.now);
            } else {
                node.switch.cluster_tick(self.now);
            }
        }
        self.collect();
    }

    pub(super) fn connect(&mut self, node: usize) -> (At, Nonce) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.nodes[node].switch.connected(conn, [10, 0, 0, 1].into(), self.now, &mut self.rng);
        self.collect();
        let at = (node, conn);
        let hello = self.take(at).unwrap();
        let Frame::Hello { nonce, .. } = Frame::parse(&hello).unwrap() else { panic!() };
        (at, nonce)
    }

    pub(super) fn disconnect(&mut self, at: At) {
        self.nodes[at.0].switch.disconnected(at.1);
        self.seen.remove(&at);
        self.collect();
    }

    /// The next frame a connection was sent.
    pub(super) fn take(&mut self, at: At) -> Option<Vec<u8>> {
        self.seen.get_mut(&at)?.frames.pop_front()
    }

    #[track_caller]
    pub(super) fn expect(&mut self, at: At, expected: &[Frame<'_>]) {
        let frames: Vec<_> = std::iter::from_fn(|| self.take(at)).collect();
        let frames: Vec<_> = frames.iter().map(|bytes| Frame::parse(bytes).unwrap()).collect();
        assert_eq!(frames, expected);
    }

    pub(super) fn send(&mut self, at: At, frame: &Frame<'_>) {
        self.nodes[at.0].switch.frame(at.1, &frame.encode(), self.now);
        self.collect();
    }

    /// A phone at a relay that has just proven mailbox `n`; PROVED is still to be read.
    pub(super) fn prove(&mut self, node: usize, n: u8) -> At {
        let (at, nonce) = self.connect(node);
        self.send(at, &prove(&mailbox_key(n), &nonce, ORIGINS[0], &[]).frame());
        at
    }

    pub(super) fn open(&mut self, (at, nonce): (At, Nonce), circuit: Circuit, ticket: &Ticket, key: &SigningKey, tail: &[u8]) {
        let ticket = ticket.sign(key);
        let proof = OpenProof { origin: ORIGINS[0], nonce: &nonce, circuit, ticket: &ticket, tail };
        self.send(at, &Frame::Open { circuit, ticket: &ticket, signature: proof.sign(&sender_key(1)), tail });
    }

    pub(super) fn meet(&mut self, node: usize, role: Role) -> At {
        let (at, _) = self.connect(node);
        self.send(at, &Frame::Meet { circuit: 1, role, rendezvous: [3; 16] });
        at
    }

    /// Once nothing was lost for a while, both sides of every link know of the same circuits.
    #[track_caller]
    pub(super) fn check(&self) {
        for node in &self.nodes {
            node.switch.check_tables();
            for other in &self.nodes {
                if node.id != other.id {
                    assert_eq!(node.switch.shared_with(other.id), other.switch.shared_with(node.id), "{:?} {:?}", node.id, other.id);
                }
            }
        }
    }
}
