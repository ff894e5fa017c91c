//! Tickets and the mailboxes they lead to (docs/PROTOCOL.md §7.2, §7.3).

use super::{TicketId, parse};
use crate::{
    keys::{self, PublicKey, SigningKey},
    labels,
};

/// Longest signed ticket, in bytes.
pub const MAX_TICKET: usize = 1024;

const VERSION: u8 = 1;
/// The public key that stands for "no sender".
const KEYLESS: PublicKey = [0; 32];

/// The address of a mailbox: `SHA-256("countersign/1 mailbox" | 00 | mailbox public)`, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox([u8; 32]);

impl Mailbox {
    /// Takes an address from the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The address as on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The first two bytes in hex: logs carry no full mailbox address.
impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, ..] = self.0;
        write!(f, "Mailbox({a:02x}{b:02x}..)")
    }
}

/// The address of the mailbox with this public key.
#[must_use]
pub fn mailbox_address(public: &PublicKey) -> Mailbox {
    Mailbox(keys::hash(labels::MAILBOX, &[public]))
}

/// What a phone allows a sender to do at a relay. Public, but worth nothing without the sender's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The key of the mailbox it leads to, which signed it.
    pub mailbox_public: PublicKey,
    /// What deny lists name.
    pub ticket_id: TicketId,
    /// Who may use it; `None`: anybody (keyless). An all-zero key is no key.
    pub sender: Option<PublicKey>,
    /// Most bytes of a circuit, both directions together.
    pub max_bytes: u32,
    /// Most circuits in an hour.
    pub opens_per_hour: u16,
    /// Unix seconds from which on it is worthless; 0: never.
    pub expires: u64,
    /// Sealed push address, opaque; may be empty.
    pub push: Vec<u8>,
}

/// Why bytes are no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// Cut, too long, or with bytes left over.
    #[error("the ticket is damaged")]
    Malformed,
    /// A version this program does not know.
    #[error("the ticket is of a version this program does not know")]
    Version,
    /// Not signed by the key of its mailbox.
    #[error("the ticket's signature is not valid")]
    Signature,
}

impl Ticket {
    /// Writes and signs the ticket: at most [`MAX_TICKET`] bytes unless `push` is too long, which every reader refuses.
    #[must_use]
    pub fn sign(&self, mailbox_key: &SigningKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(161 + self.push.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.mailbox_public);
        bytes.extend_from_slice(&self.ticket_id);
        bytes.extend_from_slice(&self.sender.unwrap_or(KEYLESS));
        bytes.extend_from_slice(&self.max_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.opens_per_hour.to_be_bytes());
        bytes.extend_from_slice(&self.expires.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(self.push.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(&self.push);
        let signature = mailbox_key.sign(labels::TICKET, &[&bytes]);
        bytes.extend_from_slice(&signature);
        bytes
    }

    /// The address of the mailbox it leads to.
    #[must_use]
    pub fn mailbox(&self) -> Mailbox {
        mailbox_address(&self.mailbox_public)
    }

    /// Whether it is worthless at `unix` seconds.
    #[must_use]
    pub fn has_expired(&self, unix: u64) -> bool {
        self.expires != 0 && self.expires <= unix
    }
}

/// Reads a ticket and checks its signature. Expiry is the caller's to check: [`Ticket::has_expired`].
///
/// # Errors
/// [`TicketError::Malformed`], [`TicketError::Version`], [`TicketError::Signature`].
pub fn parse_ticket(bytes: &[u8]) -> Result<Ticket, TicketError> {
    if bytes.len() > MAX_TICKET {
        return Err(TicketError::Malformed);
    }
    match bytes.first() {
        Some(&VERSION) => {}
        Some(_) => return Err(TicketError::Version),
        None => return Err(TicketError::Malformed),
    }
    let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(TicketError::Malformed)?;
    let ticket = parse_fields(signed).ok_or(TicketError::Malformed)?;
    keys::verify(&ticket.mailbox_public, labels::TICKET, &[signed], signature).map_err(|_| TicketError::Signature)?;
    Ok(ticket)
}

fn parse_fields(mut bytes: &[u8]) -> Option<Ticket> {
    let rest = &mut bytes;
    parse::u8(rest)?;
    let mailbox_public = parse::array(rest)?;
    let ticket_id = parse::array(rest)?;
    let sender = parse::array(rest)?;
    let max_bytes = parse::u32(rest)?;
    let opens_per_hour = parse::u16(rest)?;
    let expires = parse::u64(rest)?;
    let length = usize::from(parse::u16(rest)?);
    let push = parse::slice(rest, length)?.to_vec();
    parse::end(rest)?;
    let sender = (sender != KEYLESS).then_some(sender);
    Some(Ticket { mailbox_public, ticket_id, sender, max_bytes, opens_per_hour, expires, push })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_address() {
        assert_eq!(format!("{:?}", Mailbox([0xab; 32])), "Mailbox(abab..)");
    }

    #[test]
    fn expiry() {
        let key = SigningKey::from_secret(&keys::Secret32::from_bytes([1; 32]));
        let mut ticket = Ticket {
            mailbox_public: key.public(),
            ticket_id: [2; 16],
            sender: None,
            max_bytes: 1,
            opens_per_hour: 1,
            expires: 0,
            push: vec![7; 863],
        };
        assert!(!ticket.has_expired(u64::MAX));
        ticket.expires = 5;
        assert!(!ticket.has_expired(4));
        assert!(ticket.has_expired(5));
        assert_eq!(parse_ticket(&ticket.sign(&key)), Ok(ticket.clone()));
        ticket.push.push(7);
        assert_eq!(parse_ticket(&ticket.sign(&key)), Err(TicketError::Malformed));
    }
}
