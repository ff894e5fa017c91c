//! Opening a sealed seed.

use std::io::Read as _;

use zeroize::Zeroizing;

use super::{RECORD_SIZES, SealedSeed, SeedId, record};
use crate::{
    keys::{AgeIdentity, PublicKey},
    otp::OtpAuth,
};

/// An opened seed, signed by somebody trusted. The secret in it is wiped on drop; `Debug` reveals nothing of it.
#[derive(Debug)]
pub struct OpenedSeed {
    /// Names the seed.
    pub seed_id: SeedId,
    /// The secret, and how codes are made from it.
    pub otpauth: OtpAuth,
    /// When it was sealed, in Unix seconds by the signer's clock.
    pub created: u64,
    /// Who signed the record.
    pub enrolled_by: PublicKey,
}

/// Why a sealed seed does not open. There is one answer whatever the reason, so that nobody can learn from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not for this identity, damaged, no record, or signed by nobody trusted.
    #[error("the sealed seed could not be opened by this phone")]
    Failed,
}

/// Decrypts a sealed seed and verifies its record. `trusted` says whether records signed by a key count: the phone's own signing
/// key, and those its owner told it to trust.
///
/// # Errors
/// [`OpenError::Failed`], whatever went wrong.
pub fn open(sealed: &SealedSeed, identity: &AgeIdentity, trusted: &dyn Fn(&PublicKey) -> bool) -> Result<OpenedSeed, OpenError> {
    let plaintext = decrypt(sealed, identity).ok_or(OpenError::Failed)?;
    let record = record::read(&plaintext, trusted).ok_or(OpenError::Failed)?;
    let record::Record { seed_id, otpauth, created, enrolled_by } = record;
    Ok(OpenedSeed { seed_id, otpauth, created, enrolled_by })
}

fn decrypt(sealed: &SealedSeed, identity: &AgeIdentity) -> Option<Zeroizing<Vec<u8>>> {
    // The age crate reads identities from this text form only; its own copy of the key is wiped on drop.
    let identity: age::x25519::Identity = identity.expose().parse().ok()?;
    let decryptor = age::Decryptor::new_buffered(sealed.as_bytes()).ok()?;
    let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).ok()?;
    // One byte longer than a record, and never grown: growing would leave a copy behind.
    let mut plaintext = Zeroizing::new(vec![0; RECORD_SIZES.into_iter().max()? + 1]);
    let mut length = 0;
    loop {
        match reader.read(plaintext.get_mut(length..)?).ok()? {
            0 => break,
            read => length += read,
        }
    }
    plaintext.truncate(length);
    Some(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keys::UnlockRoot,
        otp::parse_otpauth,
        seed::{age_recipient, seal},
    };

    fn root(n: u8) -> UnlockRoot {
        UnlockRoot::from_slice(&[n; 32]).unwrap()
    }

    fn sealed(signer: u8, to: &[u8]) -> SealedSeed {
        let otpauth = parse_otpauth("otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        let recipients: Vec<_> = to.iter().map(|&n| age_recipient(&root(n).derive_age_identity()).unwrap()).collect();
        seal(&otpauth, [5; 16], 1_700_000_000, &root(signer).derive_signing(), &recipients).unwrap()
    }

    fn opens(sealed: &SealedSeed, phone: u8) -> Result<OpenedSeed, OpenError> {
        let own = root(1).derive_signing().public();
        open(sealed, &root(phone).derive_age_identity(), &|key| *key == own)
    }

    #[test]
    fn every_recipient_opens_it() {
        let sealed = sealed(1, &[1, 2, 3, 4, 5, 6, 7]);
        for phone in 1..=7 {
            let opened = opens(&sealed, phone).unwrap();
            assert_eq!((opened.seed_id, opened.created, opened.enrolled_by), ([5; 16], 1_700_000_000, root(1).derive_signing().public()));
            assert_eq!(opened.otpauth.label(), "ACME:alice");
            assert!(format!("{opened:?}").contains("otpauth: OtpAuth(..)"));
        }
        assert!(opens(&sealed, 8).is_err());
    }

    #[test]
    fn strangers_records_do_not_open() {
        assert!(opens(&sealed(1, &[1]), 1).is_ok());
        assert_eq!(opens(&sealed(2, &[1]), 1).unwrap_err(), OpenError::Failed);
    }

    /// One flipped bit anywhere is refused by the grammar or fails uniformly; a cut likewise. Never a panic.
    #[test]
    fn damage_never_opens() {
        let good = sealed(1, &[1]);
        for at in 0..good.as_bytes().len() {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] ^= 1 << (at % 8);
            if let Ok(flipped) = SealedSeed::parse(bytes.clone()) {
                assert_eq!(opens(&flipped, 1).unwrap_err(), OpenError::Failed, "{at}");
            }
            bytes.truncate(at);
            if let Ok(cut) = SealedSeed::parse(bytes) {
                assert_eq!(opens(&cut, 1).unwrap_err(), OpenError::Failed, "{at}");
            }
        }
    }
}
