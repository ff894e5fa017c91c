//! OPEN: from a ticket to a circuit (docs/PROTOCOL.md §7.4).

use countersign_core::{
    keys::Signature,
    relay::{Circuit as Number, CloseReason, ErrorCode, Frame, Mailbox, Nonce, OpenProof, Ticket, parse_ticket},
    time::Now,
};

use super::{
    ConnId, Switch,
    circuit::Circuit,
    connection::Slot,
    drain::Phase,
    waiting::{Full, Pending, WaitingOpen},
};

/// What stands in the place of a signature with a keyless ticket.
const NO_SIGNATURE: Signature = [0; 64];

impl Switch {
    pub(super) fn open(
        &mut self,
        conn: ConnId,
        number: Number,
        ticket: &[u8],
        signature: &Signature,
        tail: &[u8],
        now: Now,
    ) -> Result<(), ErrorCode> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        connection.count_proof(&self.limits)?;
        connection.check_number(number)?;
        let (nonce, network) = (connection.nonce, connection.network);
        if connection.slots.len() >= self.limits.max_circuits_per_connection || self.phase != Phase::Running {
            self.refuse_open((conn, number), CloseReason::Limit);
            return Ok(());
        }
        let Some(parsed) = self.check(ticket, &nonce, number, signature, tail, now) else {
            self.stats.proofs_failed += 1;
            self.refuse_open((conn, number), CloseReason::TicketRefused);
            return Ok(());
        };
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.known = true;
        }
        let mailbox = parsed.mailbox();
        let pending = Pending {
            conn,
            number,
            ticket_id: parsed.ticket_id,
            max_bytes: parsed.max_bytes.min(self.limits.max_bytes_per_circuit),
            opens_per_hour: parsed.opens_per_hour,
            expires: parsed.expires,
        };
        if self.budget(&mailbox).is_some_and(|budget| tail.len() <= budget) {
            self.deliver(&mailbox, &pending, tail, now);
            return Ok(());
        }
        if tail.len() > pending.max_bytes as usize {
            self.refuse_open((conn, number), CloseReason::Limit);
            return Ok(());
        }
        match self.waiting.add(mailbox, WaitingOpen { pending, network, tail: tail.into(), since: now.mono }) {
            Err(Full) => {
                self.refuse_open((conn, number), CloseReason::Limit);
                return Ok(());
            }
            Ok(Some((other, circuit))) => {
                self.drop_slot(other, circuit);
                self.refuse_open((other, circuit), CloseReason::Limit);
            }
            Ok(None) => {}
        }
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.slots.set(number, Slot::Waiting(mailbox));
        }
        self.stats.opens_waited += 1;
        self.send(conn, &Frame::Waiting { circuit: number });
        // One that is there and only has had enough for this second needs no wake-up.
        if !self.homes.contains_key(&mailbox) {
            self.wake(conn, number, mailbox, &parsed, now);
        }
        Ok(())
    }

    /// The ticket, if it is valid now and this connection may use it.
    fn check(&self, ticket: &[u8], nonce: &Nonce, circuit: Number, signature: &Signature, tail: &[u8], now: Now) -> Option<Ticket> {
        let parsed = parse_ticket(ticket).ok()?;
        if parsed.has_expired(now.unix) {
            return None;
        }
        let Some(sender) = &parsed.sender else {
            return (signature == &NO_SIGNATURE).then_some(parsed);
        };
        let signed = |origin: &String| OpenProof { origin, nonce, circuit, ticket, tail }.verify(sender, signature).is_ok();
        self.origins.iter().any(signed).then_some(parsed)
    }

    /// How many bytes of INCOMING the phone that answers for a mailbox may still be given in this second; `None`: it is away.
    fn budget(&self, mailbox: &Mailbox) -> Option<usize> {
        let home = self.homes.get(mailbox)?;
        self.connections.get(&home.conn).map(|connection| connection.budget)
    }

    /// Gives what waits for a mailbox to the phone that answers for it, as far as this second's budget goes.
    pub(super) fn deliver_waiting(&mut self, mailbox: &Mailbox, now: Now) {
        while let Some(open) = self.budget(mailbox).and_then(|budget| self.waiting.take(mailbox, budget)) {
            self.drop_slot(open.pending.conn, open.pending.number);
            if open.pending.expires != 0 && open.pending.expires <= now.unix {
                self.refuse_open((open.pending.conn, open.pending.number), CloseReason::TicketRefused);
            } else {
                self.deliver(mailbox, &open.pending, &open.tail, now);
            }
        }
    }

    /// Joins a sender and the phone that answers for `mailbox`, or refuses.
    fn deliver(&mut self, mailbox: &Mailbox, open: &Pending, tail: &[u8], now: Now) {
        let end = (open.conn, open.number);
        let Some(home) = self.homes.get(mailbox) else { return self.refuse_open(end, CloseReason::PeerGone) };
        if home.deny.contains(&open.ticket_id) {
            return self.refuse_open(end, CloseReason::TicketRefused);
        }
        let phone = home.conn;
        let full = home.circuits >= self.limits.max_circuits_per_mailbox;
        let Some(connection) = self.connections.get_mut(&phone) else { return self.refuse_open(end, CloseReason::PeerGone) };
        // Both ends may be on one connection: then the sender's number is still to come, too.
        let taken = connection.slots.len() + usize::from(phone == open.conn);
        let full = full || taken >= self.limits.max_circuits_per_connection;
        let bytes_left = u32::try_from(tail.len()).ok().and_then(|length| open.max_bytes.checked_sub(length));
        let (false, Some(bytes_left)) = (full, bytes_left) else { return self.refuse_open(end, CloseReason::Limit) };
        if !self.rates.count((*mailbox, open.ticket_id), open.opens_per_hour, now.mono) {
            return self.refuse_open(end, CloseReason::Limit);
        }
        let number = connection.next_number();
        connection.budget = connection.budget.saturating_sub(tail.len());
        self.join(Circuit {
            ends: (end, (phone, number)),
            ticket: Some((*mailbox, open.ticket_id)),
            messages_left: self.limits.max_messages_per_circuit.saturating_sub(1),
            bytes_left,
        });
        self.stats.opens_delivered += 1;
        self.stats.bytes_forwarded += u64::try_from(tail.len()).unwrap_or(u64::MAX);
        self.send(phone, &Frame::Incoming { circuit: number, mailbox: *mailbox, ticket_id: open.ticket_id, tail });
        self.send(open.conn, &Frame::Opened { circuit: open.number });
    }

    pub(super) fn refuse_open(&mut self, (conn, number): (ConnId, Number), reason: CloseReason) {
        self.stats.opens_refused.count(reason);
        self.send(conn, &Frame::Close { circuit: number, reason });
    }
}
