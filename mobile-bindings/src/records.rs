//! What is shown. No record here holds a secret, so `Debug` and every foreign string form are harmless.

use countersign_core::{phone, request};
use data_encoding::HEXLOWER;

/// What this phone tells every laptop.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Identity {
    /// What the phone calls itself.
    pub name: String,
    /// Seeds are sealed to this, `age1...`.
    pub recipient: String,
    /// Records and receipts are signed by this key, base64url.
    pub signer: String,
}

/// A pairing with a laptop or CI.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Pairing {
    /// Names it: 32 hexadecimal digits.
    pub id: String,
    /// What the laptop called it; unique on this phone.
    pub name: String,
    /// The relay it is reached through.
    pub relay: String,
    /// When it was made, Unix seconds.
    pub created: u64,
    /// What was decided about seeds.
    pub seeds: Vec<SeedRight>,
    /// Whether its jobs can wake this phone.
    pub wake_up: WakeUpState,
}

/// Whether the jobs of a pairing can wake this phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum WakeUpState {
    /// They can't: no push subscription was registered, or the relay has not taken it (yet).
    Off,
    /// The relay has taken it. The laptop has to fetch a new ticket: `countersign renew`, while this phone is connected.
    NeedsTicket,
    /// They can.
    Ready,
}

/// What a pairing may do with a seed.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SeedRight {
    /// The seed's label.
    pub label: String,
    /// Allowed, or denied.
    pub allowed: bool,
}

/// A seed this phone can open.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Seed {
    /// Names it: 32 hexadecimal digits.
    pub id: String,
    /// Issuer and account, from the sealed record.
    pub label: String,
    /// When it was sealed, Unix seconds.
    pub created: u64,
    /// Whether a code was ever issued.
    pub used: bool,
}

/// A seed that was just sealed.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Enrolled {
    /// Issuer and account.
    pub label: String,
    /// The sealed seed, base64url: public, for `countersign.toml`.
    pub sealed: String,
    /// What the owner should hear about the seed.
    pub warnings: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Operation {
    /// Codes of a seed.
    Code,
    /// To seal a new seed.
    Enroll,
}

/// One thing CI says about itself, unverified.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Claim {
    /// What it is about.
    pub name: String,
    /// What CI says.
    pub value: String,
}

/// What is about to be released, says CI. Unverified.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Artefact {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: Option<String>,
}

/// A request that waits for its human.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PendingRequest {
    /// Names it.
    pub id: String,
    /// The pairing's name on this phone: trustworthy.
    pub pairing: String,
    /// The pairing's id.
    pub pairing_id: String,
    /// What is asked for.
    pub operation: Operation,
    /// The seed's label, from the sealed record: trustworthy. When enrolling: from the URI, as the laptop sent it; empty if the phone reads the URI itself.
    pub label: String,
    /// What CI says about itself and its reasons. Show each line as unverified.
    pub unverified: Vec<Claim>,
    /// What is released, says CI. Show as unverified.
    pub artefact: Option<Artefact>,
    /// Codes wanted.
    pub codes: u8,
    /// Further recipients of a seed to be enrolled: whoever holds their keys can open it too.
    pub recipients: Vec<String>,
    /// The otpauth URI must be given when approving.
    pub needs_uri: bool,
    /// This pairing has not used this seed yet: approving needs an explicit grant.
    pub first_use: bool,
    /// The connection to the job is lost for now.
    pub away: bool,
    /// Seconds left to answer.
    pub seconds_left: u64,
    /// Digits of the number to type.
    pub digits: u8,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
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
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct HistoryEntry {
    /// Which request.
    pub request_id: String,
    /// When it was answered, Unix seconds.
    pub at: u64,
    /// The pairing's name.
    pub pairing: String,
    /// The seed's label.
    pub label: String,
    /// Why, said CI. Unverified.
    pub reason: String,
    /// Codes issued.
    pub codes: u8,
    /// How it ended.
    pub outcome: HistoryOutcome,
}

/// How ids are written.
pub(crate) fn id_text(id: &[u8; 16]) -> String {
    HEXLOWER.encode(id)
}

impl From<phone::PairingInfo> for Pairing {
    fn from(it: phone::PairingInfo) -> Self {
        let seeds = it.seeds.into_iter().map(|(label, allowed)| SeedRight { label, allowed }).collect();
        let wake_up = match it.wake_up {
            phone::WakeUpState::Off => WakeUpState::Off,
            phone::WakeUpState::NeedsTicket => WakeUpState::NeedsTicket,
            phone::WakeUpState::Ready => WakeUpState::Ready,
        };
        Self { id: id_text(&it.id), name: it.name, relay: it.relay.to_string(), created: it.created, seeds, wake_up }
    }
}

impl From<phone::SeedInfo> for Seed {
    fn from(it: phone::SeedInfo) -> Self {
        Self { id: id_text(&it.id), label: it.label, created: it.created, used: it.used }
    }
}

impl From<phone::PendingRequest> for PendingRequest {
    fn from(it: phone::PendingRequest) -> Self {
        let own = [("seed", it.seed_name.as_str()), ("reason", it.reason.as_str())];
        let claims = own.into_iter().filter(|(_, value)| !value.is_empty()).chain(it.hints.iter());
        let unverified = claims.map(|(name, value)| Claim { name: name.to_owned(), value: value.to_owned() }).collect();
        let artefact = it.artefact.map(|it| Artefact {
            name: it.name,
            version: it.version,
            sha256: it.sha256.map(|digest| HEXLOWER.encode(&*digest)),
        });
        Self {
            id: id_text(&it.request_id),
            pairing: it.pairing,
            pairing_id: id_text(&it.pairing_id),
            operation: if it.operation == request::Operation::Enroll { Operation::Enroll } else { Operation::Code },
            label: it.label,
            unverified,
            artefact,
            codes: it.codes,
            recipients: it.recipients,
            needs_uri: it.needs_uri,
            first_use: it.first_use,
            away: it.away,
            seconds_left: it.seconds_left,
            digits: it.digits,
        }
    }
}

impl From<phone::HistoryEntry> for HistoryEntry {
    fn from(it: phone::HistoryEntry) -> Self {
        use phone::HistoryOutcome as From;
        let outcome = match it.outcome {
            From::Approved => HistoryOutcome::Approved,
            From::Used => HistoryOutcome::Used,
            From::NotUsed => HistoryOutcome::NotUsed,
            From::Rejected => HistoryOutcome::Rejected,
            From::Denied => HistoryOutcome::Denied,
            From::WrongNumber => HistoryOutcome::WrongNumber,
            From::Expired => HistoryOutcome::Expired,
            From::Withdrawn => HistoryOutcome::Withdrawn,
            From::Policy => HistoryOutcome::Policy,
            From::Failed => HistoryOutcome::Failed,
            From::Busy => HistoryOutcome::Busy,
            From::Enrolled => HistoryOutcome::Enrolled,
        };
        let request_id = id_text(&it.request_id);
        Self { request_id, at: it.at, pairing: it.pairing, label: it.label, reason: it.reason, codes: it.codes, outcome }
    }
}
