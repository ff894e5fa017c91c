//! Moving to another phone: everything that a new one needs, as bytes that the shell encrypts (docs/PROTOCOL.md §11).

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Context, HistoryEntry, Phone, PhoneError,
    state::{Index, Own, Paired, State, StoredSecret},
    vault::Saved,
};
use crate::{
    channel::{decode, encode_into},
    keys::{DeviceRoot, UnlockRoot},
};

const VERSION: u8 = 1;
/// Room for everything but what grows.
const ROOM: usize = 64 * 1024;

/// What is in a backup. The buffers it is written to and read from are wiped.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    v: u8,
    made: u64,
    device: StoredSecret,
    unlock: Option<StoredSecret>,
    own: Own,
    paired: Paired,
    index: Index,
    history: Vec<HistoryEntry>,
}

/// Only the version, for backups of later programs.
#[derive(Serialize, Deserialize)]
struct Head {
    v: u8,
}

/// Why bytes are no backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Made by a later version.
    #[error("this backup was made by a later version of the app; update the app first")]
    Later,
    /// Cut, damaged, or something else.
    #[error("this is no backup of Countersign, or it is damaged")]
    Damaged,
}

/// What a backup held.
pub struct Restored {
    /// The phone; every part of it has been saved.
    pub phone: Phone,
    /// The device root, for the keychain.
    pub device: DeviceRoot,
    /// The unlock root, if the backup holds it.
    pub unlock: Option<UnlockRoot>,
    /// When the backup was made, Unix seconds.
    pub made: u64,
}

impl Phone {
    /// Everything that another phone needs to take this one's place: keys, pairings, seeds, history. With `unlock` it can open the seeds as well;
    /// without, it needs the unlock root from elsewhere. To be encrypted at once.
    ///
    /// # Errors
    /// [`PhoneError::WrongUnlockKey`], [`PhoneError::Channel`] if it is too large.
    pub fn back_up(&self, unlock: Option<&UnlockRoot>, now: u64) -> Result<Zeroizing<Vec<u8>>, PhoneError> {
        if let Some(unlock) = unlock {
            self.check_unlock(unlock)?;
        }
        let state = self.state.clone();
        let room = ROOM + 2048 * state.paired.pairings.len() + 1024 * (state.index.seeds.len() + state.history.len()) + 64 * 8192;
        let backup = Backup {
            v: VERSION,
            made: now,
            device: StoredSecret(self.device.secret().duplicate()),
            unlock: unlock.map(|root| StoredSecret(root.secret().duplicate())),
            own: state.own,
            paired: state.paired,
            index: state.index,
            history: state.history,
        };
        encode_into(&backup, room).map_err(|_| PhoneError::Channel)
    }

    /// A phone in the place of the one that made this backup. Steps that have begun are not issued again; the old phone must not be used any more.
    ///
    /// # Errors
    /// [`PhoneError::Backup`], [`PhoneError::NotSaved`].
    pub fn restore(bytes: &[u8], ctx: &mut Context<'_>) -> Result<Restored, PhoneError> {
        let backup: Backup = decode(bytes).map_err(|_| kind(bytes))?;
        if backup.v != VERSION {
            return Err(BackupError::Later.into());
        }
        let (device, kept) = (DeviceRoot::of(backup.device.0.duplicate()), DeviceRoot::of(backup.device.0));
        let unlock = backup.unlock.map(|root| UnlockRoot::of(root.0));
        let mut own = backup.own;
        own.not_before = own.not_before.max(ctx.now.unix);
        let state = State { paired: backup.paired, index: backup.index, history: backup.history, ..State::new(own) };
        let mut phone = Self::around(device, state, Saved::default()).map_err(|_| BackupError::Damaged)?;
        if unlock.as_ref().is_some_and(|unlock| phone.check_unlock(unlock).is_err()) {
            return Err(BackupError::Damaged.into());
        }
        phone.transact(ctx, |_| ())?;
        Ok(Restored { phone, device: kept, unlock, made: backup.made })
    }

    /// The unlock root out of a backup of this phone.
    ///
    /// # Errors
    /// [`PhoneError::Backup`], [`PhoneError::WrongUnlockKey`] if it is of another phone, [`PhoneError::UnlockKeyMissing`].
    pub fn unlock_root_of(&self, bytes: &[u8]) -> Result<UnlockRoot, PhoneError> {
        let backup: Backup = decode(bytes).map_err(|_| kind(bytes))?;
        let unlock = backup.unlock.map(|root| UnlockRoot::of(root.0)).ok_or(PhoneError::UnlockKeyMissing)?;
        self.check_unlock(&unlock)?;
        Ok(unlock)
    }
}

/// What is wrong with bytes that are no backup of this version.
fn kind(bytes: &[u8]) -> BackupError {
    // Unknown keys are ignored here.
    match minicbor_serde::from_slice::<Head>(bytes) {
        Ok(head) if head.v > VERSION => BackupError::Later,
        _ => BackupError::Damaged,
    }
}
