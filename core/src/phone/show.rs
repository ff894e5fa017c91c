//! What the human sees. No record here holds a secret.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::{
    keys::PairingId,
    relay::RelayUrl,
    request::{Artefact, Hints, Operation, RequestId},
};

/// A request that waits for its human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRequest {
    /// Names it.
    pub request_id: RequestId,
    /// The pairing's name on this phone: trustworthy.
    pub pairing: String,
    /// The pairing's id.
    pub pairing_id: PairingId,
    /// What is asked for.
    pub operation: Operation,
    /// From the sealed record: trustworthy. When enrolling: from the URI, as the laptop sent it; empty if the phone is to read the URI itself.
    pub label: String,
    /// What CI calls the seed. Unverified.
    pub seed_name: String,
    /// Why, says CI. Unverified.
    pub reason: String,
    /// What is released, says CI. Unverified.
    pub artefact: Option<Artefact>,
    /// What CI says about itself. Unverified.
    pub hints: Hints,
    /// Codes wanted.
    pub codes: u8,
    /// Further recipients of a seed to be enrolled.
    pub recipients: Vec<String>,
    /// The phone itself must read the otpauth URI.
    pub needs_uri: bool,
    /// This pairing has not used this seed yet: approving needs an explicit grant.
    pub first_use: bool,
    /// The connection to the job is lost for now.
    pub away: bool,
    /// Seconds left.
    pub seconds_left: u64,
    /// Digits of the number to type.
    pub digits: u8,
}

/// A pairing, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingInfo {
    /// Names it.
    pub id: PairingId,
    /// What the laptop called it.
    pub name: String,
    /// Where its mailbox is.
    pub relay: RelayUrl,
    /// When it was made, Unix seconds.
    pub created: u64,
    /// Seeds it may use (`true`) or was denied (`false`), by label.
    pub seeds: Vec<(String, bool)>,
    /// How far wake-ups are.
    pub wake_up: WakeUpState,
}

/// Whether jobs of a pairing can wake the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeUpState {
    /// They can't: there is no push address, or the relay has not taken it yet.
    Off,
    /// The relay has taken the push address; the laptop has to fetch a ticket that carries it (`countersign renew`).
    NeedsTicket,
    /// They can.
    Ready,
}

/// A seed, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedInfo {
    /// Names it.
    pub id: [u8; 16],
    /// Issuer and account, from the sealed record.
    pub label: String,
    /// When it was sealed, Unix seconds.
    pub created: u64,
    /// When codes were issued last, Unix seconds.
    pub last_used: Option<u64>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of docs/PROTOCOL.md §5.2")]
pub enum HistoryOutcome {
    Approved,
    Used,
    NotUsed,
    Rejected,
    Denied,
    WrongNumber,
    Expired,
    Withdrawn,
    Policy,
    Failed,
    Busy,
    Enrolled,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryEntry {
    /// Which request.
    pub request_id: ByteArray<16>,
    /// When it was answered, Unix seconds.
    pub at: u64,
    /// The pairing's name.
    pub pairing: String,
    /// The seed's label.
    pub label: String,
    /// Why, said CI.
    pub reason: String,
    /// Codes issued.
    pub codes: u8,
    /// How it ended.
    pub outcome: HistoryOutcome,
}
