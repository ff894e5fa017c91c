//! The primitives behind `snow`: X25519, ChaCha20-Poly1305, SHA-256.
//!
//! snow's own resolver neither wipes keys nor refuses all-zero shared secrets; this one does both. It holds the one ephemeral
//! secret of a handshake, so that randomness stays an argument: a second draw is an error, an ephemeral is never reused.

use std::sync::Mutex;

use chacha20poly1305::{AeadInPlace as _, ChaCha20Poly1305, Key, KeyInit as _, Nonce, Tag};
use sha2::{Digest as _, Sha256};
use snow::{
    Error,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::CryptoResolver,
    types::{Cipher, Dh, Hash, Random},
};
use zeroize::Zeroizing;

use crate::keys::Secret32;

const TAG: usize = 16;

/// Gives snow its primitives, and the ephemeral secret once.
pub(super) struct Resolver(Mutex<Option<Secret32>>);

impl Resolver {
    pub(super) fn new(ephemeral: Secret32) -> Self {
        Self(Mutex::new(Some(ephemeral)))
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        let ephemeral = self.0.lock().ok()?.take();
        Some(Box::new(OneEphemeral(ephemeral)))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::<X25519>::default() as _)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::<Sha>::default() as _)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly).then(|| Box::<ChaChaPoly>::default() as _)
    }
}

struct OneEphemeral(Option<Secret32>);

impl Random for OneEphemeral {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        let secret = self.0.take().ok_or(Error::Rng)?;
        if out.len() != 32 {
            return Err(Error::Rng);
        }
        // This is the ephemeral that snow asked for.
        out.copy_from_slice(secret.expose());
        Ok(())
    }
}

#[derive(Default)]
struct X25519 {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl X25519 {
    fn static_secret(&self) -> x25519_dalek::StaticSecret {
        x25519_dalek::StaticSecret::from(*self.secret)
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        // snow checks the length before; a wrong one would leave the zero key, whose results `dh` refuses or nobody can use.
        if let Ok(secret) = secret.try_into() {
            self.secret = Zeroizing::new(secret);
            self.public = x25519_dalek::PublicKey::from(&self.static_secret()).to_bytes();
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut *secret)?;
        self.set(&*secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &*self.secret
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public: [u8; 32] = public.get(..32).and_then(|key| key.try_into().ok()).ok_or(Error::Dh)?;
        let shared = self.static_secret().diffie_hellman(&public.into());
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        out.get_mut(..32).ok_or(Error::Dh)?.copy_from_slice(shared.as_bytes());
        Ok(())
    }
}

#[derive(Default)]
struct ChaChaPoly(Zeroizing<[u8; 32]>);

impl ChaChaPoly {
    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(Key::from_slice(&*self.0))
    }

    fn nonce(counter: u64) -> Nonce {
        let mut nonce = Nonce::default();
        for (to, from) in nonce.iter_mut().skip(4).zip(counter.to_le_bytes()) {
            *to = from;
        }
        nonce
    }
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = Zeroizing::new(*key);
    }

    fn encrypt(&self, nonce: u64, associated: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        // snow sizes `out` before; should it ever not, the output stays zeros and the peer refuses it.
        let length = plain.len();
        let Some((body, rest)) = out.split_at_mut_checked(length) else { return 0 };
        let Some(tag_out) = rest.get_mut(..TAG) else { return 0 };
        body.copy_from_slice(plain);
        match self.cipher().encrypt_in_place_detached(&Self::nonce(nonce), associated, body) {
            Ok(tag) => tag_out.copy_from_slice(&tag),
            Err(_) => body.fill(0),
        }
        length + TAG
    }

    fn decrypt(&self, nonce: u64, associated: &[u8], sealed: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let length = sealed.len().checked_sub(TAG).ok_or(Error::Decrypt)?;
        let (body, tag) = sealed.split_at_checked(length).ok_or(Error::Decrypt)?;
        let out = out.get_mut(..length).ok_or(Error::Decrypt)?;
        out.copy_from_slice(body);
        self.cipher().decrypt_in_place_detached(&Self::nonce(nonce), associated, out, Tag::from_slice(tag)).map_err(|_| Error::Decrypt)?;
        Ok(length)
    }
}

#[derive(Default)]
struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        if let Some(out) = out.get_mut(..32) {
            out.copy_from_slice(&self.0.finalize_reset());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_all_zero_shared_secret_is_refused() {
        let mut dh = X25519::default();
        dh.set(&[7; 32]);
        let mut out = [0; 32];
        assert!(dh.dh(&[0; 32], &mut out).is_err());
        let mut one = [0; 32];
        one[0] = 1;
        assert!(dh.dh(&one, &mut out).is_err());
    }

    #[test]
    fn an_ephemeral_is_drawn_once() {
        let resolver = Resolver::new(Secret32::from_bytes([9; 32]));
        let mut rng = resolver.resolve_rng().unwrap();
        let mut out = [0; 32];
        assert!(rng.try_fill_bytes(&mut out).is_ok());
        assert_eq!(out, [9; 32]);
        assert!(rng.try_fill_bytes(&mut out).is_err());
        assert!(resolver.resolve_rng().unwrap().try_fill_bytes(&mut out).is_err());
    }
}
