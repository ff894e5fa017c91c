//! Joined circuits: two ends, and what went between them.

use std::collections::HashMap;

use countersign_core::relay::{Circuit as Number, CloseReason, DataFrame, ErrorCode, Frame, Mailbox, TicketId};

use foldhash::fast::RandomState;

use super::{ConnId, Switch, cluster::RemoteEnd, connection::Slot};

/// Names a circuit inside the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CircuitId(u64);

/// An end that is connected to this relay: the connection and its number there.
pub(super) type End = (ConnId, Number);

/// One side of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Connected to this relay.
    Local(End),
    /// Connected to another relay of the cluster.
    Remote(RemoteEnd),
}

impl Side {
    /// Whether it is on this connection.
    pub(super) fn is_on(&self, conn: ConnId) -> bool {
        matches!(self, Self::Local((own, _)) if *own == conn)
    }
}

/// A joined circuit.
pub(super) struct Circuit {
    /// Who opened it, and who answers.
    pub(super) ends: (Side, Side),
    /// The mailbox and ticket of an OPEN; none for a MEET.
    pub(super) ticket: Option<(Mailbox, TicketId)>,
    /// Messages that may still pass.
    pub(super) messages_left: u32,
    /// Bytes that may still pass.
    pub(super) bytes_left: u32,
}

impl Circuit {
    fn other(&self, side: Side) -> Side {
        if self.ends.0 == side { self.ends.1 } else { self.ends.0 }
    }

    /// Takes a message of this length off what may still pass; `false`: it is too much, and nothing was taken.
    fn spend(&mut self, length: u32) -> bool {
        let (Some(messages), Some(bytes)) = (self.messages_left.checked_sub(1), self.bytes_left.checked_sub(length)) else { return false };
        self.messages_left = messages;
        self.bytes_left = bytes;
        true
    }
}

/// All joined circuits.
#[derive(Default)]
pub(super) struct Circuits {
    /// The keys are counted: nobody chooses them.
    table: HashMap<CircuitId, Circuit, RandomState>,
    next: u64,
}

impl Circuits {
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn sides(&self) -> impl Iterator<Item = Side> {
        self.table.values().flat_map(|circuit| [circuit.ends.0, circuit.ends.1])
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Switch {
    /// The circuits of a mailbox on the connection that answers for it, with their tickets.
    pub(super) fn circuits_to(&self, mailbox: &Mailbox) -> Vec<(CircuitId, TicketId)> {
        let Some(phone) = self.homes.get(mailbox).map(|home| home.conn) else { return Vec::new() };
        let Some(connection) = self.connections.get(&phone) else { return Vec::new() };
        let ticket = |(number, slot): (Number, Slot)| {
            let Slot::Joined(id) = slot else { return None };
            let circuit = self.circuits.table.get(&id)?;
            let (to, ticket_id) = circuit.ticket?;
            // A connection may open a circuit to itself: only the answering end counts.
            (to == *mailbox && circuit.ends.1 == Side::Local((phone, number))).then_some((id, ticket_id))
        };
        connection.slots.iter().filter_map(ticket).collect()
    }

    /// Joins two ends; both slots point at the circuit from now on.
    pub(super) fn join(&mut self, circuit: Circuit) {
        let id = CircuitId(self.circuits.next);
        self.circuits.next += 1;
        for side in [circuit.ends.0, circuit.ends.1] {
            match side {
                Side::Local((conn, number)) => {
                    if let Some(connection) = self.connections.get_mut(&conn) {
                        connection.slots.set(number, Slot::Joined(id));
                    }
                }
                Side::Remote(end) => self.share_circuit(end, id),
            }
        }
        if let Some(home) = circuit.ticket.and_then(|(mailbox, _)| self.homes.get_mut(&mailbox)) {
            home.circuits += 1;
        }
        self.circuits.table.insert(id, circuit);
        self.stats.circuits_total += 1;
    }

    /// Ends a circuit and tells both ends, or only the other one if one of them ended it.
    pub(super) fn end_circuit(&mut self, id: CircuitId, reason: CloseReason, by: Option<Side>) {
        let Some(circuit) = self.circuits.table.remove(&id) else { return };
        self.stats.closes.count(reason);
        if let Some(home) = circuit.ticket.and_then(|(mailbox, _)| self.homes.get_mut(&mailbox)) {
            home.circuits = home.circuits.saturating_sub(1);
        }
        for side in [circuit.ends.0, circuit.ends.1] {
            match side {
                Side::Local((conn, number)) => {
                    self.drop_slot(conn, number);
                    self.freed(conn);
                    if by != Some(side) && self.connections.contains_key(&conn) {
                        self.send(conn, &Frame::Close { circuit: number, reason });
                    }
                }
                Side::Remote(end) => {
                    self.unshare(end);
                    if by != Some(side) {
                        self.close_at_peer(end, reason);
                    }
                }
            }
        }
    }

    /// DATA for an end that is connected here, without a copy, and so nearly everything a relay forwards. Gives that end's connection,
    /// which `frame` is for now. `None`: nothing was done, and it is for [`Switch::frame`].
    pub fn forward(&mut self, conn: ConnId, frame: &mut [u8]) -> Option<ConnId> {
        let mut data = DataFrame::parse(frame)?;
        let number = data.circuit();
        let Some(Slot::Joined(id)) = self.slot(conn, number) else { return None };
        let circuit = self.circuits.table.get_mut(&id)?;
        let Side::Local((other, number)) = circuit.other(Side::Local((conn, number))) else { return None };
        let length = u32::try_from(data.tail().len()).unwrap_or(u32::MAX);
        if !circuit.spend(length) {
            return None;
        }
        self.stats.frames_forwarded += 1;
        self.stats.bytes_forwarded += u64::from(length);
        data.set_circuit(number);
        Some(other)
    }

    /// A message for the other end.
    pub(super) fn data(&mut self, conn: ConnId, number: Number, tail: &[u8]) -> Result<(), ErrorCode> {
        let id = match self.slot(conn, number) {
            Some(Slot::Joined(id)) => id,
            // Nobody is there yet: the end does not follow the protocol.
            Some(Slot::Waiting(_) | Slot::Meeting(_)) => return Err(ErrorCode::Malformed),
            // Already closed by the other end.
            None => return Ok(()),
        };
        self.pass_on(id, Side::Local((conn, number)), tail);
        Ok(())
    }

    /// Gives a message of one side to the other one, as far as the circuit's limits go.
    pub(super) fn pass_on(&mut self, id: CircuitId, from: Side, tail: &[u8]) {
        let Some(circuit) = self.circuits.table.get_mut(&id) else { return };
        let other = circuit.other(from);
        let length = u32::try_from(tail.len()).unwrap_or(u32::MAX);
        if !circuit.spend(length) {
            return self.end_circuit(id, CloseReason::Limit, None);
        }
        self.stats.frames_forwarded += 1;
        self.stats.bytes_forwarded += u64::from(length);
        match other {
            Side::Local((conn, circuit)) => self.send(conn, &Frame::Data { circuit, tail }),
            Side::Remote(end) => self.data_to_peer(end, tail),
        }
    }
}
