//! Joined circuits: two ends, and what went between them.

use std::collections::HashMap;

use countersign_core::relay::{Circuit as Number, CloseReason, ErrorCode, Frame, Mailbox, TicketId};

use super::{ConnId, Switch, connection::Slot};

/// Names a circuit inside the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CircuitId(u64);

/// One end: the connection and its number there.
pub(super) type End = (ConnId, Number);

/// A joined circuit.
pub(super) struct Circuit {
    /// Who opened it, and who answers.
    pub(super) ends: (End, End),
    /// The mailbox and ticket of an OPEN; none for a MEET.
    pub(super) ticket: Option<(Mailbox, TicketId)>,
    /// Messages that may still pass.
    pub(super) messages_left: u32,
    /// Bytes that may still pass.
    pub(super) bytes_left: u32,
}

/// All joined circuits.
#[derive(Default)]
pub(super) struct Circuits {
    table: HashMap<CircuitId, Circuit>,
    next: u64,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Circuits {
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
            (to == *mailbox && circuit.ends.1 == (phone, number)).then_some((id, ticket_id))
        };
        connection.slots.iter().filter_map(ticket).collect()
    }

    /// Joins two ends; both slots point at the circuit from now on.
    pub(super) fn join(&mut self, circuit: Circuit) {
        let id = CircuitId(self.circuits.next);
        self.circuits.next += 1;
        for (conn, number) in [circuit.ends.0, circuit.ends.1] {
            if let Some(connection) = self.connections.get_mut(&conn) {
                connection.slots.set(number, Slot::Joined(id));
            }
        }
        if let Some(home) = circuit.ticket.and_then(|(mailbox, _)| self.homes.get_mut(&mailbox)) {
            home.circuits += 1;
        }
        self.circuits.table.insert(id, circuit);
    }

    /// Ends a circuit and tells both ends, or only the other one if one of them ended it.
    pub(super) fn end_circuit(&mut self, id: CircuitId, reason: CloseReason, by: Option<End>) {
        let Some(circuit) = self.circuits.table.remove(&id) else { return };
        if let Some(home) = circuit.ticket.and_then(|(mailbox, _)| self.homes.get_mut(&mailbox)) {
            home.circuits = home.circuits.saturating_sub(1);
        }
        for end in [circuit.ends.0, circuit.ends.1] {
            let (conn, number) = end;
            self.drop_slot(conn, number);
            if by != Some(end) && self.connections.contains_key(&conn) {
                self.send(conn, &Frame::Close { circuit: number, reason });
            }
        }
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
        let Some(circuit) = self.circuits.table.get_mut(&id) else { return Ok(()) };
        let other = if circuit.ends.0 == (conn, number) { circuit.ends.1 } else { circuit.ends.0 };
        let length = u32::try_from(tail.len()).unwrap_or(u32::MAX);
        match (circuit.messages_left.checked_sub(1), circuit.bytes_left.checked_sub(length)) {
            (Some(messages), Some(bytes)) => {
                circuit.messages_left = messages;
                circuit.bytes_left = bytes;
                self.send(other.0, &Frame::Data { circuit: other.1, tail });
            }
            _ => self.end_circuit(id, CloseReason::Limit, None),
        }
        Ok(())
    }
}
