//! What the app around the engine implements.
//!
//! Every method can fail, also where nothing is expected to: an exception that is not one of these errors becomes `Failed` or
//! `Unavailable`, and never stops the engine. No method may call the [`crate::Authenticator`] back, except an [`Observer`]
//! (docs/MOBILE.md, "Threads").

/// The app could not load or save the state.
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

/// The phone's state: one opaque, encrypted blob.
#[uniffi::export(with_foreign)]
pub trait Storage: Send + Sync {
    /// What was saved last; nothing if nothing ever was.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    fn load(&self) -> Result<Option<Vec<u8>>, StorageError>;

    /// Replaces it, durably and atomically: after a crash either the old or the new bytes are there, whole. An answer leaves the phone only
    /// after this returned, so it must not return before the bytes are on disk.
    ///
    /// # Errors
    /// [`StorageError::Failed`], only if the old bytes are the ones a restart would find.
    fn save(&self, state: Vec<u8>) -> Result<(), StorageError>;
}

/// The keychain did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum KeychainError {
    /// The person chose not to unlock.
    #[error("unlocking was cancelled")]
    Cancelled,
    /// The passphrase or biometric did not match.
    #[error("this did not unlock: the passphrase is wrong")]
    WrongPassphrase,
    /// The key can't be had now, or is not there.
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

/// Where the two roots live. The device root is for ordinary secure storage; the unlock root for storage that the operating system opens only
/// after biometrics or a passcode, every time. Both are 32 secret bytes.
#[uniffi::export(with_foreign)]
pub trait Keychain: Send + Sync {
    /// The device root; nothing if none was ever stored.
    ///
    /// # Errors
    /// [`KeychainError::Unavailable`].
    fn load_device_root(&self) -> Result<Option<Vec<u8>>, KeychainError>;

    /// Keeps the device root, in place of an older one.
    ///
    /// # Errors
    /// [`KeychainError::Unavailable`].
    fn store_device_root(&self, root: Vec<u8>) -> Result<(), KeychainError>;

    /// Keeps the unlock root, in place of an older one.
    ///
    /// # Errors
    /// Every variant of [`KeychainError`].
    fn store_unlock_root(&self, root: Vec<u8>) -> Result<(), KeychainError>;

    /// Has the operating system ask the person, showing `reason`, and gives the unlock root. It is wiped as soon as it was used; nothing of the
    /// app may keep it.
    ///
    /// # Errors
    /// Every variant of [`KeychainError`].
    fn unlock(&self, reason: String) -> Result<Vec<u8>, KeychainError>;
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

/// How the connection to a relay is.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum LinkState {
    /// Being made.
    Connecting,
    /// Requests can arrive.
    Connected,
    /// There is none; the next attempt comes by itself.
    Waiting {
        /// Why.
        problem: String,
        /// When the next attempt is, milliseconds from now.
        retry_ms: u64,
    },
}

/// Something worth showing. `pairing` is a [`crate::Pairing::id`].
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Event {
    /// A job asks: see [`crate::Authenticator::pending`].
    Asked {
        /// Whose job.
        pairing: String,
    },
    /// The connection to the job that asks was lost; it may come back.
    JobAway {
        /// Whose job.
        pairing: String,
    },
    /// The connection to the job is back.
    JobBack {
        /// Whose job.
        pairing: String,
    },
    /// The job gave up, or its request expired: there is nothing to answer any more.
    Withdrawn {
        /// Whose job.
        pairing: String,
    },
    /// The job has got its answer and said what became of it, or ended.
    Settled {
        /// Whose job.
        pairing: String,
    },
    /// The connection to a relay changed.
    Link {
        /// Which relay, as a URL.
        relay: String,
        /// How it is now.
        state: LinkState,
    },
    /// Another device answers for this phone now: its keys were copied, or two programs share one state.
    Evicted {
        /// At which relay.
        relay: String,
    },
    /// A relay complained and ends the connection; it is made again.
    RelayProblem {
        /// Which relay.
        relay: String,
        /// What it said.
        problem: String,
    },
    /// A relay can wake this phone for a pairing from now on, as soon as the laptop has run `countersign renew`.
    WakeUpRegistered {
        /// Which pairing.
        pairing: String,
    },
    /// A relay will not wake this phone.
    WakeUpRefused {
        /// Which relay.
        relay: String,
        /// Why.
        problem: String,
    },
    /// A request was turned away, or an answer is not in the history, because the state could not be saved.
    StorageProblem {
        /// What to tell the person.
        problem: String,
    },
}

/// Is told what happens. Called on the engine's own thread, in order, never while a lock is held: return soon, and hand work that takes time or asks
/// a person to another thread.
#[uniffi::export(with_foreign)]
pub trait Observer: Send + Sync {
    /// Something happened.
    ///
    /// # Errors
    /// [`ObserverError::Failed`], which is ignored.
    fn on_event(&self, event: Event) -> Result<(), ObserverError>;
}

/// Shows the six digits while pairing.
#[uniffi::export(with_foreign)]
pub trait PairingUi: Send + Sync {
    /// Shows `digits`, to be typed into the laptop that calls itself `name`. Called once, on the thread that called
    /// [`crate::Authenticator::pair`]; return at once.
    ///
    /// # Errors
    /// [`ObserverError::Failed`] ends the pairing.
    fn show_digits(&self, name: String, digits: String) -> Result<(), ObserverError>;
}
