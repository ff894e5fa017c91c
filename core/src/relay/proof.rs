//! What the two ends sign for the relay (docs/PROTOCOL.md §7.2, §7.4).
//!
//! Both proofs hold the relay's own origin and the nonce of this connection: a signature taken to another relay, or to another
//! connection, is worth nothing.

use sha2::{Digest as _, Sha256};

use super::{Circuit, Nonce};
use crate::{
    keys::{self, BadSignature, PublicKey, Signature, SigningKey},
    labels,
};

/// What a phone signs to answer for a mailbox.
#[derive(Debug, Clone, Copy)]
pub struct MailboxProof<'a> {
    /// [`super::RelayUrl::origin`] of the relay.
    pub origin: &'a str,
    /// From HELLO.
    pub nonce: &'a Nonce,
}

impl MailboxProof<'_> {
    /// Signs with the mailbox key.
    #[must_use]
    pub fn sign(&self, mailbox_key: &SigningKey) -> Signature {
        mailbox_key.sign(labels::MAILBOX_PROOF, &[&origin_length(self.origin), self.origin.as_bytes(), self.nonce])
    }

    /// Checks a PROVE.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, mailbox_public: &PublicKey, signature: &Signature) -> Result<(), BadSignature> {
        let parts: [&[u8]; 3] = [&origin_length(self.origin), self.origin.as_bytes(), self.nonce];
        keys::verify(mailbox_public, labels::MAILBOX_PROOF, &parts, signature)
    }
}

/// What a sender signs to open a circuit with a ticket.
#[derive(Debug, Clone, Copy)]
pub struct OpenProof<'a> {
    /// [`super::RelayUrl::origin`] of the relay.
    pub origin: &'a str,
    /// From HELLO.
    pub nonce: &'a Nonce,
    /// The number in the OPEN.
    pub circuit: Circuit,
    /// The ticket in the OPEN.
    pub ticket: &'a [u8],
    /// The tail of the OPEN.
    pub tail: &'a [u8],
}

impl OpenProof<'_> {
    /// Signs with the sender key.
    #[must_use]
    pub fn sign(&self, sender_key: &SigningKey) -> Signature {
        self.with_parts(|parts| sender_key.sign(labels::OPEN_PROOF, parts))
    }

    /// Checks an OPEN.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, sender: &PublicKey, signature: &Signature) -> Result<(), BadSignature> {
        self.with_parts(|parts| keys::verify(sender, labels::OPEN_PROOF, parts, signature))
    }

    fn with_parts<T>(&self, then: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (ticket, tail) = (Sha256::digest(self.ticket), Sha256::digest(self.tail));
        let (length, circuit) = (origin_length(self.origin), self.circuit.to_be_bytes());
        then(&[&length, self.origin.as_bytes(), self.nonce, &circuit, &ticket, &tail])
    }
}

/// An origin has at most [`super::MAX_RELAY_URL`] bytes.
fn origin_length(origin: &str) -> [u8; 2] {
    u16::try_from(origin.len()).unwrap_or(u16::MAX).to_be_bytes()
}
