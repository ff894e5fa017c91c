//! The two roots on disk: the device root as it is, the unlock root under a passphrase (age, scrypt).

use std::sync::{Arc, Mutex, PoisonError};

use countersign_mobile::{
    Keychain, KeychainError, MIN_PASSPHRASE,
    passphrase::{NotOpened, open, seal},
};
use zeroize::Zeroizing;

use crate::{
    console::{Console, NoAnswer, Wanted, Wanting},
    new_passphrase::{NotChosen, new_passphrase},
    output,
    state::StateDir,
};

/// scrypt's work: 2^15 rounds, 32 MiB, a fraction of a second.
const LOG_N: u8 = 15;
pub(crate) const DEVICE: &str = "device.key";
pub(crate) const UNLOCK: &str = "unlock.age";
/// What to do without the unlock key; FILE as in the help of that command.
pub(crate) const BRING_BACK: &str = "bring it back from a backup: countersign-phone restore-key FILE";

/// Whether a folder has an unlock key already: seeds may be sealed to it.
pub(crate) fn is_there(dir: &StateDir) -> Result<bool, String> {
    Ok(dir.read(UNLOCK)?.is_some())
}

/// Asks for the passphrase each time; or once, if the person is about to be asked several times in a row.
pub(crate) struct PassphraseKeychain(Arc<Inner>);

struct Inner {
    dir: Arc<StateDir>,
    console: Arc<Console>,
    once: bool,
    passphrase: Mutex<Option<Zeroizing<String>>>,
    /// Why a new passphrase was not taken.
    refusal: Mutex<Option<String>>,
}

impl PassphraseKeychain {
    pub(crate) fn new(dir: Arc<StateDir>, console: Arc<Console>, once: bool) -> Self {
        Self(Arc::new(Inner { dir, console, once, passphrase: Mutex::new(None), refusal: Mutex::new(None) }))
    }

    /// Why a new passphrase was not taken, since the last call: more than the engine's errors can say.
    pub(crate) fn take_refusal(&self) -> Option<String> {
        self.0.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Asks the person, on a thread that may wait.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Inner) -> Result<T, KeychainError> + Send + 'static,
    ) -> Result<T, KeychainError> {
        let inner = self.0.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&inner)).await;
        asked.unwrap_or_else(|_| Err(unavailable("the program is ending".into())))
    }
}

impl Inner {
    fn protect(&self, root: &[u8]) -> Result<(), KeychainError> {
        let question = format!("new passphrase, {MIN_PASSPHRASE} characters at least, asked for at every approval");
        let too_short = format!("the passphrase is too short: it protects every seed; choose one of at least {MIN_PASSPHRASE} characters");
        let passphrase = new_passphrase(&self.console, &question, &too_short).map_err(|why| match why {
            NotChosen::Refused(refusal) => {
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal.clone());
                unavailable(refusal)
            }
            NotChosen::NoAnswer(why) => no_answer(why),
        })?;
        let sealed = encrypt(root, &passphrase).ok_or_else(|| unavailable("the key could not be encrypted; try again".into()))?;
        self.dir.write(UNLOCK, &sealed).map_err(unavailable)
    }

    fn unlock(&self, reason: &str, wanted: &Wanted) -> Result<Vec<u8>, KeychainError> {
        let sealed = sealed(&self.dir)?;
        let mut known = self.passphrase.lock().unwrap_or_else(PoisonError::into_inner);
        self.console.until_right(
            |error| *error == KeychainError::WrongPassphrase,
            || {
                let passphrase = match &*known {
                    Some(passphrase) => passphrase.clone(),
                    None => self.console.ask_while(&format!("{reason}: passphrase"), true, wanted).map_err(no_answer)?,
                };
                // The way back to where the request can be denied.
                if passphrase.is_empty() && self.console.is_terminal() && self.console.is_watching() {
                    return Err(KeychainError::Cancelled);
                }
                output::note("opening the key ...");
                let root = decrypt(&sealed, &passphrase)?;
                // Only what was right is worth to be kept.
                *known = Some(passphrase).filter(|_| self.once);
                Ok(root)
            },
        )
    }
}

/// The device root.
pub(crate) fn load_device(dir: &StateDir) -> Result<Option<Vec<u8>>, KeychainError> {
    dir.read(DEVICE).map_err(unavailable)
}

pub(crate) fn store_device(dir: &StateDir, secret: &[u8]) -> Result<(), KeychainError> {
    dir.write(DEVICE, secret).map_err(unavailable)
}

/// The unlock root, as it is on disk.
pub(crate) fn sealed(dir: &StateDir) -> Result<Vec<u8>, KeychainError> {
    dir.read(UNLOCK).map_err(unavailable)?.ok_or(KeychainError::Missing)
}

fn no_answer(why: NoAnswer) -> KeychainError {
    match why {
        NoAnswer::NotText => unavailable(why.to_string()),
        _ => KeychainError::Cancelled,
    }
}

pub(crate) fn unavailable(detail: String) -> KeychainError {
    KeychainError::Unavailable { detail }
}

/// The engine keeps one ordinary secret and one that is protected, so that their names tell nothing new.
#[async_trait::async_trait]
impl Keychain for PassphraseKeychain {
    fn load(&self, _: String) -> Result<Option<Vec<u8>>, KeychainError> {
        load_device(&self.0.dir)
    }

    fn store(&self, _: String, secret: Vec<u8>) -> Result<(), KeychainError> {
        store_device(&self.0.dir, &Zeroizing::new(secret))
    }

    async fn protect(&self, _: String, secret: Vec<u8>, _: String) -> Result<(), KeychainError> {
        let secret = Zeroizing::new(secret);
        self.ask(move |inner| inner.protect(&secret)).await
    }

    async fn unlock(&self, _: String, reason: String) -> Result<Vec<u8>, KeychainError> {
        // The engine ends this when the request is gone, and goes on at once: no question may be left behind.
        let (_wanting, wanted) = Wanting::new(&self.0.console);
        self.ask(move |inner| inner.unlock(&reason, &wanted)).await
    }
}

fn encrypt(root: &[u8], passphrase: &str) -> Option<Vec<u8>> {
    seal(root, passphrase, LOG_N)
}

pub(crate) fn decrypt(sealed: &[u8], passphrase: &str) -> Result<Vec<u8>, KeychainError> {
    let damaged = || unavailable(format!("{UNLOCK} is damaged; {BRING_BACK}"));
    let mut root = open(sealed, passphrase, LOG_N).map_err(|error| match error {
        NotOpened::Wrong => KeychainError::WrongPassphrase,
        _ => damaged(),
    })?;
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
