//! MEET: two strangers with the same rendezvous (docs/PROTOCOL.md §7.6).

use std::collections::HashMap;

use countersign_core::{
    relay::{Circuit as Number, CloseReason, ErrorCode, Frame, Rendezvous, Role},
    time::Now,
};

use super::{
    ConnId, Switch,
    circuit::{Circuit, End, Side},
    cluster::RemoteEnd,
    connection::Slot,
    drain::Phase,
    milliseconds,
};
use crate::{
    limits::Limits,
    network::{Network, PerNetwork},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// One end is here.
    Waiting { end: End, role: Role },
    /// The laptop is here, and the relay of the other end was told so; its answer is awaited.
    Joining { end: End, with: RemoteEnd },
    /// Both ends met.
    Burnt,
}

pub(super) struct Meeting {
    pub(super) state: State,
    since: u64,
    network: Network,
    /// When it began, as the cluster counts time; 0 without a cluster.
    pub(super) stamp: u64,
}

/// All rendezvous in use or burnt.
pub(super) struct Meetings {
    table: HashMap<Rendezvous, Meeting>,
    per_network: PerNetwork,
    max: usize,
    max_per_ip: usize,
    ttl: u64,
}

/// What a MEET leads to.
enum Met {
    /// Perhaps in the place of another.
    Waits(Option<End>),
    With(End),
    Taken,
    Full,
}

impl Meetings {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            table: HashMap::new(),
            per_network: PerNetwork::default(),
            max: limits.max_rendezvous,
            max_per_ip: limits.max_rendezvous_per_ip,
            ttl: milliseconds(limits.rendezvous_ttl),
        }
    }

    fn meet(&mut self, rendezvous: Rendezvous, (end, role): (End, Role), network: Network, mono: u64, stamp: u64) -> Met {
        if let Some(meeting) = self.table.get_mut(&rendezvous) {
            return match meeting.state {
                State::Waiting { end: other, role: other_role } if other_role != role => {
                    meeting.state = State::Burnt;
                    meeting.since = mono;
                    Met::With(other)
                }
                _ => Met::Taken,
            };
        }
        if self.per_network.count(network) >= self.max_per_ip {
            return Met::Full;
        }
        let gave_way = if self.table.len() >= self.max {
            let Some(gave_way) = self.make_room(network) else { return Met::Full };
            gave_way
        } else {
            None
        };
        self.per_network.add_many(network, 1);
        self.table.insert(rendezvous, Meeting { state: State::Waiting { end, role }, since: mono, network, stamp });
        Met::Waits(gave_way)
    }

    /// One of the network with the most of them is forgotten; if somebody waits there, that end is given.
    fn make_room(&mut self, newcomer: Network) -> Option<Option<End>> {
        let fullest = self.per_network.greedier_than(newcomer)?;
        let theirs = self.table.iter().filter(|(_, meeting)| meeting.network == fullest && !matches!(meeting.state, State::Joining { .. }));
        // What is burnt protects somebody.
        let (rendezvous, meeting) = theirs.min_by_key(|(_, meeting)| (matches!(meeting.state, State::Burnt), meeting.since))?;
        let (rendezvous, end) = (*rendezvous, if let State::Waiting { end, .. } = meeting.state { Some(end) } else { None });
        self.remove(&rendezvous);
        Some(end)
    }

    /// The end that waited has gone: the rendezvous is free again.
    pub(super) fn remove(&mut self, rendezvous: &Rendezvous) {
        if let Some(meeting) = self.table.remove(rendezvous) {
            self.per_network.remove(meeting.network);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The same, checked against what is counted for each network.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn count(&self) -> usize {
        assert_eq!(self.per_network.total(), self.table.len());
        self.table.len()
    }

    pub(super) fn at(&mut self, rendezvous: &Rendezvous) -> Option<&mut Meeting> {
        self.table.get_mut(rendezvous)
    }

    /// Both ends met, or may have: nobody else meets here.
    pub(super) fn burn(&mut self, rendezvous: &Rendezvous, mono: u64) {
        if let Some(meeting) = self.table.get_mut(rendezvous) {
            meeting.state = State::Burnt;
            meeting.since = mono;
        }
    }

    /// Those with one end, with its role and stamp.
    pub(super) fn lonely(&self) -> impl Iterator<Item = (Rendezvous, Role, u64)> {
        self.table.iter().filter_map(|(rendezvous, meeting)| match meeting.state {
            State::Waiting { role, .. } => Some((*rendezvous, role, meeting.stamp)),
            State::Joining { .. } | State::Burnt => None,
        })
    }

    /// Forgets burnt ones, ends waits that took too long, and says which.
    pub(super) fn expire(&mut self, mono: u64) -> Vec<End> {
        let over = |meeting: &Meeting| mono.saturating_sub(meeting.since) >= self.ttl;
        let over: Vec<_> = self.table.iter().filter(|(_, meeting)| over(meeting)).map(|(rendezvous, _)| *rendezvous).collect();
        let mut ends = Vec::new();
        for rendezvous in over {
            match self.table.get(&rendezvous).map(|meeting| meeting.state) {
                Some(State::Waiting { end, .. }) => ends.push(end),
                // Ends with the answer, which has a time limit of its own.
                Some(State::Joining { .. }) => continue,
                Some(State::Burnt) | None => {}
            }
            self.remove(&rendezvous);
        }
        ends
    }
}

impl Switch {
    pub(super) fn meet(&mut self, conn: ConnId, number: Number, role: Role, rendezvous: Rendezvous, now: Now) -> Result<(), ErrorCode> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        connection.count_proof(&self.limits)?;
        connection.check_number(number)?;
        let end = (conn, number);
        if connection.slots.len() >= self.limits.max_circuits_per_connection || self.phase != Phase::Running {
            self.refuse_meet(end, CloseReason::Limit);
            return Ok(());
        }
        let network = connection.network;
        let stamp = self.stamp(now);
        let met = self.meetings.meet(rendezvous, (end, role), network, now.mono, stamp);
        if matches!(met, Met::Waits(_) | Met::With(_))
            && let Some(connection) = self.connections.get_mut(&conn)
        {
            connection.known = true;
        }
        match met {
            Met::Waits(gave_way) => {
                if let Some(connection) = self.connections.get_mut(&conn) {
                    connection.slots.set(number, Slot::Meeting(rendezvous));
                }
                if let Some((other, circuit)) = gave_way {
                    self.drop_slot(other, circuit);
                    self.refuse_meet((other, circuit), CloseReason::Limit);
                }
                self.seek(rendezvous, role, stamp);
            }
            Met::Taken => self.refuse_meet(end, CloseReason::RendezvousTaken),
            Met::Full => self.refuse_meet(end, CloseReason::Limit),
            Met::With(other) => {
                self.join(Circuit {
                    ends: (Side::Local(other), Side::Local(end)),
                    ticket: None,
                    messages_left: self.limits.max_messages_per_circuit,
                    bytes_left: self.limits.max_bytes_per_circuit,
                });
                self.stats.meets_met += 1;
                for (conn, circuit) in [other, end] {
                    self.send(conn, &Frame::Met { circuit });
                }
            }
        }
        Ok(())
    }
    pub(super) fn refuse_meet(&mut self, (conn, number): End, reason: CloseReason) {
        self.stats.meets_refused.count(reason);
        self.send(conn, &Frame::Close { circuit: number, reason });
    }
}
