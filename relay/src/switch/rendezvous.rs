//! MEET: two strangers with the same rendezvous (docs/PROTOCOL.md §7.6).

use std::collections::HashMap;

use countersign_core::{
    relay::{Circuit as Number, CloseReason, ErrorCode, Frame, Rendezvous, Role},
    time::Now,
};

use super::{
    ConnId, Switch,
    circuit::{Circuit, End},
    connection::Slot,
    milliseconds,
};
use crate::{
    limits::Limits,
    network::{Network, PerNetwork},
};

enum State {
    /// One end is here.
    Waiting { end: End, role: Role },
    /// Both ends met.
    Burnt,
}

struct Meeting {
    state: State,
    since: u64,
    network: Network,
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

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.per_network.total(), self.table.len());
        self.table.len()
    }

    fn meet(&mut self, rendezvous: Rendezvous, end: End, role: Role, network: Network, mono: u64) -> Met {
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
        self.table.insert(rendezvous, Meeting { state: State::Waiting { end, role }, since: mono, network });
        Met::Waits(gave_way)
    }

    /// One of the network with the most of them is forgotten; if somebody waits there, that end is given.
    fn make_room(&mut self, newcomer: Network) -> Option<Option<End>> {
        let fullest = self.per_network.greedier_than(newcomer)?;
        let theirs = self.table.iter().filter(|(_, meeting)| meeting.network == fullest);
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

    /// Forgets burnt ones, ends waits that took too long, and says which.
    pub(super) fn expire(&mut self, mono: u64) -> Vec<End> {
        let over = |meeting: &Meeting| mono.saturating_sub(meeting.since) >= self.ttl;
        let over: Vec<_> = self.table.iter().filter(|(_, meeting)| over(meeting)).map(|(rendezvous, _)| *rendezvous).collect();
        let mut ends = Vec::new();
        for rendezvous in over {
            if let Some(Meeting { state: State::Waiting { end, .. }, .. }) = self.table.get(&rendezvous) {
                ends.push(*end);
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
        if connection.slots.len() >= self.limits.max_circuits_per_connection {
            self.refuse(end, CloseReason::Limit);
            return Ok(());
        }
        match self.meetings.meet(rendezvous, end, role, connection.network, now.mono) {
            Met::Waits(gave_way) => {
                connection.known = true;
                connection.slots.set(number, Slot::Meeting(rendezvous));
                if let Some((other, circuit)) = gave_way {
                    self.drop_slot(other, circuit);
                    self.refuse((other, circuit), CloseReason::Limit);
                }
            }
            Met::Taken => self.refuse(end, CloseReason::RendezvousTaken),
            Met::Full => self.refuse(end, CloseReason::Limit),
            Met::With(other) => {
                connection.known = true;
                self.join(Circuit {
                    ends: (other, end),
                    ticket: None,
                    messages_left: self.limits.max_messages_per_circuit,
                    bytes_left: self.limits.max_bytes_per_circuit,
                });
                for (conn, circuit) in [other, end] {
                    self.send(conn, &Frame::Met { circuit });
                }
            }
        }
        Ok(())
    }
}
