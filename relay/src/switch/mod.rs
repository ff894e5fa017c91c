//! The circuit switch: who is connected, which mailboxes they proved, which circuits join them (docs/PROTOCOL.md §7).
//!
//! Pure: bytes and times go in, [`Output`]s come out of [`Switch::poll_output`]; no clock, socket or global randomness. It keeps
//! nothing about a connection that is gone, except how often a ticket was used in the last hour and which rendezvous are burnt.

#[cfg(any(test, feature = "fuzzing"))]
mod check;
mod circuit;
mod cluster;
mod connection;
mod denied;
mod drain;
mod mailbox;
mod open;
#[cfg(test)]
mod random;
mod rate;
mod rendezvous;
mod stats;
#[cfg(test)]
mod tests;
mod waiting;
mod wake;
#[cfg(test)]
mod wake_tests;

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use countersign_core::{
    relay::{Circuit, CloseReason, ErrorCode, Frame, Mailbox, RelayUrl, VERSION},
    time::Now,
};
use foldhash::fast::RandomState;
use rand_core::{CryptoRng, RngCore};

use crate::{
    limits::{Limits, MAX_INCOMING_PER_SECOND},
    push::{PushKeys, Target},
};
use circuit::{Circuits, Side};
use cluster::Cluster;
use connection::{Connection, Slot};
use denied::Denied;
use drain::Phase;
use mailbox::Home;
use rate::OpenRates;
use rendezvous::Meetings;
use waiting::Waiting;
use wake::Wakes;

pub use stats::{Errors, Reasons, Stats};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use cluster::read_again;
pub use cluster::{NodeId, To};

/// Names a connection; the shell never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// What the shell is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send one frame.
    Send {
        /// To whom.
        conn: ConnId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Close the connection once everything before is sent. The switch has already forgotten it.
    Disconnect {
        /// Which one.
        conn: ConnId,
    },
    /// Wake a phone, and call [`Switch::woken`] with what came of it.
    Wake(Box<Wake>),
    /// Send a message to other relays of the cluster; the messages to one of them keep their order.
    Publish {
        /// To whom.
        to: To,
        /// The message, at most [`crate::limits::MAX_NODE_MESSAGE`] bytes.
        bytes: Vec<u8>,
    },
}

/// A wake-up that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// Whose OPEN waits for the phone.
    pub conn: ConnId,
    /// Which OPEN.
    pub circuit: Circuit,
    /// The address whose wake-ups it is counted among.
    pub asker: IpAddr,
    /// Where to send it.
    pub target: Target,
}

/// The switch.
pub struct Switch {
    origins: Vec<String>,
    limits: Limits,
    /// The keys are the shell's own: nobody chooses them.
    connections: HashMap<ConnId, Connection, RandomState>,
    homes: HashMap<Mailbox, Home>,
    denied: Denied,
    circuits: Circuits,
    waiting: Waiting,
    meetings: Meetings,
    rates: OpenRates,
    push: Option<Arc<PushKeys>>,
    wakes: Wakes,
    cluster: Option<Box<Cluster>>,
    outputs: VecDeque<Output>,
    phase: Phase,
    /// Connections that lost a circuit during this command, in a drain.
    freed: Vec<ConnId>,
    stats: Stats,
}

impl Switch {
    /// Makes an empty switch. Proofs for any of `origins` are accepted.
    #[must_use]
    pub fn new(origins: &[RelayUrl], limits: Limits) -> Self {
        Self {
            origins: origins.iter().map(|url| url.origin().to_owned()).collect(),
            connections: HashMap::default(),
            homes: HashMap::new(),
            denied: Denied::new(&limits),
            circuits: Circuits::default(),
            waiting: Waiting::new(&limits),
            meetings: Meetings::new(&limits),
            rates: OpenRates::new(limits.max_open_rate_table),
            push: None,
            wakes: Wakes::new(&limits),
            cluster: None,
            outputs: VecDeque::new(),
            phase: Phase::Running,
            freed: Vec::new(),
            stats: Stats::default(),
            limits,
        }
    }

    /// Seals push addresses and has phones woken with these keys from now on.
    pub fn seals_with(&mut self, keys: Arc<PushKeys>) {
        self.push = Some(keys);
    }

    /// A connection from `ip` is ready for frames: sends HELLO with a nonce from `rng`.
    pub fn connected(&mut self, conn: ConnId, ip: IpAddr, now: Now, rng: &mut (impl RngCore + CryptoRng)) {
        if self.phase != Phase::Running {
            self.stats.errors.count(ErrorCode::ShuttingDown);
            self.send(conn, &Frame::Error { code: ErrorCode::ShuttingDown });
            self.outputs.push_back(Output::Disconnect { conn });
            return;
        }
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        self.stats.connections_total += 1;
        self.connections.insert(conn, Connection::new(ip.into(), nonce, now.mono));
        self.send(conn, &Frame::Hello { version: VERSION, nonce, time: now.unix });
    }

    /// One binary message came in.
    pub fn frame(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        if !self.connections.contains_key(&conn) {
            return;
        }
        let handled = match Frame::parse(bytes) {
            Ok(Frame::Prove { mailbox_public, signature, deny }) => self.prove(conn, &mailbox_public, &signature, deny, now),
            Ok(Frame::Open { circuit, ticket, signature, tail }) => self.open(conn, circuit, ticket, &signature, tail, now),
            Ok(Frame::Meet { circuit, role, rendezvous }) => self.meet(conn, circuit, role, rendezvous, now),
            Ok(Frame::Push { mailbox, subscription }) => self.push(conn, mailbox, subscription.as_ref()),
            Ok(Frame::Data { circuit, tail }) => self.data(conn, circuit, tail),
            Ok(Frame::Close { circuit, reason }) => {
                self.close(conn, circuit, reason);
                Ok(())
            }
            Ok(_) | Err(_) => Err(ErrorCode::Malformed),
        };
        if let Err(code) = handled {
            self.fail(conn, code);
        }
        self.end_freed();
    }

    /// Something came in that is no binary message of an allowed length.
    pub fn not_a_frame(&mut self, conn: ConnId) {
        if self.connections.contains_key(&conn) {
            self.fail(conn, ErrorCode::Malformed);
            self.end_freed();
        }
    }

    /// Ends a connection whose place is needed.
    pub fn cut(&mut self, conn: ConnId) {
        if self.connections.contains_key(&conn) {
            self.fail(conn, ErrorCode::Limit);
        }
    }

    /// Whether the connection has proven a mailbox, used a good ticket or begun a rendezvous.
    #[must_use]
    pub fn knows(&self, conn: ConnId) -> bool {
        self.connections.get(&conn).is_some_and(|connection| connection.known)
    }

    /// The connection is gone. Everything that hung on it ends; the other ends are told `peer_gone`.
    pub fn disconnected(&mut self, conn: ConnId) {
        self.forget(conn);
        self.end_freed();
    }

    /// Time has passed: ends what waited too long. To be called about once a second.
    pub fn tick(&mut self, now: Now) {
        let over: Vec<_> = self
            .connections
            .iter()
            .filter_map(|(&conn, connection)| connection.over(&self.limits, now.mono).map(|code| (conn, code)))
            .collect();
        for (conn, code) in over {
            self.fail(conn, code);
        }
        for end in self.waiting.expire(now.mono) {
            self.drop_slot(end.0, end.1);
            self.refuse_open(end, CloseReason::Timeout);
        }
        for end in self.meetings.expire(now.mono) {
            self.drop_slot(end.0, end.1);
            self.refuse_meet(end, CloseReason::Timeout);
        }
        for connection in self.connections.values_mut() {
            connection.budget = MAX_INCOMING_PER_SECOND;
        }
        let proven: Vec<_> = self.waiting.mailboxes().filter(|mailbox| self.homes.contains_key(mailbox)).copied().collect();
        for mailbox in proven {
            self.deliver_waiting(&mailbox, now);
        }
        self.cluster_tick(now);
        self.end_freed();
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn send(&mut self, conn: ConnId, frame: &Frame<'_>) {
        self.outputs.push_back(Output::Send { conn, bytes: frame.encode() });
    }

    /// Tells a connection why it ends, and ends it.
    fn fail(&mut self, conn: ConnId, code: ErrorCode) {
        self.stats.errors.count(code);
        self.send(conn, &Frame::Error { code });
        self.outputs.push_back(Output::Disconnect { conn });
        self.forget(conn);
    }

    fn forget(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.remove(&conn) else { return };
        for mailbox in &connection.mailboxes {
            if let Some(home) = self.homes.remove(mailbox) {
                self.denied.remove(connection.network, home.deny.len());
            }
        }
        for (number, slot) in connection.slots.iter() {
            match slot {
                Slot::Joined(id) => self.end_circuit(id, CloseReason::PeerGone, Some(Side::Local((conn, number)))),
                Slot::Waiting(mailbox) => self.withdraw_open(&mailbox, (conn, number)),
                Slot::Meeting(rendezvous) => self.withdraw_meet(&rendezvous),
            }
        }
    }

    /// Closes a circuit for an end: whatever state it is in, it is over.
    fn close(&mut self, conn: ConnId, number: Circuit, reason: CloseReason) {
        match self.slot(conn, number) {
            Some(Slot::Joined(id)) => self.end_circuit(id, reason, Some(Side::Local((conn, number)))),
            Some(Slot::Waiting(mailbox)) => self.withdraw_open(&mailbox, (conn, number)),
            Some(Slot::Meeting(rendezvous)) => self.withdraw_meet(&rendezvous),
            // Both ends may close at the same time.
            None => {}
        }
        self.drop_slot(conn, number);
    }

    fn slot(&self, conn: ConnId, number: Circuit) -> Option<Slot> {
        self.connections.get(&conn)?.slots.at(number)
    }

    fn drop_slot(&mut self, conn: ConnId, number: Circuit) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.slots.remove(number);
        }
    }
}

/// Whether a message is a PROVE, OPEN or MEET: those cost the relay more than their bytes.
#[must_use]
pub fn is_proof(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x10..=0x12))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
