//! Backups: the core's bytes in an age file with a passphrase, which `age -d` opens too.

use zeroize::Zeroizing;

use crate::{
    AuthenticatorError,
    passphrase::{self, NotOpened},
};

/// Fewest characters of a passphrase: with the backup in hand anybody can try as often as they like.
pub const MIN_PASSPHRASE: usize = 12;
/// Largest backup, bytes.
pub const MAX_BACKUP: usize = 4 * 1024 * 1024;
/// The text of [`AuthenticatorError::BadInput`] if it is only the passphrase of a backup that is wrong.
pub const WRONG_PASSPHRASE: &str = "this is not the passphrase of this backup; type it again";
/// scrypt's work: 2^16 rounds, 64 MiB, well under a second on a phone.
const LOG_N: u8 = 16;
/// The most work that a backup may ask for: 2^18 rounds, 256 MiB.
const MAX_LOG_N: u8 = 18;

/// Refuses what is guessed too soon.
pub(crate) fn check_passphrase(passphrase: &str) -> Result<(), AuthenticatorError> {
    if passphrase.chars().count() < MIN_PASSPHRASE {
        return Err(AuthenticatorError::BadInput(format!("a backup needs a passphrase of at least {MIN_PASSPHRASE} characters")));
    }
    Ok(())
}

/// Encrypts what [`countersign_core::phone::Phone::back_up`] gives.
pub(crate) fn seal(plain: &[u8], passphrase: &str) -> Result<Vec<u8>, AuthenticatorError> {
    check_passphrase(passphrase)?;
    let sealed = passphrase::seal(plain, passphrase, LOG_N);
    sealed.ok_or_else(|| AuthenticatorError::TryAgain("the backup could not be encrypted; try again".into()))
}

/// Opens a backup.
pub(crate) fn open(sealed: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, AuthenticatorError> {
    let bad = |why: &str| AuthenticatorError::BadInput(why.to_owned());
    let damaged = || bad("this is no backup of Countersign, or it was cut or damaged: copy it again");
    if sealed.len() > MAX_BACKUP {
        return Err(damaged());
    }
    passphrase::open(sealed, passphrase, MAX_LOG_N).map_err(|error| match error {
        NotOpened::Wrong => bad(WRONG_PASSPHRASE),
        NotOpened::TooMuchWork => bad("this backup asks for more work than a phone can do; it was not made by this app"),
        NotOpened::ForAKey => bad("this file is encrypted for a key, not with a passphrase: it is no backup of Countersign"),
        NotOpened::Damaged => damaged(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

    use super::*;

    const PASSPHRASE: &str = "correct horse battery";

    fn refused(sealed: &[u8], passphrase: &str) -> String {
        let Err(AuthenticatorError::BadInput(why)) = open(sealed, passphrase) else { panic!("not refused") };
        why
    }

    #[test]
    fn what_is_sealed_is_opened_and_nothing_else() {
        let sealed = seal(b"everything", PASSPHRASE).unwrap();
        assert_eq!(&**open(&sealed, PASSPHRASE).unwrap(), b"everything");
        assert_eq!(refused(&sealed, "correct horse batterx"), "this is not the passphrase of this backup; type it again");
        assert!(refused(&sealed[..sealed.len() - 1], PASSPHRASE).contains("cut or damaged"));
        assert!(refused(b"hello", PASSPHRASE).contains("cut or damaged"));
        assert!(matches!(seal(b"everything", "eleven chrs"), Err(AuthenticatorError::BadInput(_))));
    }

    #[test]
    fn a_hostile_file_is_refused_before_it_costs_anything() {
        let key = "A".repeat(43);
        let stanza = format!("-> scrypt {} 16\n{key}\n", "A".repeat(22));
        // The age crate alone would not be done with this in a day.
        let many = format!("age-encryption.org/v1\n{}--- {key}\n", "-> x\n\n".repeat(600_000));
        assert!(refused(many.as_bytes(), PASSPHRASE).contains("for a key"));
        let many = format!("age-encryption.org/v1\n{}--- {key}\n", stanza.repeat(40_000));
        assert!(refused(many.as_bytes(), PASSPHRASE).contains("cut or damaged"));
        let endless = format!("age-encryption.org/v1\n-> scrypt {}", "A".repeat(4_000_000));
        assert!(refused(endless.as_bytes(), PASSPHRASE).contains("cut or damaged"));
        let work = format!("age-encryption.org/v1\n{}--- {key}\n", stanza.replace(" 16", " 19"));
        assert!(refused(work.as_bytes(), PASSPHRASE).contains("more work"));
    }
}
