//! Roots, the keys derived from them, and how they are written as text (docs/PROTOCOL.md §1).

mod bech32_text;
mod ci_key;
mod derive;
mod roots;
mod secret;
mod signing;

pub(crate) use bech32_text::{decode as decode_bech32, encode as encode_bech32};
pub use ci_key::{CiKey, CiKeyError, parse_ci_keys};
pub(crate) use derive::{decimal, derive, derive_salted, hash};
pub use roots::{AgeIdentity, ChannelKey, CiRoot, DeviceRoot, PairingId, StateKey, UnlockRoot};
pub use secret::Secret32;
pub(crate) use signing::verify;
pub use signing::{BadSignature, PublicKey, Signature, SigningKey};

/// An X25519 public key, 32 bytes.
pub type ChannelPublic = [u8; 32];
