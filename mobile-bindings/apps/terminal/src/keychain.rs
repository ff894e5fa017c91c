//! The two roots on disk: the device root as it is, the unlock root under a passphrase (age, scrypt).

use std::{
    io::{Read as _, Write as _},
    iter::once,
    sync::{Arc, Mutex, PoisonError},
};

use age::{DecryptError, secrecy::SecretString};
use countersign_mobile::{Keychain, KeychainError};
use zeroize::Zeroizing;

use crate::{console::Console, output, state::StateDir};

/// scrypt's work: 2^15 rounds, 32 MiB, a fraction of a second.
const LOG_N: u8 = 15;
const DEVICE: &str = "device.key";
const UNLOCK: &str = "unlock.age";

/// Whether a folder has an unlock key already: seeds may be sealed to it.
pub(crate) fn is_there(dir: &StateDir) -> Result<bool, String> {
    Ok(dir.read(UNLOCK)?.is_some())
}

/// Asks for the passphrase each time; or once, if the person is about to be asked several times in a row.
pub(crate) struct PassphraseKeychain {
    dir: Arc<StateDir>,
    console: Arc<Console>,
    once: bool,
    passphrase: Mutex<Option<Zeroizing<String>>>,
}

impl PassphraseKeychain {
    pub(crate) fn new(dir: Arc<StateDir>, console: Arc<Console>, once: bool) -> Self {
        Self { dir, console, once, passphrase: Mutex::new(None) }
    }

    fn passphrase(&self, reason: &str) -> Result<Zeroizing<String>, KeychainError> {
        let mut known = self.passphrase.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passphrase) = &*known {
            return Ok(passphrase.clone());
        }
        let passphrase = self.console.ask(&format!("{reason}: passphrase"), true).map_err(|_| KeychainError::Cancelled)?;
        if self.once {
            *known = Some(passphrase.clone());
        }
        Ok(passphrase)
    }
}

fn unavailable(detail: String) -> KeychainError {
    KeychainError::Unavailable { detail }
}

impl Keychain for PassphraseKeychain {
    fn load_device_root(&self) -> Result<Option<Vec<u8>>, KeychainError> {
        self.dir.read(DEVICE).map_err(unavailable)
    }

    fn store_device_root(&self, root: Vec<u8>) -> Result<(), KeychainError> {
        let root = Zeroizing::new(root);
        self.dir.write(DEVICE, &root).map_err(unavailable)
    }

    fn store_unlock_root(&self, root: Vec<u8>) -> Result<(), KeychainError> {
        let root = Zeroizing::new(root);
        let ask = |text| self.console.ask(text, true).map_err(|_| KeychainError::Cancelled);
        let passphrase = ask("new passphrase, asked for at every approval")?;
        if passphrase.is_empty() {
            return Err(unavailable("an empty passphrase protects nothing; choose one".into()));
        }
        if self.console.is_terminal() && ask("the same again")? != passphrase {
            return Err(unavailable("the two passphrases differ; try again".into()));
        }
        let sealed = encrypt(&root, &passphrase).ok_or_else(|| unavailable("the key could not be encrypted; try again".into()))?;
        self.dir.write(UNLOCK, &sealed).map_err(unavailable)
    }

    fn unlock(&self, reason: String) -> Result<Vec<u8>, KeychainError> {
        let missing = || unavailable(format!("{UNLOCK} is missing from the state folder; restore it from a backup"));
        let sealed = self.dir.read(UNLOCK).map_err(unavailable)?.ok_or_else(missing)?;
        let passphrase = self.passphrase(&reason)?;
        output::note("opening the key ...");
        decrypt(&sealed, &passphrase)
    }
}

/// age wants its own string type, which is wiped too.
fn secret(passphrase: &str) -> SecretString {
    SecretString::from(passphrase.to_owned())
}

fn encrypt(root: &[u8], passphrase: &str) -> Option<Vec<u8>> {
    let mut recipient = age::scrypt::Recipient::new(secret(passphrase));
    recipient.set_work_factor(LOG_N);
    let encryptor = age::Encryptor::with_recipients(once(&recipient as &dyn age::Recipient)).ok()?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).ok()?;
    writer.write_all(root).ok()?;
    writer.finish().ok()?;
    Some(sealed)
}

fn decrypt(sealed: &[u8], passphrase: &str) -> Result<Vec<u8>, KeychainError> {
    let damaged = || unavailable(format!("{UNLOCK} is damaged; restore it from a backup"));
    let mut identity = age::scrypt::Identity::new(secret(passphrase));
    // Whoever changes the file can't make this program work for ever.
    identity.set_max_work_factor(LOG_N);
    let decryptor = age::Decryptor::new(sealed).map_err(|_| damaged())?;
    let mut reader = match decryptor.decrypt(once(&identity as &dyn age::Identity)) {
        Ok(reader) => reader,
        Err(DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed) => return Err(KeychainError::WrongPassphrase),
        Err(_) => return Err(damaged()),
    };
    let mut root = Zeroizing::new(Vec::with_capacity(64));
    reader.by_ref().take(33).read_to_end(&mut root).map_err(|_| damaged())?;
    if root.len() != 32 {
        return Err(damaged());
    }
    // Goes to the engine, which wipes it.
    Ok(std::mem::take(&mut *root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_passphrase_opens() {
        let sealed = encrypt(&[7; 32], "correct horse").unwrap();
        assert_eq!(decrypt(&sealed, "correct horse").unwrap(), [7; 32]);
        assert_eq!(decrypt(&sealed, "correct horses"), Err(KeychainError::WrongPassphrase));
        assert!(matches!(decrypt(&sealed[..sealed.len() - 1], "correct horse"), Err(KeychainError::Unavailable { .. })));
        assert!(matches!(decrypt(b"hello", "correct horse"), Err(KeychainError::Unavailable { .. })));
    }
}
