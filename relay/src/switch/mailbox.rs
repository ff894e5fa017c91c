//! Mailboxes: which connection answers for which one (docs/PROTOCOL.md §7.2).

use countersign_core::{
    keys::{PublicKey, Signature},
    relay::{CloseReason, ErrorCode, Frame, Mailbox, MailboxProof, TicketId, mailbox_address},
    time::Now,
};

use super::{ConnId, Switch, denied::DenyList};

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
            self.stats.proofs_failed += 1;
            return Err(ErrorCode::BadProof);
        }
        connection.known = true;
        let mailbox = mailbox_address(public);
        if !connection.mailboxes.contains(&mailbox) && connection.mailboxes.len() >= self.limits.max_mailboxes_per_connection {
            return Err(ErrorCode::Limit);
        }
        let network = connection.network;
        let known = connection.mailboxes.contains(&mailbox);
        let old = self.deny_list(&mailbox);
        if !self.denied.fits(network, deny.len(), old) {
            return Err(ErrorCode::Limit);
        }
        if let Some(connection) = self.connections.get_mut(&conn).filter(|_| !known) {
            connection.mailboxes.reserve_exact(1);
            connection.mailboxes.push(mailbox);
        }
        match (self.homes.get_mut(&mailbox), old) {
            (Some(home), Some(old)) if old.conn == conn => {
                home.deny = deny.into();
                self.denied.remove(network, old.length);
            }
            _ => {
                self.evict(&mailbox);
                let stamp = self.announce_mailbox(&mailbox, now);
                self.homes.insert(mailbox, Home { conn, deny: deny.into(), circuits: 0, stamp });
            }
        }
        self.stats.proofs_good += 1;
        self.denied.add(network, deny.len());
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
        if let Some(list) = self.deny_list(mailbox) {
            self.denied.remove(list.network, list.length);
        }
        let Some(old) = self.homes.remove(mailbox) else { return };
        self.stats.evictions += 1;
        if let Some(connection) = self.connections.get_mut(&old.conn) {
            connection.mailboxes.retain(|other| other != mailbox);
        }
        self.send(old.conn, &Frame::Evicted { mailbox: *mailbox });
    }

    fn deny_list(&self, mailbox: &Mailbox) -> Option<DenyList> {
        let home = self.homes.get(mailbox)?;
        let network = self.connections.get(&home.conn)?.network;
        Some(DenyList { conn: home.conn, network, length: home.deny.len() })
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
