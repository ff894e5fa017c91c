//! The messages, as docs/PROTOCOL.md §5.2 lists them.

use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use super::{DEFAULT_TTL, MAX_CODES, MAX_MIN_LIFE, MAX_TTL};
use crate::text::{MAX_HINT, MAX_NAME, MAX_REASON, clean, is_clean};

/// Sizes of a padded Request.
pub(crate) const REQUEST_SIZES: &[usize] = &[4096, 8192, 12_224];
/// Size of a padded Ack.
pub(crate) const ACK_SIZES: &[usize] = &[256];
/// Sizes of padded messages of CI after the handshake, and of the phone's Cancel.
pub(crate) const SHORT_SIZES: &[usize] = &[64, 2048];
/// Sizes of padded messages of the phone after the handshake.
pub(crate) const RESULT_SIZES: &[usize] = &[64, 256, 1024, 4096];

/// Names one request, 16 random bytes.
pub type RequestId = [u8; 16];

/// What CI asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// One or more codes of a sealed seed.
    Code,
    /// Seal a new seed.
    Enroll,
    /// Only the Ack: is the phone there, and what is its time?
    Ping,
    /// The newest ticket: nobody is asked.
    Ticket,
}

/// What is about to be released, as CI claims it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artefact {
    /// Name, at most 200 characters.
    pub name: String,
    /// Version, at most 200 characters.
    pub version: String,
    /// SHA-256 of the file.
    pub sha256: Option<ByteArray<32>>,
}

impl Artefact {
    pub(crate) fn cleaned(&self) -> Self {
        Self { name: clean(&self.name, MAX_HINT), version: clean(&self.version, MAX_HINT), sha256: self.sha256 }
    }
}

/// What CI says about itself. Never verified in suite 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it all; each is text of at most 200 characters")]
pub struct Hints {
    pub platform: Option<String>,
    pub repository: Option<String>,
    pub reference: Option<String>,
    pub commit: Option<String>,
    pub workflow: Option<String>,
    pub run_url: Option<String>,
    pub actor: Option<String>,
}

impl Hints {
    pub(crate) fn cleaned(&self) -> Self {
        let cleaned = |hint: &Option<String>| hint.as_ref().map(|text| clean(text, MAX_HINT));
        Self {
            platform: cleaned(&self.platform),
            repository: cleaned(&self.repository),
            reference: cleaned(&self.reference),
            commit: cleaned(&self.commit),
            workflow: cleaned(&self.workflow),
            run_url: cleaned(&self.run_url),
            actor: cleaned(&self.actor),
        }
    }

    /// Name and value of every hint that is there, in the order of docs/PROTOCOL.md.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("platform", &self.platform),
            ("repository", &self.repository),
            ("reference", &self.reference),
            ("commit", &self.commit),
            ("workflow", &self.workflow),
            ("run", &self.run_url),
            ("actor", &self.actor),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
    }
}

/// M1: what CI asks. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub(crate) v: u8,
    /// Names the request.
    pub request_id: ByteArray<16>,
    /// CI's time, Unix seconds.
    pub created_at: u64,
    /// Life, seconds.
    pub ttl: u32,
    /// What is asked for.
    pub operation: Operation,
    /// The sealed seed, empty unless `operation` is `Code`.
    pub sealed: ByteBuf,
    /// Codes wanted.
    pub codes: u8,
    /// How long the first code should still be valid when it is issued, seconds.
    pub min_life: u8,
    /// What CI calls the seed.
    pub seed_name: String,
    /// Why, in the words of the workflow.
    pub reason: String,
    /// What is about to be released.
    pub artefact: Option<Artefact>,
    /// Claims of the platform.
    pub hints: Hints,
    pub(crate) token: ByteBuf,
}

impl Request {
    /// A request with a fresh id and every optional field empty.
    pub fn make(operation: Operation, created_at: u64, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut request_id = [0; 16];
        rng.fill_bytes(&mut request_id);
        Self {
            v: 1,
            request_id: ByteArray::new(request_id),
            created_at,
            ttl: DEFAULT_TTL,
            operation,
            sealed: ByteBuf::new(),
            codes: 1,
            min_life: 0,
            seed_name: String::new(),
            reason: String::new(),
            artefact: None,
            hints: Hints::default(),
            token: ByteBuf::new(),
        }
    }

    /// Whether every field keeps its limits (docs/PROTOCOL.md §5.2). Clocks and the sealed seed are not looked at.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        let is_code = self.operation == Operation::Code;
        let artefact_fits = self.artefact.as_ref().is_none_or(|it| is_clean(&it.name, MAX_HINT) && is_clean(&it.version, MAX_HINT));
        self.v == 1
            && (1..=MAX_TTL).contains(&self.ttl)
            && (1..=if is_code { MAX_CODES } else { 1 }).contains(&self.codes)
            && self.min_life <= if is_code { MAX_MIN_LIFE } else { 0 }
            && self.sealed.is_empty() != is_code
            && is_clean(&self.seed_name, MAX_NAME)
            && is_clean(&self.reason, MAX_REASON)
            && artefact_fits
            && self.hints.iter().all(|(_, value)| is_clean(value, MAX_HINT))
            && self.token.is_empty()
    }
}

/// What the phone thinks of a request before anybody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckState {
    /// Confirm, and the human will be asked.
    Ok,
    /// Another request of this pairing is being looked at.
    Busy,
    /// The clocks are too far apart.
    Clock,
    /// The phone does not know this sealed seed.
    UnknownSeed,
    /// The phone's owner denied this pairing the seed.
    Policy,
    /// A field breaks its limits.
    Malformed,
}

/// M2: the automatic answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    pub(crate) v: u8,
    /// The phone's time, Unix seconds.
    pub now: u64,
    /// What comes next.
    pub state: AckState,
    /// Digits of the match number.
    pub digits: u8,
}

impl Ack {
    pub(crate) fn new(now: u64, state: AckState, digits: u8) -> Self {
        Self { v: 1, now, state, digits }
    }
}

/// What CI adds when a seed is to be enrolled. `uri` is a secret: wiped on drop, `Debug` reveals nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enroll {
    /// The otpauth URI; `None`: the phone reads it itself.
    pub uri: Option<Zeroizing<String>>,
    /// Further age recipients (`age1...`).
    pub recipients: Vec<String>,
    /// What CI calls the seed.
    pub name: String,
}

impl std::fmt::Debug for Enroll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enroll").field("recipients", &self.recipients).field("name", &self.name).finish_non_exhaustive()
    }
}

/// M3: proves that CI holds the pairing's keys now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// As in the request.
    pub request_id: ByteArray<16>,
    /// Present if, and only if, the operation is `Enroll`.
    pub enroll: Option<Enroll>,
}

/// M3 of the operation `Ticket`: CI holds the pairing's keys now, and this is its sender key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Renew {
    pub(crate) request_id: ByteArray<16>,
    pub(crate) sender: ByteArray<32>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Codes, or the new sealed seed, are in the result.
    Approved,
    /// The human said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The number that was typed is not that of this job.
    WrongNumber,
    /// The pairing has no right to this seed.
    Policy,
    /// The codes already issued reach too far ahead.
    Busy,
    /// The phone could not open the seed; why is for the phone only.
    Failed,
}

/// The digits of a code; wiped on drop, `Debug` reveals nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeText(Zeroizing<String>);

impl CodeText {
    pub(crate) fn new(digits: &str) -> Self {
        Self(Zeroizing::new(digits.to_owned()))
    }

    /// The digits. Every call carries a comment that says why.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for CodeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeText(..)")
    }
}

/// A code and the step in which it is valid: `[step, code]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCode(pub u64, pub CodeText);

/// M4: how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestResult {
    /// How it ended.
    pub status: Status,
    /// What the human wrote with a denial.
    pub reason: String,
    /// The codes, of consecutive steps.
    pub codes: Vec<StepCode>,
    /// Seconds a step lasts; 0 without codes.
    pub period: u64,
    /// End of the last code's step, Unix seconds; 0 without codes.
    pub valid_until: u64,
    /// The phone's time, Unix seconds.
    pub now: u64,
    /// The seed, zeros if none.
    pub seed_id: ByteArray<16>,
    /// The new sealed seed when enrolling.
    pub sealed: ByteBuf,
    /// The new seed's label when enrolling.
    pub label: String,
    pub(crate) receipt: ByteBuf,
}

impl RequestResult {
    pub(crate) fn without_codes(status: Status, reason: &str, now: u64) -> Self {
        Self {
            status,
            reason: reason.to_owned(),
            codes: Vec::new(),
            period: 0,
            valid_until: 0,
            now,
            seed_id: ByteArray::default(),
            sealed: ByteBuf::new(),
            label: String::new(),
            receipt: ByteBuf::new(),
        }
    }
}

/// M5: what became of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The command that had the code succeeded.
    Used,
    /// Nothing used the code.
    NotUsed,
    /// The target refused the code.
    Rejected,
}

/// Why a side gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// Somebody interrupted the job.
    Interrupted,
    /// Another phone answered first, or a newer request took the place.
    Superseded,
    /// CI's own deadline passed.
    Expired,
    /// The program is ending.
    Shutdown,
}

/// CI's messages after the handshake.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CiMessage {
    Confirm(Confirm),
    Renew(Renew),
    Outcome(Outcome),
    Cancel(CancelReason),
}

/// The phone's messages after the handshake.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PhoneMessage {
    Result(RequestResult),
    Ticket(ByteBuf),
    Cancel(CancelReason),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{decode, encode, pad};

    #[test]
    fn sizes_hold_what_they_must() {
        let result = RequestResult {
            status: Status::Approved,
            codes: vec![StepCode(u64::from(u32::MAX), CodeText::new("12345678"))],
            period: 120,
            valid_until: u64::from(u32::MAX) * 120,
            seed_id: ByteArray::new([1; 16]),
            receipt: ByteBuf::from(vec![1; 64]),
            ..RequestResult::without_codes(Status::Approved, "", u64::from(u32::MAX))
        };
        let batch = RequestResult { codes: vec![StepCode(u64::from(u32::MAX), CodeText::new("12345678")); 20], ..result.clone() };
        let size = |message: &PhoneMessage| pad(&encode(message).unwrap(), RESULT_SIZES).unwrap().len();
        assert_eq!(size(&PhoneMessage::Result(result)), 256);
        assert_eq!(size(&PhoneMessage::Result(batch)), 1024);
        let denied = RequestResult::without_codes(Status::Denied, &"x".repeat(MAX_REASON), u64::from(u32::MAX));
        assert_eq!(size(&PhoneMessage::Result(denied)), 256);
        let confirm = CiMessage::Confirm(Confirm { request_id: ByteArray::new([1; 16]), enroll: None });
        assert_eq!(pad(&encode(&confirm).unwrap(), SHORT_SIZES).unwrap().len(), 64);
        let cancel = CiMessage::Cancel(CancelReason::Interrupted);
        assert_eq!(pad(&encode(&cancel).unwrap(), SHORT_SIZES).unwrap().len(), 64);
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        let ack = Ack::new(1_700_000_000, AckState::Ok, 6);
        let bytes = encode(&ack).unwrap();
        assert_eq!(decode::<Ack>(&bytes).unwrap(), ack);
        let longer = [&bytes[..], &[0]].concat();
        assert!(decode::<Ack>(&longer).is_err());
        // The same map, indefinite length.
        let mut indefinite = bytes.to_vec();
        indefinite[0] = 0xbf;
        indefinite.push(0xff);
        assert!(decode::<Ack>(&indefinite).is_err());
        assert!(decode::<Ack>(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn secrets_have_no_debug() {
        assert_eq!(format!("{:?}", CodeText::new("123456")), "CodeText(..)");
        let enroll = Enroll { uri: Some(Zeroizing::new("otpauth://secret".into())), recipients: vec![], name: "npm".into() };
        assert!(!format!("{enroll:?}").contains("secret"));
    }
}
