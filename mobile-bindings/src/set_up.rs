//! Setting up: a new phone, the one that is there, or one in the place of another. Never over what is left of one.

use std::sync::Arc;

use countersign_core::{
    keys::{DeviceRoot, UnlockRoot},
    pairing::PhoneIdentity,
    phone::{Context, NotSaved, Part, Parts, Phone, Restored, Store},
};
use countersign_link::Clock;
use rand_core::OsRng;
use tokio::sync::Mutex as AsyncMutex;
use zeroize::Zeroizing;

use crate::{
    AuthenticatorError, Keychain, Observer, Storage, backup,
    engine::{Engine, Saving},
    lost::{self, Lost},
};

/// The ordinary secret in the keychain.
const DEVICE: &str = "device-root";
/// The one that the person unlocks.
pub(crate) const UNLOCK: &str = "unlock-root";
/// A blob that says how far a set-up has come: it is written first of all and last of all.
const PROGRESS: &str = "complete";
/// It has begun: until there is a device key as well, what is there is an attempt that was not finished.
const BEGUN: u8 = 0;
/// It has come to its end.
const DONE: u8 = 1;

const PARTS_MISSING: &str = "this phone's keys are there, but nothing else: bring its files back, or erase the keys to begin anew";
const ROOT_MISSING: &str = "this phone's files are there, but its device key is missing: bring the key back, or erase what is left to begin \
     anew, from a backup if there is one";
const ROOT_DAMAGED: &str =
    "this phone's device key is damaged: bring it back, or erase what is left to begin anew, from a backup if there is one";

/// Two at once would write over each other's key: the second looks when the first has ended.
static SETTING_UP: AsyncMutex<()> = AsyncMutex::const_new(());

/// What is on this device: what to do before there is an [`crate::Authenticator`].
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Found {
    /// Nothing, or an attempt to set one up that was not finished: make a new phone, or restore one from a backup.
    NoPhone,
    /// A phone: open it.
    Phone,
    /// Parts of a phone, which can neither be opened nor replaced. Show this; a new phone can be made only after storage and keychain have been erased,
    /// because the person wants it.
    Remains {
        /// What is missing, and what to do.
        problem: String,
    },
}

/// The same, for those who go on from there.
enum There {
    Nothing,
    Phone { root: Zeroizing<Vec<u8>>, parts: Parts, complete: bool },
    Remains(&'static str),
}

/// What is on this device, as the app is told it.
pub(crate) fn find(storage: &dyn Storage, keychain: &dyn Keychain) -> Result<Found, AuthenticatorError> {
    Ok(match look(storage, keychain)? {
        There::Nothing => Found::NoPhone,
        There::Phone { .. } => Found::Phone,
        There::Remains(problem) => Found::Remains { problem: problem.to_owned() },
    })
}

fn look(storage: &dyn Storage, keychain: &dyn Keychain) -> Result<There, AuthenticatorError> {
    let root = keychain.load(DEVICE.to_owned())?.map(Zeroizing::new);
    let parts = load_parts(storage)?;
    let mark = storage.load(PROGRESS.to_owned())?;
    Ok(match (root, mark.as_deref()) {
        (Some(_), _) if parts.is_empty() => There::Remains(PARTS_MISSING),
        (Some(root), mark) => There::Phone { root, parts, complete: mark == Some(&[DONE]) },
        (None, Some(&[BEGUN])) => There::Nothing,
        (None, None) if parts.is_empty() => There::Nothing,
        (None, _) => There::Remains(ROOT_MISSING),
    })
}

/// What an app brings.
pub(crate) struct Around {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) keychain: Arc<dyn Keychain>,
    pub(crate) observer: Arc<dyn Observer>,
}

impl Engine {
    /// A new phone. The device root comes last but for the mark that all is there: a half-finished attempt has neither, and may be repeated.
    pub(crate) async fn create(name: &str, around: Around) -> Result<Self, AuthenticatorError> {
        let _alone = SETTING_UP.lock().await;
        check_free(&around)?;
        let (device, unlock) = (DeviceRoot::make(&mut OsRng), UnlockRoot::make(&mut OsRng));
        let identity =
            PhoneIdentity::derive(name, &unlock).map_err(|_| AuthenticatorError::TryAgain("a key could not be made; try again".into()))?;
        // What can't be shown has become a replacement character.
        if identity.name.chars().all(|c| c.is_whitespace() || c == char::REPLACEMENT_CHARACTER) {
            return Err(AuthenticatorError::BadInput("a phone needs a name: laptops show it; give one with a letter in it".into()));
        }
        begin(&*around.storage)?;
        protect(&*around.keychain, &unlock).await?;
        drop(unlock);
        let clock = Clock::start();
        // The keychain is where it lives.
        let root = Zeroizing::new(device.expose().to_vec());
        let mut store = Saving { storage: &*around.storage, lost: &Lost::default(), closed: false };
        let phone = Phone::create(device, &identity, &mut Context { now: clock.now(), rng: &mut OsRng, store: &mut store })?;
        around.keychain.store(DEVICE.to_owned(), root.to_vec())?;
        mark_done(&*around.storage);
        Self::with(phone, around, clock)
    }

    /// The phone that was created before.
    pub(crate) fn open(around: Around) -> Result<Self, AuthenticatorError> {
        let set_up = |text: &str| AuthenticatorError::SetUp(text.to_owned());
        let (root, parts, complete) = match look(&*around.storage, &*around.keychain)? {
            There::Phone { root, parts, complete } => (root, parts, complete),
            There::Remains(problem) => return Err(set_up(problem)),
            There::Nothing => return Err(set_up("there is no phone here yet: set one up first, or restore one from a backup")),
        };
        let device = DeviceRoot::from_slice(&root).ok_or_else(|| set_up(ROOT_DAMAGED))?;
        let clock = Clock::start();
        let phone = Phone::open(device, &parts, clock.now().unix)?;
        if !complete {
            mark_done(&*around.storage);
        }
        Self::with(phone, around, clock)
    }

    /// A phone in the place of the one that made this backup.
    pub(crate) async fn restore(sealed: &[u8], passphrase: &str, around: Around) -> Result<Self, AuthenticatorError> {
        let _alone = SETTING_UP.lock().await;
        check_free(&around)?;
        let plain = backup::open(sealed, passphrase)?;
        let clock = Clock::start();
        let restore = |store: &mut dyn Store| Phone::restore(&plain, &mut Context { now: clock.now(), rng: &mut OsRng, store });
        // Whatever is wrong with it is told before anything is begun, or the person asked.
        let unlock = restore(&mut Nowhere)?.unlock;
        begin(&*around.storage)?;
        if let Some(unlock) = unlock {
            protect(&*around.keychain, &unlock).await?;
        }
        let Restored { phone, device, .. } = restore(&mut Saving { storage: &*around.storage, lost: &Lost::default(), closed: false })?;
        // The keychain is where it lives.
        around.keychain.store(DEVICE.to_owned(), device.expose().to_vec())?;
        mark_done(&*around.storage);
        Self::with(phone, around, clock)
    }
}

fn load_parts(storage: &dyn Storage) -> Result<Parts, AuthenticatorError> {
    let mut parts = Parts::new();
    for part in Part::ALL {
        if let Some(bytes) = storage.load(part.name().to_owned())? {
            parts.insert(part.name().to_owned(), bytes);
        }
    }
    Ok(parts)
}

/// From here on what is there may be replaced, until there is a device key.
fn begin(storage: &dyn Storage) -> Result<(), AuthenticatorError> {
    mark(storage, BEGUN)?;
    Ok(lost::forget(storage)?)
}

fn mark(storage: &dyn Storage, state: u8) -> Result<(), AuthenticatorError> {
    Ok(storage.save(PROGRESS.to_owned(), vec![state])?)
}

fn mark_done(storage: &dyn Storage) {
    // If it can't be saved now, `open` does it.
    let _ = mark(storage, DONE);
}

/// Nothing that is there may be lost: neither a phone nor what is left of one.
fn check_free(around: &Around) -> Result<(), AuthenticatorError> {
    let why = match look(&*around.storage, &*around.keychain)? {
        There::Nothing => return Ok(()),
        There::Phone { .. } => "this phone is set up already; open it instead",
        There::Remains(problem) => problem,
    };
    Err(AuthenticatorError::SetUp(why.into()))
}

/// Keeps the unlock root in the keychain.
pub(crate) async fn protect(keychain: &dyn Keychain, unlock: &UnlockRoot) -> Result<(), AuthenticatorError> {
    // The keychain is where it lives.
    let root = unlock.expose().to_vec();
    Ok(keychain.protect(UNLOCK.to_owned(), root, "Protect the seeds of this phone".to_owned()).await?)
}

/// A backup is looked at before anything is saved.
struct Nowhere;

impl Store for Nowhere {
    fn save(&mut self, _: &str, _: &[u8]) -> Result<(), NotSaved> {
        Ok(())
    }
}
