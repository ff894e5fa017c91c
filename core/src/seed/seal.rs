//! Sealing a seed.

use std::io::Write as _;

use super::{Recipient, SealedSeed, SeedId, grammar::SealedError, record};
use crate::{keys::SigningKey, otp::OtpAuth};

/// Most recipients of a sealed seed: with age's grease stanza that makes `MAX_STANZAS`.
pub const MAX_RECIPIENTS: usize = 7;

/// How often a file that breaks a limit is made anew. The longest grease age makes fits, so this is for a future age.
const TRIES: usize = 8;

/// Why a seed can't be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Nobody could open it.
    #[error("a seed needs at least one recipient")]
    NoRecipient,
    /// More than [`MAX_RECIPIENTS`].
    #[error("a seed can have at most {MAX_RECIPIENTS} recipients")]
    TooManyRecipients,
    /// The same recipient twice.
    #[error("a recipient is named twice")]
    Repeated,
    /// The file breaks a limit however often it is made.
    #[error("the sealed seed would be too large; use fewer recipients")]
    Limit(#[source] SealedError),
    /// The age crate failed.
    #[error("the seed could not be encrypted")]
    Age,
}

/// Signs and encrypts a seed for 1 to [`MAX_RECIPIENTS`] recipients. `created` is in Unix seconds.
///
/// The randomness of the encryption is the operating system's, by way of the age crate.
///
/// # Errors
/// [`SealError::NoRecipient`], [`SealError::TooManyRecipients`] and [`SealError::Repeated`] for the recipients; the others do not occur
/// with the age crate this is built with.
pub fn seal(
    otpauth: &OtpAuth,
    seed_id: SeedId,
    created: u64,
    signer: &SigningKey,
    recipients: &[Recipient],
) -> Result<SealedSeed, SealError> {
    if recipients.is_empty() {
        return Err(SealError::NoRecipient);
    }
    if recipients.len() > MAX_RECIPIENTS {
        return Err(SealError::TooManyRecipients);
    }
    let mut sorted: Vec<&Recipient> = recipients.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(SealError::Repeated);
    }
    let keys = recipients.iter().map(|recipient| recipient.as_str().parse::<age::x25519::Recipient>());
    let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|_| SealError::Age)?;
    let plaintext = record::write(&seed_id, otpauth, created, signer).ok_or(SealError::Age)?;
    let mut result = Err(SealError::Age);
    for _ in 0..TRIES {
        result = SealedSeed::parse(encrypt(&keys, &plaintext)?).map_err(SealError::Limit);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn encrypt(keys: &[age::x25519::Recipient], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let keys = keys.iter().map(|key| key as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(keys).map_err(|_| SealError::Age)?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| SealError::Age)?;
    writer.write_all(plaintext).map_err(|_| SealError::Age)?;
    writer.finish().map_err(|_| SealError::Age)?;
    Ok(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keys::UnlockRoot,
        otp::parse_otpauth,
        seed::{MAX_SEALED, age_recipient},
    };

    fn root(n: u8) -> UnlockRoot {
        UnlockRoot::from_slice(&[n; 32]).unwrap()
    }

    fn recipients(count: u8) -> Vec<Recipient> {
        (0..count).map(|n| age_recipient(&root(n).derive_age_identity()).unwrap()).collect()
    }

    fn long() -> OtpAuth {
        let label = "i".repeat(120);
        parse_otpauth(&format!("otpauth://totp/{label}:a?secret={}", "A".repeat(103))).unwrap()
    }

    #[test]
    fn the_number_of_recipients_is_checked() {
        let seal = |recipients: &[Recipient]| seal(&long(), [0; 16], 0, &root(0).derive_signing(), recipients);
        assert_eq!(seal(&[]), Err(SealError::NoRecipient));
        assert_eq!(seal(&recipients(8)), Err(SealError::TooManyRecipients));
        let mut twice = recipients(3);
        twice.push(twice[0].clone());
        assert_eq!(seal(&twice), Err(SealError::Repeated));
        assert!(seal(&recipients(7)).is_ok());
    }

    /// age adds a stanza of random size: the largest record for most recipients has to fit every time.
    #[test]
    fn the_largest_seed_fits_whatever_the_grease() {
        let keys: Vec<age::x25519::Recipient> = recipients(7).iter().map(|recipient| recipient.as_str().parse().unwrap()).collect();
        let mut largest = 0;
        for _ in 0..200 {
            let file = encrypt(&keys, &[b' '; 1024]).unwrap();
            largest = largest.max(file.len());
            assert!(SealedSeed::parse(file).is_ok());
        }
        assert!((1900..=MAX_SEALED).contains(&largest), "{largest}");
    }
}
