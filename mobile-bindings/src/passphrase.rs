//! age files with a passphrase (scrypt), for backups and for apps without a key store.

use std::{
    io::{Read as _, Write as _},
    iter::once,
};

use age::{DecryptError, secrecy::SecretString};
use countersign_core::seed::{PassphraseHeaderError, check_passphrase_header};
use zeroize::Zeroizing;

/// Why a file was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpened {
    /// Another passphrase.
    Wrong,
    /// It asks for more work than was allowed.
    TooMuchWork,
    /// It is encrypted for a key.
    ForAKey,
    /// Cut, damaged, or no age file.
    Damaged,
}

/// age wants its own string type, which is wiped too.
fn secret(passphrase: &str) -> SecretString {
    SecretString::from(passphrase.to_owned())
}

/// Encrypts `plain` with 2^`log_n` rounds; nothing if age can't.
#[must_use]
pub fn seal(plain: &[u8], passphrase: &str, log_n: u8) -> Option<Vec<u8>> {
    let mut recipient = age::scrypt::Recipient::new(secret(passphrase));
    recipient.set_work_factor(log_n);
    let encryptor = age::Encryptor::with_recipients(once(&recipient as &dyn age::Recipient)).ok()?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).ok()?;
    writer.write_all(plain).ok()?;
    writer.finish().ok()?;
    Some(sealed)
}

/// Opens what [`seal`] made, or any such file that asks for 2^`max_log_n` rounds at most: whoever changes it can't make this program work for ever.
///
/// # Errors
/// [`NotOpened`].
pub fn open(sealed: &[u8], passphrase: &str, max_log_n: u8) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    // The age crate's parser takes hours for a few megabytes of stanzas.
    let work = check_passphrase_header(sealed).map_err(|error| match error {
        PassphraseHeaderError::ForAKey => NotOpened::ForAKey,
        _ => NotOpened::Damaged,
    })?;
    if work > max_log_n {
        return Err(NotOpened::TooMuchWork);
    }
    let decryptor = age::Decryptor::new(sealed).map_err(|_| NotOpened::Damaged)?;
    let mut identity = age::scrypt::Identity::new(secret(passphrase));
    identity.set_max_work_factor(max_log_n);
    let opened = decryptor.decrypt(once(&identity as &dyn age::Identity));
    let mut reader = opened.map_err(|error| match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => NotOpened::Wrong,
        DecryptError::ExcessiveWork { .. } => NotOpened::TooMuchWork,
        DecryptError::NoMatchingKeys => NotOpened::ForAKey,
        _ => NotOpened::Damaged,
    })?;
    // As long as the file at most, so that it never moves.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len() + 32));
    reader.read_to_end(&mut plain).map_err(|_| NotOpened::Damaged)?;
    Ok(plain)
}
