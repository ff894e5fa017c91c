//! The person between the job's log and the phone.

use countersign_core::request::RequestId;

/// What they do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Reads the number in the log of the job they started and types it.
    Approve,
    /// The same, but does not let the pairing use a seed that it has not used before.
    ApproveWithoutGrant,
    /// Says no.
    Deny,
    /// Types something else.
    Mistype,
    /// Looks away.
    Ignore,
}

/// Acts on a request some time after it is shown.
#[derive(Debug, Clone)]
pub struct Human {
    /// What they do.
    pub mood: Mood,
    /// How long they take, milliseconds.
    pub reaction: u64,
    /// Requests they have been shown, in order: every one is a prompt.
    pub prompts: Vec<RequestId>,
    /// When they said yes and the phone had saved it, monotonic milliseconds.
    pub approved_at: Vec<u64>,
}

impl Human {
    /// Somebody who takes two seconds.
    #[must_use]
    pub fn new(mood: Mood) -> Self {
        Self { mood, reaction: 2_000, prompts: Vec::new(), approved_at: Vec::new() }
    }
}
