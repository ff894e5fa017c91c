//! The keychain of a full screen: the passphrase is typed there.

use std::sync::{Arc, mpsc::Sender};

use countersign_mobile::{Keychain, KeychainError};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Message;
use crate::{
    keychain::{self, load_device, store_device, unavailable},
    state::StateDir,
};

/// Asks on the screen, each time.
pub(crate) struct ScreenKeychain {
    dir: Arc<StateDir>,
    screen: Sender<Message>,
}

impl ScreenKeychain {
    pub(crate) fn new(dir: Arc<StateDir>, screen: Sender<Message>) -> Self {
        Self { dir, screen }
    }
}

#[async_trait::async_trait]
impl Keychain for ScreenKeychain {
    fn load(&self, _: String) -> Result<Option<Vec<u8>>, KeychainError> {
        load_device(&self.dir)
    }

    fn store(&self, _: String, secret: Vec<u8>) -> Result<(), KeychainError> {
        store_device(&self.dir, &Zeroizing::new(secret))
    }

    async fn protect(&self, _: String, secret: Vec<u8>, _: String) -> Result<(), KeychainError> {
        drop(Zeroizing::new(secret));
        Err(unavailable("run countersign-phone restore-key for that".into()))
    }

    async fn unlock(&self, _: String, reason: String) -> Result<Vec<u8>, KeychainError> {
        let sealed = keychain::sealed(&self.dir)?;
        let ended = || unavailable("the program is ending".into());
        let mut asked = reason.clone();
        loop {
            let (answer, answered) = oneshot::channel();
            self.screen.send(Message::Passphrase { reason: asked, answer }).map_err(|_| ended())?;
            let passphrase = answered.await.map_err(|_| ended())?.ok_or(KeychainError::Cancelled)?;
            let sealed = sealed.clone();
            let opened = tokio::task::spawn_blocking(move || keychain::decrypt(&sealed, &passphrase)).await;
            match opened.unwrap_or_else(|_| Err(ended())) {
                // In place: whoever types on is asked again, and commands nothing.
                Err(KeychainError::WrongPassphrase) => asked = format!("that was wrong. {reason}"),
                opened => return opened,
            }
        }
    }
}
