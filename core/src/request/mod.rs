//! The messages of a request, the same for both sides (docs/PROTOCOL.md §5).

mod limits;
mod match_number;
mod message;
mod receipt;

pub use limits::{
    CONFIRM_TIMEOUT_MS, DEFAULT_TTL, MAX_CODES, MAX_M1, MAX_MIN_LIFE, MAX_REPLAY, MAX_SKEW, MAX_TTL, REPLAY_MARGIN, RESUME_GRACE_MS,
    WAIT_REFRESH_MS,
};
pub use match_number::{MatchNumber, SIX_DIGITS};
pub(crate) use message::{ACK_SIZES, CiMessage, PhoneMessage, REQUEST_SIZES, RESULT_SIZES, Renew, SHORT_SIZES};
pub use message::{
    Ack, AckState, Artefact, CancelReason, CodeText, Confirm, Enroll, Hints, Operation, Outcome, Request, RequestId, RequestResult, Status,
    StepCode,
};
pub(crate) use receipt::ReceiptOf;

/// First byte of a circuit's first message: the phone is to continue a session (docs/PROTOCOL.md §5.6).
pub(crate) const RESUME: u8 = 0xfe;

/// Names a session after a lost connection, 16 bytes.
pub(crate) type ResumeTag = [u8; 16];

/// `derive(h, "countersign/1 resume")`, first 16 bytes.
pub(crate) fn derive_resume_tag(hash: &[u8; 32]) -> ResumeTag {
    let derived = crate::keys::derive(hash, crate::labels::RESUME, &[]);
    // The tag is public once it is used.
    derived.expose().first_chunk().copied().unwrap_or_default()
}
