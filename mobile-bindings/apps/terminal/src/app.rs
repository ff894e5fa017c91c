//! The authenticator with the terminal's storage, keychain and console around it.

use std::{future::Future, path::PathBuf, sync::Arc};

use anyhow::{Error, bail};
use countersign_mobile::{Authenticator, AuthenticatorError, Found, find_phone};

use crate::{
    backup,
    console::{Console, Events},
    keychain::{self, PassphraseKeychain},
    output, show,
    state::{StateDir, state_path},
};

/// What every command works with.
pub(crate) struct App {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) console: Arc<Console>,
    dir: Arc<StateDir>,
    keychain: Arc<PassphraseKeychain>,
}

impl App {
    /// Sets a new authenticator up.
    pub(crate) fn create(state: Option<PathBuf>, name: String) -> anyhow::Result<Self> {
        let dir = Arc::new(StateDir::create(&state_path(state)?)?);
        let (console, keychain, events) = around(&dir, false)?;
        check_free(&dir, &keychain, &events)?;
        let made = wait(Authenticator::create(name, dir.clone(), keychain.clone(), events));
        Ok(Self { authenticator: made.map_err(|error| in_words(error, &dir, &keychain))?, console, dir, keychain })
    }

    /// Sets one up in the place of the one that made a backup.
    pub(crate) fn restore(state: Option<PathBuf>, backup: Vec<u8>) -> anyhow::Result<Self> {
        let dir = Arc::new(StateDir::create(&state_path(state)?)?);
        let (console, keychain, events) = around(&dir, false)?;
        check_free(&dir, &keychain, &events)?;
        // Of a set-up that was cut short: with a backup that has no such key it would pass for this phone's.
        dir.remove(keychain::UNLOCK).map_err(Error::msg)?;
        let authenticator = backup::open(&console, |passphrase| {
            let restored = wait(Authenticator::restore(backup.clone(), passphrase, dir.clone(), keychain.clone(), events.clone()));
            restored.map_err(|error| in_words(error, &dir, &keychain))
        })?;
        Ok(Self { authenticator, console, dir, keychain })
    }

    /// Opens the one that is there. `passphrase_once`: one passphrase serves every unlocking of this command.
    pub(crate) fn open(state: Option<PathBuf>, passphrase_once: bool) -> anyhow::Result<Self> {
        let dir = Arc::new(StateDir::open(&state_path(state)?)?);
        let (console, keychain, events) = around(&dir, passphrase_once)?;
        let opened = wait(Authenticator::open(dir.clone(), keychain.clone(), events));
        let authenticator = opened.map_err(|error| in_words(error, &dir, &keychain))?;
        for what in authenticator.lost()? {
            output::note(&format!("warning: {}", show::lost(what)));
        }
        if let Some(warning) = no_unlock_key(&dir)? {
            output::note(&warning);
        }
        Ok(Self { authenticator, console, dir, keychain })
    }
}

/// What to say if the key that opens seeds is not there: it is wanted only when a request waits.
pub(crate) fn no_unlock_key(dir: &StateDir) -> anyhow::Result<Option<String>> {
    let is_there = keychain::is_there(dir).map_err(Error::msg)?;
    Ok((!is_there).then(|| format!("warning: {}", show::no_unlock_key())))
}

/// New keys in place of old ones would make every sealed seed worthless.
fn check_free(dir: &Arc<StateDir>, keychain: &Arc<PassphraseKeychain>, events: &Arc<Events>) -> anyhow::Result<()> {
    let path = dir.path().display();
    let in_the_way = |problem: &str| {
        format!(
            "{} Nothing was changed. To begin anew here, move it away first: mv {path} {path}.old; --state DIR chooses another",
            in_folder(problem, dir)
        )
    };
    match wait(find_phone(dir.clone(), keychain.clone()))? {
        // One that can't be used would send whoever wants to restore it back to where they come from.
        Found::Phone => match wait(Authenticator::open(dir.clone(), keychain.clone(), events.clone())) {
            Err(AuthenticatorError::SetUp(problem)) => bail!(in_the_way(&problem)),
            _ => bail!("a phone is set up already in {path}; use it (countersign-phone run), or choose another folder with --state DIR"),
        },
        Found::Remains { problem } => bail!(in_the_way(&problem)),
        // The engine knows nothing of that file. A set-up that was cut short has left a blob as well.
        Found::NoPhone if keychain::is_there(dir).map_err(Error::msg)? && !dir.has_state().map_err(Error::msg)? => bail!(
            "{path} has a key that opens seeds already, unlock.age, and nothing else of a phone; bring its other files ('state-...', 'device.key') back, or choose another folder with --state DIR. \
             Deleting unlock.age gives up every seed that was sealed to this phone, unless there is a backup with that key"
        ),
        Found::NoPhone => Ok(()),
    }
}

/// The engine's words are for any app: here it is a folder in which something is missing or left, and a passphrase that was refused.
fn in_words(error: AuthenticatorError, dir: &StateDir, keychain: &PassphraseKeychain) -> anyhow::Error {
    match (keychain.take_refusal(), error) {
        (Some(refusal), _) => anyhow::Error::msg(refusal),
        (None, error) => with_folder(error, dir),
    }
}

/// What is missing or left is in a folder.
pub(crate) fn with_folder(error: AuthenticatorError, dir: &StateDir) -> Error {
    match error {
        AuthenticatorError::SetUp(text) => Error::msg(in_folder(&text, dir)),
        error => error.into(),
    }
}

fn in_folder(text: &str, dir: &StateDir) -> String {
    let path = dir.path().display();
    format!("{text}. The state folder is {path}: device.key and unlock.age in it are the keys, 'state-...' everything else.")
}

/// Waits for what the engine does on its own threads.
pub(crate) fn wait<T, E: From<AuthenticatorError>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failed = |_| AuthenticatorError::TryAgain("the system gave nothing to wait with; try again".into());
    runtime.map_err(failed)?.block_on(future)
}

impl App {
    /// What went wrong, in the words of this program.
    pub(crate) fn explain(&self, error: AuthenticatorError) -> anyhow::Error {
        in_words(error, &self.dir, &self.keychain)
    }

    /// Whether the key that opens seeds is here.
    pub(crate) fn has_unlock_key(&self) -> anyhow::Result<bool> {
        keychain::is_there(&self.dir).map_err(|problem| anyhow::anyhow!(problem))
    }
}

fn around(dir: &Arc<StateDir>, passphrase_once: bool) -> anyhow::Result<(Arc<Console>, Arc<PassphraseKeychain>, Arc<Events>)> {
    let console = Console::new();
    console.catch_signals()?;
    let keychain = Arc::new(PassphraseKeychain::new(dir.clone(), console.clone(), passphrase_once));
    let events = Arc::new(Events(console.clone()));
    Ok((console, keychain, events))
}
