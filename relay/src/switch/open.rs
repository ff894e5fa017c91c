//! OPEN: from a ticket to a circuit (docs/PROTOCOL.md §7.4).

use countersign_core::{
    keys::Signature,
    relay::{Circuit as Number, CloseReason, ErrorCode, Frame, Mailbox, Nonce, OpenProof, Ticket, parse_ticket},
    time::Now,
};

use super::{
    ConnId, Switch,
    circuit::{Circuit, Side},
    connection::Slot,
    drain::Phase,
    waiting::{Full, Pending, Stage, WaitingOpen},
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
            from: Side::Local((conn, number)),
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
        let open = WaitingOpen { pending, network, tail: tail.into(), since: now.mono, stage: Stage::Quiet, push: parsed.push.into() };
        match self.waiting.add(mailbox, open) {
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
        if self.homes.contains_key(&mailbox) {
            // It only has had enough for this second.
            self.tell_waiting(&mailbox);
        } else if !self.search(&mailbox, now) {
            self.phone_is_away(&mailbox, now);
        }
        Ok(())
    }

    /// Tells WAITING to those that wait for a mailbox and were not told yet: the phone is away.
    pub(super) fn tell_waiting(&mut self, mailbox: &Mailbox) {
        for (conn, circuit) in self.waiting.tell(mailbox) {
            self.stats.opens_waited += 1;
            self.send(conn, &Frame::Waiting { circuit });
        }
    }

    /// No relay has the phone: tells those that wait for it, and has it woken.
    pub(super) fn phone_is_away(&mut self, mailbox: &Mailbox, now: Now) {
        self.tell_waiting(mailbox);
        for ((conn, circuit), ticket_id, push) in self.waiting.take_push(mailbox) {
            self.wake((conn, circuit), (*mailbox, ticket_id), &push, now);
        }
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
    pub(super) fn budget(&self, mailbox: &Mailbox) -> Option<usize> {
        let home = self.homes.get(mailbox)?;
        self.connections.get(&home.conn).map(|connection| connection.budget)
    }

    /// Gives what waits for a mailbox to the phone that answers for it, as far as this second's budget goes.
    pub(super) fn deliver_waiting(&mut self, mailbox: &Mailbox, now: Now) {
        while let Some(open) = self.budget(mailbox).and_then(|budget| self.waiting.take(mailbox, budget)) {
            let from = open.pending.from;
            if let Side::Local((conn, number)) = from {
                self.drop_slot(conn, number);
            }
            if open.pending.expires != 0 && open.pending.expires <= now.unix {
                self.refuse_side(from, CloseReason::TicketRefused);
            } else {
                self.deliver(mailbox, &open.pending, &open.tail, now);
            }
        }
    }

    /// Joins a sender and the phone that answers for `mailbox`, or refuses.
    pub(super) fn deliver(&mut self, mailbox: &Mailbox, open: &Pending, tail: &[u8], now: Now) {
        let from = open.from;
        let Some(home) = self.homes.get(mailbox) else { return self.refuse_side(from, CloseReason::PeerGone) };
        if home.deny.contains(&open.ticket_id) {
            return self.refuse_side(from, CloseReason::TicketRefused);
        }
        let phone = home.conn;
        let full = home.circuits >= self.limits.max_circuits_per_mailbox;
        let Some(connection) = self.connections.get_mut(&phone) else { return self.refuse_side(from, CloseReason::PeerGone) };
        // Both ends may be on one connection: then the sender's number is still to come, too.
        let taken = connection.slots.len() + usize::from(from.is_on(phone));
        let full = full || taken >= self.limits.max_circuits_per_connection;
        let bytes_left = u32::try_from(tail.len()).ok().and_then(|length| open.max_bytes.checked_sub(length));
        let (false, Some(bytes_left)) = (full, bytes_left) else { return self.refuse_side(from, CloseReason::Limit) };
        if !self.rates.count((*mailbox, open.ticket_id), open.opens_per_hour, now.mono) {
            return self.refuse_side(from, CloseReason::Limit);
        }
        let number = connection.next_number();
        connection.budget = connection.budget.saturating_sub(tail.len());
        self.join(Circuit {
            ends: (from, Side::Local((phone, number))),
            ticket: Some((*mailbox, open.ticket_id)),
            messages_left: self.limits.max_messages_per_circuit.saturating_sub(1),
            bytes_left,
        });
        self.stats.opens_delivered += 1;
        self.stats.bytes_forwarded += u64::try_from(tail.len()).unwrap_or(u64::MAX);
        self.send(phone, &Frame::Incoming { circuit: number, mailbox: *mailbox, ticket_id: open.ticket_id, tail });
        match from {
            Side::Local((conn, circuit)) => self.send(conn, &Frame::Opened { circuit }),
            Side::Remote(end) => self.opened_at_peer(end),
        }
    }

    fn refuse_side(&mut self, side: Side, reason: CloseReason) {
        match side {
            Side::Local(end) => self.refuse_open(end, reason),
            Side::Remote(end) => self.close_at_peer(end, reason),
        }
    }

    pub(super) fn refuse_open(&mut self, (conn, number): (ConnId, Number), reason: CloseReason) {
        self.stats.opens_refused.count(reason);
        self.send(conn, &Frame::Close { circuit: number, reason });
    }
}
