//! The phone engine of Countersign: `countersign_core::phone` with a network, threads, storage and keys around it, exported with uniffi.
//!
//! [`Authenticator`] is all of it. An app implements [`Storage`], [`Keychain`], [`Observer`] and, while pairing, [`PairingUi`]; docs/MOBILE.md
//! shows how. Everything that crosses the boundary outwards is made for a screen and holds no secret: no seed and no code ever does.
#![allow(unsafe_code, reason = "uniffi's generated code exports C symbols; the modules written by hand deny it again")]

#[deny(unsafe_code)]
mod engine;
#[deny(unsafe_code)]
mod net;
#[deny(unsafe_code)]
mod pair;

mod api;
mod error;
mod records;
mod traits;
mod wake_up;

pub use api::Authenticator;
pub use error::AuthenticatorError;
pub use records::{
    Artefact, Claim, Enrolled, HistoryEntry, HistoryOutcome, Identity, Operation, Pairing, PendingRequest, Seed, SeedRight, WakeUpState,
};
pub use traits::{Event, Keychain, KeychainError, LinkState, Observer, ObserverError, PairingUi, Storage, StorageError};
pub use wake_up::PushSubscription;

uniffi::setup_scaffolding!();
