//! Every label of the protocol, in one place (docs/PROTOCOL.md §1).
//!
//! Two purposes never share a label, so a key or signature made for one is worthless for another.

/// First bytes of every Noise prologue.
pub(crate) const PROLOGUE: &str = "countersign/1";

/// The phone's X25519 channel static, per pairing.
pub(crate) const PHONE_CHANNEL: &str = "countersign/1 phone channel";
/// The phone's Ed25519 mailbox key, per pairing.
pub(crate) const PHONE_MAILBOX: &str = "countersign/1 phone mailbox";
/// Tells the same secret enrolled twice on one phone.
pub(crate) const FINGERPRINT: &str = "countersign/1 seed fingerprint";
/// The key of the phone's state at rest.
pub(crate) const PHONE_STATE: &str = "countersign/1 phone state";
/// The bytes of the phone's age identity.
pub(crate) const AGE_IDENTITY: &str = "countersign/1 age identity";
/// The phone's Ed25519 key for records and receipts.
pub(crate) const SIGNING: &str = "countersign/1 signing";
/// CI's X25519 channel static.
pub(crate) const CI_CHANNEL: &str = "countersign/1 ci channel";
/// CI's Ed25519 key, shown to relays.
pub(crate) const CI_SENDER: &str = "countersign/1 ci sender";
/// The long-term psk of a pairing.
pub(crate) const PAIRING_PSK: &str = "countersign/1 pairing psk";
/// The six digits of a pairing.
pub(crate) const PAIRING_CODE: &str = "countersign/1 pairing code";
/// The match number of a request.
pub(crate) const MATCH: &str = "countersign/1 match";
/// The resume tag of a session.
pub(crate) const RESUME: &str = "countersign/1 resume";
/// Hash label: pairing id.
pub(crate) const PAIRING_ID: &str = "countersign/1 pairing id";
/// Hash label: mailbox address.
pub(crate) const MAILBOX: &str = "countersign/1 mailbox";
/// Signature label: a phone proves a mailbox.
pub(crate) const MAILBOX_PROOF: &str = "countersign/1 mailbox proof";
/// Signature label: a ticket.
pub(crate) const TICKET: &str = "countersign/1 ticket";
/// Signature label: a sender opens a circuit.
pub(crate) const OPEN_PROOF: &str = "countersign/1 open proof";
/// Signature label: a seed record.
pub(crate) const RECORD: &str = "countersign/1 record";
/// Signature label: a receipt.
pub(crate) const RECEIPT: &str = "countersign/1 receipt";
