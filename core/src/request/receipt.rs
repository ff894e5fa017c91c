//! What the phone signs about an approval (docs/PROTOCOL.md §5.5).

use crate::{
    keys::{BadSignature, PublicKey, Signature, SigningKey, verify},
    labels,
};

/// The fields of a receipt.
pub(crate) struct ReceiptOf<'a> {
    pub(crate) hash: &'a [u8; 32],
    pub(crate) request_id: &'a [u8; 16],
    pub(crate) seed_id: &'a [u8; 16],
    pub(crate) now: u64,
    pub(crate) first_step: u64,
    pub(crate) count: u8,
}

impl ReceiptOf<'_> {
    pub(crate) fn sign(&self, key: &SigningKey) -> Signature {
        self.with_parts(|parts| key.sign(labels::RECEIPT, parts))
    }

    pub(crate) fn verify(&self, signer: &PublicKey, signature: &Signature) -> Result<(), BadSignature> {
        self.with_parts(|parts| verify(signer, labels::RECEIPT, parts, signature))
    }

    fn with_parts<T>(&self, use_parts: impl FnOnce(&[&[u8]]) -> T) -> T {
        use_parts(&[self.hash, self.request_id, self.seed_id, &self.now.to_be_bytes(), &self.first_step.to_be_bytes(), &[self.count]])
    }
}
