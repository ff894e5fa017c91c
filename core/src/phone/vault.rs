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
    Context, NotSaved,
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
    /// All of them, in the order in which they are saved: what burns a step comes first.
    pub const ALL: [Self; 6] = [Self::Seeds, Self::Pairings, Self::Requests, Self::History, Self::Phone, Self::PhoneCopy];

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

/// Reads all parts; an error if nothing says which phone it is.
pub(super) fn open(key: &StateKey, parts: &Parts) -> Result<Opened, ChannelError> {
    let mut opened = Reading { key, parts, saved: Saved::default(), lost: Vec::new() };
    let (own, copy) = (opened.read::<Own>(Part::Phone), opened.read::<Own>(Part::PhoneCopy));
    let own = own.or(copy).ok_or(ChannelError::Decrypt)?;
    let state = State {
        own,
        paired: opened.read(Part::Pairings).unwrap_or_default(),
        index: opened.read(Part::Seeds).unwrap_or_default(),
        replay: opened.read(Part::Requests).unwrap_or_default(),
        history: opened.read(Part::History).unwrap_or_default(),
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
    fn read<T: Serialize + DeserializeOwned>(&mut self, part: Part) -> Option<T> {
        let plain = self.parts.get(part.name()).and_then(|sealed| unseal(self.key, part, sealed).ok());
        let value = plain.as_ref().and_then(|plain| decode(plain).ok());
        match (&plain, &value) {
            (Some(plain), Some(_)) => drop(self.saved.0.insert(part, Sha256::digest(&**plain).into())),
            _ => self.lost.push(part),
        }
        value
    }
}

fn aad(part: Part) -> Vec<u8> {
    [&[VERSION], part.name().as_bytes()].concat()
}

fn seal(key: &StateKey, part: Part, plain: &[u8], rng: &mut (impl RngCore + CryptoRng)) -> Result<Vec<u8>, ChannelError> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    // The cipher needs its key.
    let sealed = XChaCha20Poly1305::new(Key::from_slice(key.0.expose()))
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: &aad(part) })
        .map_err(|_| ChannelError::TooLong)?;
    Ok([&[VERSION], &nonce[..], &sealed].concat())
}

fn unseal(key: &StateKey, part: Part, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
    let (version, rest) = sealed.split_first_chunk::<1>().ok_or(ChannelError::Malformed)?;
    let (nonce, rest) = rest.split_at_checked(NONCE).ok_or(ChannelError::Malformed)?;
    if *version != [VERSION] {
        return Err(ChannelError::Malformed);
    }
    // The cipher needs its key.
    XChaCha20Poly1305::new(Key::from_slice(key.0.expose()))
        .decrypt(XNonce::from_slice(nonce), Payload { msg: rest, aad: &aad(part) })
        .map(Zeroizing::new)
        .map_err(|_| ChannelError::Decrypt)
}
