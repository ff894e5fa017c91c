//! Ed25519 over `label | 00 | message`, always verified strictly.

use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use super::Secret32;

/// An Ed25519 public key, 32 bytes as on the wire. Not checked until it is used.
pub type PublicKey = [u8; 32];
/// An Ed25519 signature, 64 bytes.
pub type Signature = [u8; 64];

/// The signature does not belong to this key, label and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid")]
pub struct BadSignature;

/// An Ed25519 secret key; wiped on drop, `Debug` reveals nothing.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    pub(crate) fn from_secret(secret: &Secret32) -> Self {
        // The bytes are the Ed25519 seed; dalek's own copy is wiped on drop (feature `zeroize`).
        Self(ed25519_dalek::SigningKey::from_bytes(secret.expose()))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.0.verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, label: &str, parts: &[&[u8]]) -> Signature {
        self.0.sign(&message(label, parts)).to_bytes()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Checks `signature` over `label | 00 | parts...` with `verify_strict`.
///
/// # Errors
/// [`BadSignature`] also when `public` is no valid or a small-order key.
pub(crate) fn verify(public: &PublicKey, label: &str, parts: &[&[u8]], signature: &Signature) -> Result<(), BadSignature> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(&message(label, parts), &signature).map_err(|_| BadSignature)
}

/// Wiped, because a record's message holds the whole otpauth URI.
fn message(label: &str, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(Vec::with_capacity(label.len() + 1 + parts.iter().map(|part| part.len()).sum::<usize>()));
    message.extend_from_slice(label.as_bytes());
    message.push(0);
    for part in parts {
        message.extend_from_slice(part);
    }
    message
}
