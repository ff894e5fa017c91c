//! What a job asks for.

use crate::{
    request::{Artefact, Enroll, Hints, Operation},
    seed::SealedSeed,
};

/// What to ask for; texts are cleaned and cut when they are sent.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What for.
    pub operation: Operation,
    /// The sealed seed, if `operation` is `Code`.
    pub sealed: Option<SealedSeed>,
    /// Codes wanted, 1 to 20.
    pub codes: u8,
    /// How long the first code should still be valid when it is issued, seconds; at most 120.
    pub min_life: u8,
    /// What CI calls the seed.
    pub seed_name: String,
    /// Why.
    pub reason: String,
    /// What is about to be released.
    pub artefact: Option<Artefact>,
    /// Claims of the platform.
    pub hints: Hints,
    /// The new seed, if `operation` is `Enroll`.
    pub enroll: Option<Enroll>,
    /// Give up after this, milliseconds.
    pub timeout_ms: u64,
}

impl Ask {
    /// An ask with nothing but an operation and a timeout.
    #[must_use]
    pub fn new(operation: Operation, timeout_ms: u64) -> Self {
        Self {
            operation,
            sealed: None,
            codes: 1,
            min_life: 0,
            seed_name: String::new(),
            reason: String::new(),
            artefact: None,
            hints: Hints::default(),
            enroll: None,
            timeout_ms,
        }
    }
}
