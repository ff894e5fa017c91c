//! The authenticator with the terminal's storage, keychain and console around it.

use std::{path::PathBuf, sync::Arc};

use countersign_mobile::Authenticator;

use crate::{
    console::{Console, Events},
    keychain::{self, PassphraseKeychain},
    state::{StateDir, state_path},
};

/// What every command works with.
pub(crate) struct App {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) console: Arc<Console>,
}

impl App {
    /// Sets a new authenticator up.
    pub(crate) fn create(state: Option<PathBuf>, name: String) -> anyhow::Result<Self> {
        let dir = Arc::new(StateDir::create(&state_path(state)?)?);
        // New keys in place of old ones would make every sealed seed worthless.
        let is_lost = || Ok::<_, String>(!dir.has_state()? && keychain::is_there(&dir)?);
        if is_lost().map_err(|problem| anyhow::anyhow!(problem))? {
            anyhow::bail!(
                "the state folder has keys already; restore its file 'state' from a backup, or choose another folder with --state"
            );
        }
        let (console, keychain, events) = around(&dir, false)?;
        Ok(Self { authenticator: Authenticator::create(name, dir, keychain, events)?, console })
    }

    /// Opens the one that is there. `passphrase_once`: one passphrase serves every unlocking of this command.
    pub(crate) fn open(state: Option<PathBuf>, passphrase_once: bool) -> anyhow::Result<Self> {
        let dir = Arc::new(StateDir::open(&state_path(state)?)?);
        let (console, keychain, events) = around(&dir, passphrase_once)?;
        Ok(Self { authenticator: Authenticator::open(dir, keychain, events)?, console })
    }
}

fn around(dir: &Arc<StateDir>, passphrase_once: bool) -> anyhow::Result<(Arc<Console>, Arc<PassphraseKeychain>, Arc<Events>)> {
    let console = Console::new();
    console.catch_signals()?;
    let keychain = Arc::new(PassphraseKeychain::new(dir.clone(), console.clone(), passphrase_once));
    let events = Arc::new(Events(console.clone()));
    Ok((console, keychain, events))
}
