//! The wrapper around every 32-byte secret.

use rand_core::{CryptoRng, RngCore};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 secret bytes: wiped on drop, compared in constant time, never printed.
///
/// There is deliberately no `Clone`, `Serialize` or `Display`; `Debug` prints `Secret32(..)`.
///
/// The bytes are on the heap and never move: a moved array would leave its old copy on the stack.
#[derive(ZeroizeOnDrop)]
pub struct Secret32(Box<[u8; 32]>);

impl Secret32 {
    /// Makes a fresh secret from `rng`.
    pub fn make(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self::fill(|bytes| rng.fill_bytes(bytes))
    }

    /// Copies `bytes` and wipes the copy it was given; others are the caller's to wipe.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let secret = Self::copy(&bytes);
        bytes.zeroize();
        secret
    }

    /// Copies from a slice of exactly 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::copy)
    }

    /// Has `fill` write the bytes in place.
    pub(crate) fn fill(fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut secret = Self(Box::new([0; 32]));
        fill(&mut secret.0);
        secret
    }

    fn copy(bytes: &[u8; 32]) -> Self {
        Self::fill(|own| own.copy_from_slice(bytes))
    }

    /// The bytes themselves. Every call carries a comment that says why.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A second copy, wiped on its own. Named so that copies are visible in review.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::copy(&self.0)
    }
}

impl PartialEq for Secret32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Secret32 {}

impl std::fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret32(..)")
    }
}
