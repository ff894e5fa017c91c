//! The state at rest: a blob for each part, `01 | nonce (24) | XChaCha20-Poly1305`, bound to the part's name (docs/PROTOCOL.md §10).

use std::collections::BTreeMap;

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use rand_core::{CryptoRng, RngCore};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    Context, NotSaved, PhoneError,
    state::{Own, State},
};
use crate::{
    channel::{ChannelError, decode, encode_into},
    keys::StateKey,
};

const VERSION: u8 = 1;
const NONCE: usize = 24;

/// The sealed parts of a state, by name.
pub type Parts = BTreeMap<String, Vec<u8>>;

/// A part of the state, saved under its own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Which steps of which seeds are burnt.
    Seeds,
    /// Pairings and what they may do.
    Pairings,
    /// Requests that were accepted, and their answers.
    Requests,
    /// What happened.
    History,
    /// The phone itself.
    Phone,
    /// The same again: without it nothing else is of use.
    PhoneCopy,
}

impl Part {
    /// All of them, in the order in which they are saved. The phone itself comes first: it says from when on steps may be issued if the seeds were lost, which
    /// seeds that look healthy again no longer tell. Then what burns a step, before all that is only sent or shown.
    pub const ALL: [Self; 6] = [Self::Phone, Self::PhoneCopy, Self::Seeds, Self::Pairings, Self::Requests, Self::History];

    /// What a shell calls it: small letters and dashes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Pairings => "pairings",
            Self::Requests => "requests",
            Self::History => "history",
            Self::Phone => "phone",
            Self::PhoneCopy => "phone-copy",
        }
    }

    fn encode(self, state: &State) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        let room = self.room(state);
        match self {
            Self::Seeds => encode_into(&state.index, room),
            Self::Pairings => encode_into(&state.paired, room),
            Self::Requests => encode_into(&state.replay, room),
            Self::History => encode_into(&state.history, room),
            Self::Phone | Self::PhoneCopy => encode_into(&state.own, room),
        }
    }

    /// More bytes than the part takes when encoded: pairings hold psks, and a buffer that has to grow leaves them behind.
    fn room(self, state: &State) -> usize {
        let paired = &state.paired;
        4096 + match self {
            Self::Seeds => {
                let files: usize = state.index.seeds.iter().map(|seed| seed.files.len()).sum();
                1024 * state.index.seeds.len() + 128 * state.index.removed.len() + 48 * files
            }
            Self::Pairings => {
                2048 * paired.pairings.len()
                    + 1024 * paired.wake_ups.len()
                    + 256 * (paired.revoked.len() + paired.grants.len())
                    + 48 * paired.retired.len()
            }
            Self::Requests => {
                let answers: usize = state.replay.iter().filter_map(|entry| entry.m4.as_ref()).map(|m4| m4.len()).sum();
                256 * state.replay.len() + answers
            }
            Self::History => 1024 * state.history.len(),
            Self::Phone | Self::PhoneCopy => 48 * state.own.trusted.len(),
        }
    }
}

/// What is known to be on disk: a digest of each part.
#[derive(Default)]
pub(super) struct Saved(BTreeMap<Part, [u8; 32]>);

impl Saved {
    /// Saves every part that is not on disk as it is. What a failure leaves unsaved is saved again the next time.
    pub(super) fn save(&mut self, key: &StateKey, state: &State, ctx: &mut Context<'_>) -> Result<(), NotSaved> {
        let too_large = |_| NotSaved("the state is too large".into());
        for part in Part::ALL {
            let plain = part.encode(state).map_err(too_large)?;
            let digest: [u8; 32] = Sha256::digest(&*plain).into();
            if self.0.get(&part) == Some(&digest) {
                continue;
            }
            let sealed = seal(key, part, &plain, &mut ctx.rng).map_err(too_large)?;
            self.0.remove(&part);
            ctx.store.save(part.name(), &sealed)?;
            self.0.insert(part, digest);
        }
        Ok(())
    }
}

/// A state that was read.
pub(super) struct Opened {
    pub(super) state: State,
    pub(super) saved: Saved,
    /// Parts that are missing or damaged, and are empty now.
    pub(super) lost: Vec<Part>,
}

/// Reads all parts; an error if nothing says which phone it is, or a later version wrote one of them: whoever took that for damage would write over it.
pub(super) fn open(key: &StateKey, parts: &Parts) -> Result<Opened, PhoneError> {
    let mut opened = Reading { key, parts, saved: Saved::default(), lost: Vec::new() };
    let (own, copy) = (opened.read::<Own>(Part::Phone)?, opened.read::<Own>(Part::PhoneCopy)?);
    let own = own.or(copy).ok_or(PhoneError::StateUnreadable)?;
    let state = State {
        own,
        paired: opened.read(Part::Pairings)?.unwrap_or_default(),
        index: opened.read(Part::Seeds)?.unwrap_or_default(),
        replay: opened.read(Part::Requests)?.unwrap_or_default(),
        history: opened.read(Part::History)?.unwrap_or_default(),
    };
    // One copy of two costs nothing.
    opened.lost.retain(|part| !matches!(part, Part::Phone | Part::PhoneCopy));
    Ok(Opened { state, saved: opened.saved, lost: opened.lost })
}

struct Reading<'a> {
    key: &'a StateKey,
    parts: &'a Parts,
    saved: Saved,
    lost: Vec<Part>,
}

impl Reading<'_> {
    fn read<T: Serialize + DeserializeOwned>(&mut self, part: Part) -> Result<Option<T>, PhoneError> {
        let Some((version, plain)) = self.parts.get(part.name()).and_then(|sealed| unseal(self.key, part, sealed)) else {
            self.lost.push(part);
            return Ok(None);
        };
        // Whole, and by this phone's key: what can't be understood all the same is new, not damaged.
        let value = if version == VERSION { decode(&plain).ok() } else { None };
        let value = value.ok_or(PhoneError::StateLater)?;
        self.saved.0.insert(part, Sha256::digest(&*plain).into());
        Ok(Some(value))
    }
}

fn aad(version: u8, part: Part) -> Vec<u8> {
    [&[version], part.name().as_bytes()].concat()
}

fn seal(key: &StateKey, part: Part, plain: &[u8], rng: &mut (impl RngCore + CryptoRng)) -> Result<Vec<u8>, ChannelError> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    // The cipher needs its key.
    let sealed = XChaCha20Poly1305::new(Key::from_slice(key.0.expose()))
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: &aad(VERSION, part) })
        .map_err(|_| ChannelError::TooLong)?;
    Ok([&[VERSION], &nonce[..], &sealed].concat())
}

/// The version that sealed it, and what is inside; nothing if it is damaged. Later versions keep this envelope, so that they are told from damage.
fn unseal(key: &StateKey, part: Part, sealed: &[u8]) -> Option<(u8, Zeroizing<Vec<u8>>)> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, rest) = rest.split_at_checked(NONCE)?;
    // The cipher needs its key.
    let cipher = XChaCha20Poly1305::new(Key::from_slice(key.0.expose()));
    let plain = cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: rest, aad: &aad(*version, part) }).ok()?;
    Some((*version, Zeroizing::new(plain)))
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;
    use crate::{
        keys::{DeviceRoot, UnlockRoot},
        pairing::PhoneIdentity,
        phone::{Phone, Store},
        time::Now,
    };

    impl Store for Parts {
        fn save(&mut self, part: &str, sealed: &[u8]) -> Result<(), NotSaved> {
            self.insert(part.to_owned(), sealed.to_vec());
            Ok(())
        }
    }

    fn device() -> DeviceRoot {
        DeviceRoot::from_slice(&[1; 32]).unwrap()
    }

    /// By another version of the envelope, or of what is inside.
    fn sealed_by(version: u8, plain: &[u8], part: Part) -> Vec<u8> {
        let cipher = XChaCha20Poly1305::new(Key::from_slice(device().derive_state_key().0.expose()));
        let sealed = cipher.encrypt(&[5; NONCE].into(), Payload { msg: plain, aad: &aad(version, part) }).unwrap();
        [&[version], &[5; NONCE][..], &sealed].concat()
    }

    #[test]
    fn what_a_later_version_saved_is_not_taken_for_damage() {
        let identity = PhoneIdentity::derive("pixel", &UnlockRoot::from_slice(&[2; 32]).unwrap()).unwrap();
        let mut parts = Parts::new();
        let now = Now { unix: 1_700_000_000, mono: 0 };
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        Phone::create(device(), &identity, &mut Context { now, rng, store: &mut parts }).map(drop).unwrap();
        let open = |parts: &Parts| Phone::open(device(), parts, now.unix).map(|phone| phone.lost().len());
        assert_eq!(open(&parts), Ok(0));
        for part in Part::ALL {
            for later in [sealed_by(2, b"whatever", part), sealed_by(1, b"\xa1\x63new\x01", part)] {
                let mut parts = parts.clone();
                parts.insert(part.name().to_owned(), later.clone());
                assert_eq!(open(&parts), Err(PhoneError::StateLater), "{part:?}");
                // One flipped bit is damage, wherever it is.
                let mut damaged = later;
                damaged[0] ^= 4;
                parts.insert(part.name().to_owned(), damaged);
                assert!(open(&parts).is_ok(), "{part:?}");
            }
        }
    }
}
