//! Setting up: a new phone, the one that is there, or one in the place of another. Never over what is left of one.

use std::sync::Arc;

use countersign_core::{
    keys::{DeviceRoot, UnlockRoot},
    pairing::PhoneIdentity,
    phone::{Context, NotSaved, Part, Parts, Phone, Restored, Store},
};
use countersign_link::Clock;
use rand_core::OsRng;
use zeroize::Zeroizing;

use crate::{
    AuthenticatorError, Keychain, Observer, Storage, backup,
    engine::{Engine, Saving},
};

/// The ordinary secret in the keychain.
const DEVICE: &str = "device-root";
/// The one that the person unlocks.
pub(crate) const UNLOCK: &str = "unlock-root";
/// A blob that is saved last of all, when a phone has been set up: without it, what is there is an attempt that was not finished.
const COMPLETE: &str = "complete";

const PARTS_MISSING: &str = "this phone's keys are there, but nothing else: bring its files back, or erase the keys to begin anew";
const ROOT_MISSING: &str = "this phone's files are there, but its device key is missing: bring the key back, or erase what is left to begin \
     anew, from a backup if there is one";
const ROOT_DAMAGED: &str =
    "this phone's device key is damaged: bring it back, or erase what is left to begin anew, from a backup if there is one";

/// What an app brings.
pub(crate) struct Around {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) keychain: Arc<dyn Keychain>,
    pub(crate) observer: Arc<dyn Observer>,
}

impl Engine {
    /// A new phone. The device root comes last but for the mark that all is there: a half-finished attempt leaves neither, and may be repeated.
    pub(crate) async fn create(name: &str, around: Around) -> Result<Self, AuthenticatorError> {
        check_free(&around)?;
        let (device, unlock) = (DeviceRoot::make(&mut OsRng), UnlockRoot::make(&mut OsRng));
        let identity =
            PhoneIdentity::derive(name, &unlock).map_err(|_| AuthenticatorError::TryAgain("a key could not be made; try again".into()))?;
        // What can't be shown has become a replacement character.
        if identity.name.chars().all(|c| c.is_whitespace() || c == char::REPLACEMENT_CHARACTER) {
            return Err(AuthenticatorError::BadInput("a phone needs a name: laptops show it; give one with a letter in it".into()));
        }
        protect(&*around.keychain, &unlock).await?;
        drop(unlock);
        let clock = Clock::start();
        // The keychain is where it lives.
        let root = Zeroizing::new(device.expose().to_vec());
        let mut store = Saving(&*around.storage);
        let phone = Phone::create(device, &identity, &mut Context { now: clock.now(), rng: &mut OsRng, store: &mut store })?;
        around.keychain.store(DEVICE.to_owned(), root.to_vec())?;
        mark_complete(&*around.storage);
        Self::with(phone, around, clock)
    }

    /// The phone that was created before.
    pub(crate) fn open(around: Around) -> Result<Self, AuthenticatorError> {
        let set_up = |text: &str| AuthenticatorError::SetUp(text.to_owned());
        let parts = load_parts(&*around.storage)?;
        let complete = is_complete(&*around.storage)?;
        let root = match around.keychain.load(DEVICE.to_owned())?.map(Zeroizing::new) {
            Some(root) if !parts.is_empty() => root,
            Some(_) => return Err(set_up(PARTS_MISSING)),
            None if complete => return Err(set_up(ROOT_MISSING)),
            None => return Err(set_up("there is no authenticator here yet; set this phone up first, or restore it from a backup")),
        };
        let device = DeviceRoot::from_slice(&root).ok_or_else(|| set_up(ROOT_DAMAGED))?;
        let clock = Clock::start();
        let phone = Phone::open(device, &parts, clock.now().unix)?;
        if !complete {
            mark_complete(&*around.storage);
        }
        Self::with(phone, around, clock)
    }

    /// A phone in the place of the one that made this backup.
    pub(crate) async fn restore(sealed: &[u8], passphrase: &str, around: Around) -> Result<Self, AuthenticatorError> {
        check_free(&around)?;
        let plain = backup::open(sealed, passphrase)?;
        let clock = Clock::start();
        let restore = |store: &mut dyn Store| Phone::restore(&plain, &mut Context { now: clock.now(), rng: &mut OsRng, store });
        // Whatever is wrong with it is told before the person is asked for anything.
        if let Some(unlock) = restore(&mut Nowhere)?.unlock {
            protect(&*around.keychain, &unlock).await?;
        }
        let Restored { phone, device, .. } = restore(&mut Saving(&*around.storage))?;
        // The keychain is where it lives.
        around.keychain.store(DEVICE.to_owned(), device.expose().to_vec())?;
        mark_complete(&*around.storage);
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

/// Whether a phone was set up here to the end, as far as the storage tells.
fn is_complete(storage: &dyn Storage) -> Result<bool, AuthenticatorError> {
    Ok(storage.load(COMPLETE.to_owned())?.is_some())
}

fn mark_complete(storage: &dyn Storage) {
    // If it can't be saved now, `open` does it.
    let _ = storage.save(COMPLETE.to_owned(), vec![1]);
}

/// Nothing that is there may be lost: neither a phone nor what is left of one.
fn check_free(around: &Around) -> Result<(), AuthenticatorError> {
    let has_root = around.keychain.load(DEVICE.to_owned())?.map(Zeroizing::new).is_some();
    let has_parts = !load_parts(&*around.storage)?.is_empty();
    let why = match (has_root, has_parts) {
        (true, true) => "this phone is set up already; open it instead",
        (true, false) => PARTS_MISSING,
        (false, _) if is_complete(&*around.storage)? => ROOT_MISSING,
        // An attempt that was not finished may be repeated.
        (false, _) => return Ok(()),
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
