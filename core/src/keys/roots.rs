//! The three roots and what is derived from each.

use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{ChannelPublic, Secret32, SigningKey, derive};
use crate::labels;

/// Names one pairing, 16 bytes; public.
pub type PairingId = [u8; 16];

/// An X25519 secret for the channel; wiped on drop.
pub struct ChannelKey(Secret32);

impl ChannelKey {
    pub(crate) fn secret(&self) -> &Secret32 {
        &self.0
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> ChannelPublic {
        // Needed to compute the public key; dalek's StaticSecret is wiped on drop.
        let secret = x25519_dalek::StaticSecret::from(*self.0.expose());
        x25519_dalek::PublicKey::from(&secret).to_bytes()
    }
}

/// The key that encrypts the phone's state at rest.
pub struct StateKey(pub(crate) Secret32);

/// The age identity of a phone, as the text `AGE-SECRET-KEY-1...`; wiped on drop.
pub struct AgeIdentity(Zeroizing<String>);

impl AgeIdentity {
    /// The text form. Every call carries a comment that says why.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

macro_rules! root {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(PartialEq, Eq)]
        pub struct $name(Secret32);

        impl $name {
            /// Makes a fresh root from `rng`.
            pub fn make(rng: &mut (impl RngCore + CryptoRng)) -> Self {
                Self(Secret32::make(rng))
            }

            #[allow(dead_code, reason = "not every root is moved")]
            pub(crate) fn of(secret: Secret32) -> Self {
                Self(secret)
            }

            #[allow(dead_code, reason = "as above")]
            pub(crate) fn secret(&self) -> &Secret32 {
                &self.0
            }

            /// Takes 32 stored bytes; `None` for another length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Secret32::from_slice(bytes).map(Self)
            }

            /// The 32 bytes, for storing. Every call carries a comment that says why.
            #[must_use]
            pub fn expose(&self) -> &[u8; 32] {
                self.0.expose()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

root! {
    /// The phone's root in ordinary secure storage: channels, mailboxes, state.
    DeviceRoot
}
root! {
    /// The phone's root behind user presence: opens seeds, signs records and receipts. Wiped after each approval.
    UnlockRoot
}
root! {
    /// CI's root: channel static and sender key.
    CiRoot
}

impl DeviceRoot {
    /// The channel static of one pairing.
    #[must_use]
    pub fn derive_channel(&self, pairing: &PairingId) -> ChannelKey {
        // Input of HKDF.
        ChannelKey(derive(self.0.expose(), labels::PHONE_CHANNEL, pairing))
    }

    /// The mailbox key of one pairing.
    #[must_use]
    pub fn derive_mailbox(&self, pairing: &PairingId) -> SigningKey {
        // Input of HKDF.
        SigningKey::from_secret(&derive(self.0.expose(), labels::PHONE_MAILBOX, pairing))
    }

    /// The key of the state at rest.
    #[must_use]
    pub fn derive_state_key(&self) -> StateKey {
        // Input of HKDF.
        StateKey(derive(self.0.expose(), labels::PHONE_STATE, &[]))
    }
}

impl UnlockRoot {
    /// The age identity that opens sealed seeds.
    #[must_use]
    pub fn derive_age_identity(&self) -> AgeIdentity {
        // Input of HKDF.
        let secret = derive(self.0.expose(), labels::AGE_IDENTITY, &[]);
        const HRP: bech32::Hrp = bech32::Hrp::parse_unchecked("age-secret-key-");
        // age reads its identities from this text form only.
        AgeIdentity(super::encode_bech32(HRP, secret.expose()))
    }

    /// The key that signs records and receipts.
    #[must_use]
    pub fn derive_signing(&self) -> SigningKey {
        // Input of HKDF.
        SigningKey::from_secret(&derive(self.0.expose(), labels::SIGNING, &[]))
    }
}

impl CiRoot {
    /// CI's channel static.
    #[must_use]
    pub fn derive_channel(&self) -> ChannelKey {
        // Input of HKDF.
        ChannelKey(derive(self.0.expose(), labels::CI_CHANNEL, &[]))
    }

    /// CI's sender key, shown to relays.
    #[must_use]
    pub fn derive_sender(&self) -> SigningKey {
        // Input of HKDF.
        SigningKey::from_secret(&derive(self.0.expose(), labels::CI_SENDER, &[]))
    }
}

/// Locks what `Debug` of every secret type prints.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_reveals_nothing() {
        let secret = || Secret32::from_bytes([7; 32]);
        assert_eq!(format!("{:?}", secret()), "Secret32(..)");
        assert_eq!(format!("{:?}", DeviceRoot(secret())), "DeviceRoot(..)");
        assert_eq!(format!("{:?}", UnlockRoot(secret())), "UnlockRoot(..)");
        assert_eq!(format!("{:?}", CiRoot(secret())), "CiRoot(..)");
        assert_eq!(format!("{:?}", SigningKey::from_secret(&secret())), "SigningKey(..)");
    }

    #[test]
    fn age_accepts_the_identity() {
        let identity = UnlockRoot(Secret32::from_bytes([7; 32])).derive_age_identity();
        assert!(identity.expose().parse::<age::x25519::Identity>().is_ok());
    }
}
