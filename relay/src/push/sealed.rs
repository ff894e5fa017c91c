//! The sealed push address: a subscription that only a relay with these keys can read again (docs/PROTOCOL.md §7.7).
//!
//! `key id (4) | nonce (24) | XChaCha20-Poly1305(p256dh (65) | auth (16) | endpoint | zeros)`, bound to a mailbox: who copies it out of a ticket can't put it into a
//! ticket of his own. The nonce comes from the plaintext (a synthetic IV), so the same subscription gives the same bytes: a phone may register on every
//! connection and its tickets stay good. The padding hides which push service it is.

use std::fmt;

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use countersign_core::relay::{MAX_ENDPOINT, MAX_SEALED_PUSH, Mailbox, Subscription};
use hkdf::Hkdf;
use p256::PublicKey;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::target::{Endpoint, Target};

const LABEL: &[u8] = b"countersign/1 push address\0";
const KEY_LABEL: &[u8] = b"countersign/1 push address key\0";
const NONCE_LABEL: &[u8] = b"countersign/1 push address nonce\0";
const ID: usize = 4;
const NONCE: usize = 24;
const KEYS: usize = 65 + 16;
/// Endpoints are padded to the first of these that holds them.
const ENDPOINT_SIZES: [usize; 2] = [256, MAX_ENDPOINT];

const _: () = assert!(ID + NONCE + KEYS + MAX_ENDPOINT + 16 <= MAX_SEALED_PUSH);

/// One sealing key; wiped on drop, `Debug` reveals nothing.
pub(crate) struct SealingKey {
    pub(crate) id: [u8; ID],
    pub(crate) secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

impl SealingKey {
    /// Seals a subscription for a mailbox; `None` if it is none that this relay would send to.
    pub(crate) fn seal(&self, mailbox: &Mailbox, subscription: &Subscription<'_>, private: bool) -> Option<Vec<u8>> {
        PublicKey::from_sec1_bytes(&subscription.p256dh).ok()?;
        Endpoint::parse(subscription.endpoint, private)?;
        let size = ENDPOINT_SIZES.into_iter().find(|size| subscription.endpoint.len() <= *size)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(KEYS + size));
        plain.extend_from_slice(&subscription.p256dh);
        plain.extend_from_slice(&subscription.auth);
        plain.extend_from_slice(subscription.endpoint);
        plain.resize(KEYS + size, 0);
        let nonce: Zeroizing<[u8; NONCE]> = self.derive(&Zeroizing::new([NONCE_LABEL, mailbox.as_bytes(), &plain].concat()))?;
        let aad = aad(mailbox);
        let sealed = self.cipher()?.encrypt(XNonce::from_slice(&*nonce), Payload { msg: &plain, aad: &aad }).ok()?;
        Some([self.id.as_slice(), &*nonce, &sealed].concat())
    }

    /// Reads what [`SealingKey::seal`] gave for this mailbox.
    pub(crate) fn open(&self, mailbox: &Mailbox, sealed: &[u8]) -> Option<Target> {
        let (nonce, sealed) = sealed.strip_prefix(&self.id)?.split_at_checked(NONCE)?;
        let aad = aad(mailbox);
        let plain = Zeroizing::new(self.cipher()?.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: &aad }).ok()?);
        let (p256dh, rest) = plain.split_first_chunk()?;
        let (auth, padded) = rest.split_first_chunk()?;
        let end = padded.iter().position(|byte| *byte == 0).unwrap_or(padded.len());
        let endpoint = std::str::from_utf8(padded.get(..end)?).ok()?.to_owned();
        Some(Target { endpoint, p256dh: *p256dh, auth: *auth })
    }

    fn cipher(&self) -> Option<XChaCha20Poly1305> {
        let key: Zeroizing<[u8; 32]> = self.derive(KEY_LABEL)?;
        Some(XChaCha20Poly1305::new(Key::from_slice(&*key)))
    }

    fn derive<const N: usize>(&self, info: &[u8]) -> Option<Zeroizing<[u8; N]>> {
        let mut out = Zeroizing::new([0; N]);
        Hkdf::<Sha256>::new(None, &*self.secret).expand(info, &mut *out).ok()?;
        Some(out)
    }
}

fn aad(mailbox: &Mailbox) -> Vec<u8> {
    [LABEL, mailbox.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use p256::{SecretKey, elliptic_curve::sec1::ToEncodedPoint as _};

    use super::*;

    fn key(n: u8) -> SealingKey {
        SealingKey { id: [n; 4], secret: Zeroizing::new([n; 32]) }
    }

    fn p256dh() -> [u8; 65] {
        SecretKey::from_slice(&[5; 32]).unwrap().public_key().to_encoded_point(false).as_bytes().try_into().unwrap()
    }

    const ALICE: Mailbox = Mailbox::from_bytes([1; 32]);
    const MALLORY: Mailbox = Mailbox::from_bytes([2; 32]);

    #[test]
    fn only_this_key_and_mailbox_open_it() {
        let endpoint = b"https://push.example.org/abc";
        let subscription = Subscription { p256dh: p256dh(), auth: [9; 16], endpoint };
        let sealed = key(1).seal(&ALICE, &subscription, false).unwrap();
        assert_eq!(key(1).seal(&ALICE, &subscription, false).unwrap(), sealed, "the same again, so that tickets stay good");
        assert_ne!(key(1).seal(&MALLORY, &subscription, false).unwrap()[4..28], sealed[4..28], "no nonce twice");
        assert_eq!(key(1).open(&ALICE, &sealed).unwrap().subscription(), subscription);
        assert!(key(1).open(&MALLORY, &sealed).is_none());
        assert!(key(2).open(&ALICE, &sealed).is_none());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key(1).open(&ALICE, &damaged).is_none(), "{at}");
            assert!(key(1).open(&ALICE, &sealed[..at]).is_none(), "{at}");
        }
        assert!(!sealed.windows(4).any(|window| window == b"push"));
    }

    #[test]
    fn the_length_says_little() {
        let sealed = |length: usize| {
            let endpoint = format!("https://push.example.org/{}", "a".repeat(length - 25));
            key(1).seal(&ALICE, &Subscription { p256dh: p256dh(), auth: [9; 16], endpoint: endpoint.as_bytes() }, false).unwrap().len()
        };
        assert_eq!((sealed(26), sealed(256)), (381, 381));
        assert_eq!((sealed(257), sealed(640)), (765, 765));
    }

    #[test]
    fn what_is_not_sealed() {
        let subscription = Subscription { p256dh: p256dh(), auth: [9; 16], endpoint: b"https://127.0.0.1/" };
        assert!(key(1).seal(&ALICE, &subscription, false).is_none());
        assert!(key(1).seal(&ALICE, &subscription, true).is_some());
        let no_point = Subscription { p256dh: [4; 65], auth: [9; 16], endpoint: b"https://push.example.org/" };
        assert!(key(1).seal(&ALICE, &no_point, false).is_none());
        assert_eq!(format!("{:?}", key(1)), "SealingKey(..)");
    }
}
