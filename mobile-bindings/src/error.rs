//! What a call answers when it did not do what was asked, named by what the person does next.

use countersign_core::{
    pairing::{PairingCodeError, PairingError},
    phone::{NotSaved, PhoneError},
    seed::SealedError,
};

use crate::{KeychainError, StorageError};

/// Why a call failed. The text says what to do; it never holds anything that was typed or is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[uniffi(flat_error)]
#[non_exhaustive]
pub enum AuthenticatorError {
    /// Nothing was changed: do the same again, now or when the network is back; if the text says that there is no room, after removing something.
    #[error("{0}")]
    TryAgain(String),
    /// Nothing was changed: correct what was typed.
    #[error("{0}")]
    BadInput(String),
    /// Nothing was changed: unlocking was cancelled, failed, or is not possible now.
    #[error("{0}")]
    Unlock(String),
    /// Nothing was changed and a request still waits: make room on the disk or mend the folder, then do the same again.
    #[error("{0}")]
    Storage(String),
    /// The number was not the job's; the request was denied. Look into who asked.
    #[error("{0}")]
    WrongNumber(String),
    /// The pairing has no right to the seed; the request was refused.
    #[error("{0}")]
    NotAllowed(String),
    /// The request, pairing or seed is not there (any more).
    #[error("{0}")]
    Gone(String),
    /// The request or the pairing was ended: begin a new one at the job or the laptop.
    #[error("{0}")]
    StartAgain(String),
    /// What is stored and what was called do not fit: open instead of creating, create instead of opening, update the app, or restore what is missing.
    /// Never to be answered by erasing something without asking the person.
    #[error("{0}")]
    SetUp(String),
}

impl From<PhoneError> for AuthenticatorError {
    fn from(error: PhoneError) -> Self {
        let text = error.to_string();
        match error {
            PhoneError::NotSaved(_) => Self::Storage(text),
            PhoneError::StateUnreadable => Self::SetUp(format!(
                "{text}. Bring its files and its device key back, all of them from one time; or move all of them away, and restore a backup or set a phone up anew"
            )),
            PhoneError::StateLater => Self::SetUp(text),
            PhoneError::NoSuchRequest | PhoneError::NoSuchPairing | PhoneError::NoSuchSeed => Self::Gone(text),
            PhoneError::WrongNumber => Self::WrongNumber(text),
            PhoneError::NotAllowed => Self::NotAllowed(text),
            PhoneError::WrongUnlockKey => {
                Self::SetUp(format!("{text}. Bring the right one back from a backup of this phone that was made with it"))
            }
            PhoneError::NoNumber { .. }
            | PhoneError::TooManyCodes { .. }
            | PhoneError::OtpAuth(_)
            | PhoneError::UriMissing
            | PhoneError::Seal(_)
            | PhoneError::Recipient
            | PhoneError::PushAddress
            | PhoneError::Backup(_)
            | PhoneError::UnlockKeyMissing => Self::BadInput(text),
            PhoneError::SeedNotOpened | PhoneError::CodesAhead | PhoneError::PairingUsed => Self::StartAgain(text),
            _ => Self::TryAgain(text),
        }
    }
}

impl From<NotSaved> for AuthenticatorError {
    fn from(error: NotSaved) -> Self {
        PhoneError::from(error).into()
    }
}

impl From<StorageError> for AuthenticatorError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<KeychainError> for AuthenticatorError {
    fn from(error: KeychainError) -> Self {
        match error {
            // Unlocking again does not help; a backup does.
            KeychainError::Invalidated | KeychainError::Missing => Self::SetUp(error.to_string()),
            _ => Self::Unlock(error.to_string()),
        }
    }
}

impl From<PairingCodeError> for AuthenticatorError {
    fn from(error: PairingCodeError) -> Self {
        Self::BadInput(error.to_string())
    }
}

impl From<PairingError> for AuthenticatorError {
    fn from(error: PairingError) -> Self {
        Self::StartAgain(error.to_string())
    }
}

impl From<SealedError> for AuthenticatorError {
    fn from(error: SealedError) -> Self {
        Self::BadInput(error.to_string())
    }
}
