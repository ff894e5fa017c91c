//! HKDF and hashing under labels (docs/PROTOCOL.md §1).

use hkdf::Hkdf;
use sha2::{Digest, Sha256};

use super::Secret32;

/// `HKDF-SHA256(ikm = root, salt = empty, info = label | 00 | context)`, 32 bytes.
pub(crate) fn derive(root: &[u8], label: &str, context: &[u8]) -> Secret32 {
    expand(None, root, label, context)
}

/// As [`derive`], with a salt.
pub(crate) fn derive_salted(salt: &[u8], root: &[u8], label: &str) -> Secret32 {
    expand(Some(salt), root, label, &[])
}

fn expand(salt: Option<&[u8]>, root: &[u8], label: &str, context: &[u8]) -> Secret32 {
    Secret32::fill(|out| {
        // 32 bytes are far below HKDF's bound of 255 blocks, the only way this can fail.
        let _: Result<(), hkdf::InvalidLength> = Hkdf::<Sha256>::new(salt, root).expand_multi_info(&[label.as_bytes(), &[0], context], out);
    })
}

/// `SHA-256(label | 00 | parts...)`.
pub(crate) fn hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new().chain_update(label).chain_update([0]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A number of `digits` decimal digits, left-padded with zeros: the first 8 bytes of `derive(input, label)` mod 10^digits.
pub(crate) fn decimal(input: &[u8; 32], label: &str, digits: u8) -> String {
    let bytes = derive(input, label, &[]);
    // The digits are shown to the human on purpose.
    let first = bytes.expose().first_chunk::<8>().copied().unwrap_or_default();
    let modulus = 10_u64.pow(u32::from(digits.min(18)));
    format!("{:0width$}", u64::from_be_bytes(first) % modulus, width = usize::from(digits))
}
