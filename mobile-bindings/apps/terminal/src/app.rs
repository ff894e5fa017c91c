//! The authenticator with the terminal's storage, keychain and console around it.

use std::{future::Future, path::PathBuf, sync::Arc};

use countersign_mobile::{Authenticator, AuthenticatorError};

use crate::{
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
}

impl App {
    /// Sets a new authenticator up.
    pub(crate) fn create(state: Option<PathBuf>, name: String) -> anyhow::Result<Self> {
        let dir = Arc::new(StateDir::create(&state_path(state)?)?);
        // New keys in place of old ones would make every sealed seed worthless.
        let is_lost = || Ok::<_, String>(keychain::is_there(&dir)? && !(dir.has_state()? && keychain::is_complete(&dir)?));
        if is_lost().map_err(|problem| anyhow::anyhow!(problem))? {
            anyhow::bail!(
                "the state folder has keys already; bring its files ('state-...', 'device.key') back, or choose another folder with --state"
            );
        }
        let (console, keychain, events) = around(&dir, false)?;
        Ok(Self { authenticator: wait(Authenticator::create(name, dir.clone(), keychain, events))?, console, dir })
    }

    /// Sets one up in the place of the one that made a backup.
    pub(crate) fn restore(state: Option<PathBuf>, backup: Vec<u8>) -> anyhow::Result<Self> {
        let dir = Arc::new(StateDir::create(&state_path(state)?)?);
        if keychain::is_there(&dir).map_err(|problem| anyhow::anyhow!(problem))? {
            anyhow::bail!("the state folder has keys already; choose another folder with --state");
        }
        let (console, keychain, events) = around(&dir, false)?;
        let passphrase = console.ask("passphrase of the backup", true)?;
        let restored = Authenticator::restore(backup, passphrase.to_string(), dir.clone(), keychain, events);
        Ok(Self { authenticator: wait(restored)?, console, dir })
    }

    /// Opens the one that is there. `passphrase_once`: one passphrase serves every unlocking of this command.
    pub(crate) fn open(state: Option<PathBuf>, passphrase_once: bool) -> anyhow::Result<Self> {
        let dir = Arc::new(StateDir::open(&state_path(state)?)?);
        let (console, keychain, events) = around(&dir, passphrase_once)?;
        let authenticator = wait(Authenticator::open(dir.clone(), keychain, events))?;
        for what in authenticator.lost()? {
            output::note(&format!("warning: {}", show::lost(what)));
        }
        Ok(Self { authenticator, console, dir })
    }
}

/// Waits for what the engine does on its own threads.
pub(crate) fn wait<T, E: From<AuthenticatorError>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failed = |_| AuthenticatorError::TryAgain("the system gave nothing to wait with; try again".into());
    runtime.map_err(failed)?.block_on(future)
}

impl App {
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
