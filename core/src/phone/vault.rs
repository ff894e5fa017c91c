//! The state at rest: `01 | nonce (24) | XChaCha20-Poly1305` (docs/PROTOCOL.md §10).

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::state::State;
use crate::{
    channel::{ChannelError, decode, encode_into},
    keys::StateKey,
};

const VERSION: u8 = 1;
const NONCE: usize = 24;

pub(super) fn seal(key: &StateKey, state: &State, rng: &mut (impl RngCore + CryptoRng)) -> Result<Vec<u8>, ChannelError> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let plain = encode_into(state, state.room())?;
    // The cipher needs its key.
    let sealed = XChaCha20Poly1305::new(Key::from_slice(key.0.expose()))
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: &plain, aad: &[VERSION] })
        .map_err(|_| ChannelError::TooLong)?;
    Ok([&[VERSION], &nonce[..], &sealed].concat())
}

pub(super) fn open(key: &StateKey, sealed: &[u8]) -> Result<State, ChannelError> {
    let (version, rest) = sealed.split_first_chunk::<1>().ok_or(ChannelError::Malformed)?;
    let (nonce, rest) = rest.split_at_checked(NONCE).ok_or(ChannelError::Malformed)?;
    // The cipher needs its key.
    let plain = XChaCha20Poly1305::new(Key::from_slice(key.0.expose()))
        .decrypt(XNonce::from_slice(nonce), Payload { msg: rest, aad: version })
        .map(Zeroizing::new)
        .map_err(|_| ChannelError::Decrypt)?;
    if *version != [VERSION] {
        return Err(ChannelError::Malformed);
    }
    decode(&plain)
}
