//! What is shown. No record here holds a secret, so `Debug` and every foreign string form are harmless.

use countersign_core::{phone, request};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

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
    /// When codes of it were issued last, Unix seconds.
    pub last_used: Option<u64>,
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
pub enum RequestKind {
    /// Codes of a seed.
    Code,
    /// To seal a new seed.
    Enroll,
}

/// One thing CI says about itself. A claim.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Claim {
    /// What it is about.
    pub name: String,
    /// What CI says.
    pub value: String,
}

/// What is about to be released, says CI. A claim.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Artefact {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: Option<String>,
}

/// What this phone knows of a request by itself. Show it as it is.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Verified {
    /// Who asks: the name of the pairing on this phone.
    pub pairing: String,
    /// The pairing's id.
    pub pairing_id: String,
    /// What is asked for.
    pub kind: RequestKind,
    /// Whose codes: issuer and account of the sealed record. Nothing if a seed is to be enrolled.
    pub seed: Option<String>,
    /// Codes wanted.
    pub codes: u8,
    /// Who else will be able to open a seed that is to be enrolled: whoever holds these keys.
    pub recipients: Vec<String>,
    /// This pairing has not used this seed yet: approving needs an explicit grant.
    pub first_use: bool,
}

/// What the job says. Nobody has checked it: never show it in the place or the style of what is [`Verified`]. Texts are short, and without control or
/// direction-changing characters.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Claimed {
    /// What the job calls the seed.
    pub seed_name: String,
    /// Why.
    pub reason: String,
    /// Issuer and account of a seed that is to be enrolled, as the laptop has sent it. Nothing if this phone is to read the seed itself.
    pub new_seed: Option<String>,
    /// What is about to be released.
    pub artefact: Option<Artefact>,
    /// Where the job runs: platform, repository, reference, commit, workflow, run, actor.
    pub job: Vec<Claim>,
}

/// A request that waits for its human.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PendingRequest {
    /// Names it.
    pub id: String,
    /// What this phone knows.
    pub verified: Verified,
    /// What the job says.
    pub claimed: Claimed,
    /// A [`crate::SeedImport`] must be given when approving.
    pub needs_seed: bool,
    /// The connection to the job was lost when this was made; [`crate::Event::RequestChanged`] tells each change.
    pub away: bool,
    /// Seconds that were left to answer when this was made: count down from there.
    pub seconds_left: u64,
    /// Digits of the number to type.
    pub digits: u8,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum HistoryOutcome {
    /// Answered with codes; the job has not said what became of them.
    Approved,
    /// Approved, and the job has used a code.
    Used,
    /// Approved, and the job has used none.
    NotUsed,
    /// Approved, and the target has refused the code.
    Rejected,
    /// The person said no.
    Denied,
    /// The number was not the job's.
    WrongNumber,
    /// Nobody answered in time.
    Expired,
    /// The job gave up before there was an answer.
    Withdrawn,
    /// Refused: the pairing has no right to the seed.
    Policy,
    /// Approved, but the seed could not be opened.
    Failed,
    /// Approved, but the codes issued already reach too far ahead.
    Busy,
    /// A new seed was sealed.
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

impl From<countersign_core::pairing::PhoneIdentity> for Identity {
    fn from(it: countersign_core::pairing::PhoneIdentity) -> Self {
        Self { name: it.name, recipient: it.recipient.to_string(), signer: BASE64URL_NOPAD.encode(&it.signer) }
    }
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
        Self { id: id_text(&it.id), label: it.label, created: it.created, last_used: it.last_used }
    }
}

impl From<phone::PendingRequest> for PendingRequest {
    fn from(it: phone::PendingRequest) -> Self {
        let enrolls = it.operation == request::Operation::Enroll;
        let label = Some(it.label).filter(|label| !label.is_empty());
        let (seed, new_seed) = if enrolls { (None, label) } else { (label, None) };
        let verified = Verified {
            pairing: it.pairing,
            pairing_id: id_text(&it.pairing_id),
            kind: if enrolls { RequestKind::Enroll } else { RequestKind::Code },
            seed,
            codes: it.codes,
            recipients: it.recipients,
            first_use: it.first_use,
        };
        let artefact = it.artefact.map(|it| Artefact {
            name: it.name,
            version: it.version,
            sha256: it.sha256.map(|digest| HEXLOWER.encode(&*digest)),
        });
        let job = it.hints.iter().map(|(name, value)| Claim { name: name.to_owned(), value: value.to_owned() }).collect();
        Self {
            id: id_text(&it.request_id),
            verified,
            claimed: Claimed { seed_name: it.seed_name, reason: it.reason, new_seed, artefact, job },
            needs_seed: it.needs_uri,
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
