//! The phone engine of Countersign: `countersign_core::phone` with a network, threads, storage and keys around it, exported with uniffi.
//!
//! [`Authenticator`] is all of it. An app implements [`Storage`], [`Keychain`], [`Observer`] and, while pairing, [`PairingUi`]; docs/MOBILE.md
//! shows how. Everything that crosses the boundary outwards is made for a screen and holds no secret: no seed and no code ever does.
#![allow(unsafe_code, reason = "uniffi's generated code exports C symbols; the modules written by hand deny it again")]

#[deny(unsafe_code)]
mod backup;
#[deny(unsafe_code)]
mod engine;
#[deny(unsafe_code)]
mod keep;
#[deny(unsafe_code)]
mod lost;
#[deny(unsafe_code)]
mod net;
#[deny(unsafe_code)]
mod pair;
#[deny(unsafe_code)]
pub mod passphrase;
#[deny(unsafe_code)]
mod set_up;
#[deny(unsafe_code)]
mod shell;
#[deny(unsafe_code)]
mod teller;
#[deny(unsafe_code)]
mod view;

mod api;
mod error;
mod event;
#[cfg(test)]
mod hour;
mod records;
mod seeds;
mod traits;
mod wake_up;

pub use api::{Authenticator, find_phone};
pub use backup::{MAX_BACKUP, MIN_PASSPHRASE, WRONG_PASSPHRASE};
pub use countersign_qr::MAX_FILE as MAX_PICTURE;
pub use error::AuthenticatorError;
pub use event::{Attention, Connection, Event, Gone, LinkState, LostPart};
pub use pair::is_pairing_code;
pub use records::{
    Artefact, Claim, Claimed, Enrolled, HistoryEntry, HistoryOutcome, Identity, Pairing, PendingRequest, RequestKind, Seed, SeedRight,
    Verified, WakeUpState,
};
pub use seeds::{ImportPart, SeedEntry, SeedImport};
pub use set_up::Found;
pub use traits::{Keychain, KeychainError, Observer, ObserverError, PairingUi, Storage, StorageError};
pub use wake_up::PushTarget;

uniffi::setup_scaffolding!();
