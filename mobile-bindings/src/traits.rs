//! What the app around the engine implements.
//!
//! Every method can fail, also where nothing is expected to: an exception that is not one of these errors becomes `Failed` or
//! `Unavailable`, without its text, and never stops the engine. They are called on threads of the engine, never on the app's.

/// The app could not load or save a blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum StorageError {
    /// What to tell the person.
    #[error("{detail}")]
    Failed {
        /// What happened, and what to do about it.
        detail: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for StorageError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        // The text of a foreign exception may hold anything.
        Self::Failed { detail: "the app's storage failed in an unexpected way".into() }
    }
}

/// A place for a handful of named blobs, each opaque, encrypted and checked by the engine. Names are small letters and dashes.
#[uniffi::export(with_foreign)]
pub trait Storage: Send + Sync {
    /// What was saved last under this name; nothing if nothing ever was.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, StorageError>;

    /// Replaces it, durably and atomically: after a crash either the old or the new bytes are there, whole. An answer leaves the phone only
    /// after this returned, so it must not return before the bytes are on disk.
    ///
    /// # Errors
    /// [`StorageError::Failed`], only if the old bytes are the ones a restart would find.
    fn save(&self, name: String, bytes: Vec<u8>) -> Result<(), StorageError>;
}

/// The keychain did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum KeychainError {
    /// The person chose not to unlock.
    #[error("unlocking was cancelled")]
    Cancelled,
    /// The passphrase is wrong.
    #[error("this did not unlock: the passphrase is wrong")]
    WrongPassphrase,
    /// The system did not recognise face, finger or passcode.
    #[error("this did not unlock: the phone did not recognise you; try again")]
    NotRecognised,
    /// Too many attempts: the system lets nobody try for a while.
    #[error("too many attempts: unlock the phone with its passcode, or wait")]
    LockedOut,
    /// The system has destroyed the key, mostly because a fingerprint or face was added, or the screen lock removed. It does not come back.
    #[error(
        "the system has destroyed the key that protects the seeds, as it does when a fingerprint or face is added or the screen lock is removed: bring it back from a backup"
    )]
    Invalidated,
    /// There is no protected secret of this name: nobody has brought it back after a restore, or the system has removed it without a trace.
    #[error("the key that opens the seeds is not on this phone: bring it back from a backup that was made with it")]
    Missing,
    /// The secret can't be had now.
    #[error("the phone's keys are not available: {detail}")]
    Unavailable {
        /// What happened, and what to do about it.
        detail: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for KeychainError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        // The text of a foreign exception may hold anything, a key too.
        Self::Unavailable { detail: "the app's keychain failed in an unexpected way".into() }
    }
}

/// Where secrets of 32 bytes live: an ordinary one, for what the phone does by itself, and one that the operating system gives only to a person who has just
/// shown to be there. Names are small letters and dashes.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait Keychain: Send + Sync {
    /// An ordinary secret; nothing if none was ever stored under this name.
    ///
    /// # Errors
    /// [`KeychainError::Unavailable`].
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, KeychainError>;

    /// Keeps an ordinary secret, in place of an older one: on this device only, in no cloud backup.
    ///
    /// # Errors
    /// [`KeychainError::Unavailable`].
    fn store(&self, name: String, secret: Vec<u8>) -> Result<(), KeychainError>;

    /// Keeps a secret that only [`Keychain::unlock`] gives back, in place of an older one; shows `reason` if the person is asked.
    ///
    /// # Errors
    /// Every variant of [`KeychainError`].
    async fn protect(&self, name: String, secret: Vec<u8>, reason: String) -> Result<(), KeychainError>;

    /// Has the operating system ask the person, showing `reason`, and gives the secret. It is wiped as soon as it was used; nothing of the
    /// app may keep it. Cancelled when the engine has no use for it any more, as when the request is gone: take the prompt away then.
    ///
    /// # Errors
    /// Every variant of [`KeychainError`].
    async fn unlock(&self, name: String, reason: String) -> Result<Vec<u8>, KeychainError>;
}

/// The app failed while it was told something; nothing comes of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum ObserverError {
    /// The app failed.
    #[error("the app failed")]
    Failed,
}

impl From<uniffi::UnexpectedUniFFICallbackError> for ObserverError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// Is told what happens, in order, on one thread that the engine has for it, and never while a lock is held: every method of the [`crate::Authenticator`] may be
/// called and waited for. What comes next waits until it returns. The first may come before the constructor of the [`crate::Authenticator`] has returned.
#[uniffi::export(with_foreign)]
pub trait Observer: Send + Sync {
    /// Something happened.
    ///
    /// # Errors
    /// [`ObserverError::Failed`], which is ignored.
    fn on_event(&self, event: crate::Event) -> Result<(), ObserverError>;
}

/// Shows the six digits while pairing.
#[uniffi::export(with_foreign)]
pub trait PairingUi: Send + Sync {
    /// Shows `digits`, to be typed into the laptop that calls itself `name`. Called once; return at once.
    ///
    /// # Errors
    /// [`ObserverError::Failed`] ends the pairing.
    fn show_digits(&self, name: String, digits: String) -> Result<(), ObserverError>;
}
