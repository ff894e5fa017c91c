//! Mailboxes: which connection answers for which one (docs/PROTOCOL.md §7.2).

use countersign_core::{
    keys::{PublicKey, Signature},
    relay::{CloseReason, ErrorCode, Frame, Mailbox, MailboxProof, TicketId, mailbox_address},
    time::Now,
};

use super::{ConnId, Switch};

/// The connection that answers for a mailbox.
pub(super) struct Home {
    pub(super) conn: ConnId,
    pub(super) deny: Box<[TicketId]>,
    pub(super) circuits: usize,
    /// When it was proven, as the cluster counts time; 0 without a cluster.
    pub(super) stamp: u64,
}

impl Switch {
    pub(super) fn prove(
        &mut self,
        conn: ConnId,
        public: &PublicKey,
        signature: &Signature,
        deny: &[TicketId],
        now: Now,
    ) -> Result<(), ErrorCode> {
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        connection.count_proof(&self.limits)?;
        let nonce = &connection.nonce;
        let proven = |origin: &String| MailboxProof { origin, nonce }.verify(public, signature).is_ok();
        if !self.origins.iter().any(proven) {
            return Err(ErrorCode::BadProof);
        }
        let mailbox = mailbox_address(public);
        if !connection.mailboxes.contains(&mailbox) && connection.mailboxes.len() >= self.limits.max_mailboxes_per_connection {
            return Err(ErrorCode::Limit);
        }
        let replaced = self.homes.get(&mailbox).map_or(0, |home| home.deny.len());
        if self.denied - replaced + deny.len() > self.limits.max_denied {
            return Err(ErrorCode::Limit);
        }
        self.denied = self.denied - replaced + deny.len();
        if !connection.mailboxes.contains(&mailbox) {
            connection.mailboxes.reserve_exact(1);
            connection.mailboxes.push(mailbox);
        }
        match self.homes.get_mut(&mailbox) {
            Some(home) if home.conn == conn => home.deny = deny.into(),
            _ => {
                self.evict(&mailbox);
                let stamp = self.announce_mailbox(&mailbox, now);
                self.homes.insert(mailbox, Home { conn, deny: deny.into(), circuits: 0, stamp });
            }
        }
        self.end_denied(&mailbox, deny);
        self.send(conn, &Frame::Proved { mailbox });
        self.deliver_waiting(&mailbox, now);
        Ok(())
    }

    /// The newest connection wins: the old one is usually dead and only not known to be.
    pub(super) fn evict(&mut self, mailbox: &Mailbox) {
        for (id, _) in self.circuits_to(mailbox) {
            self.end_circuit(id, CloseReason::PeerGone, None);
        }
        let Some(old) = self.homes.remove(mailbox) else { return };
        if let Some(connection) = self.connections.get_mut(&old.conn) {
            connection.mailboxes.retain(|other| other != mailbox);
        }
        self.send(old.conn, &Frame::Evicted { mailbox: *mailbox });
    }

    /// A denied ticket loses its circuits too.
    fn end_denied(&mut self, mailbox: &Mailbox, deny: &[TicketId]) {
        for (id, ticket_id) in self.circuits_to(mailbox) {
            if deny.contains(&ticket_id) {
                self.end_circuit(id, CloseReason::TicketRefused, None);
            }
        }
    }
}
