//! The exported surface. It holds no logic: every method is one call of the engine.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::phone::{Decision, PhoneError};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::{
    AuthenticatorError, Enrolled, HistoryEntry, Identity, Keychain, Observer, Pairing, PairingUi, PendingRequest, PushSubscription, Seed,
    Storage,
    engine::Engine,
    net::{Network, is_engine_thread},
    pair::pair,
    records::id_text,
};

/// A phone: its pairings, its seeds, the requests that wait.
///
/// All methods may be called from any thread, and may block: [`Authenticator::pair`] for minutes, [`Authenticator::approve`],
/// [`Authenticator::enroll`] and [`Authenticator::import_sealed`] as long as the person takes to unlock, [`Authenticator::stop`] for two seconds.
#[derive(uniffi::Object)]
pub struct Authenticator {
    engine: Arc<Engine>,
    network: Mutex<Option<Network>>,
    cancel: watch::Sender<()>,
}

#[uniffi::export]
impl Authenticator {
    /// Sets a new phone up under `name` (at most 64 characters), with fresh keys.
    ///
    /// # Errors
    /// [`AuthenticatorError::SetUp`] if the storage holds one already, [`AuthenticatorError::Storage`], [`AuthenticatorError::Unlock`].
    #[uniffi::constructor]
    pub fn create(
        name: String,
        storage: Arc<dyn Storage>,
        keychain: Arc<dyn Keychain>,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<Self>, AuthenticatorError> {
        Engine::create(&name, storage, keychain, observer).map(Self::around)
    }

    /// Opens the phone that was set up before. Nothing is unlocked.
    ///
    /// # Errors
    /// [`AuthenticatorError::SetUp`] if there is none, or it does not fit its device key; [`AuthenticatorError::Storage`],
    /// [`AuthenticatorError::Unlock`].
    #[uniffi::constructor]
    pub fn open(
        storage: Arc<dyn Storage>,
        keychain: Arc<dyn Keychain>,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<Self>, AuthenticatorError> {
        Engine::open(storage, keychain, observer).map(Self::around)
    }

    /// Connects to every relay and stays connected: requests arrive from now on. Does nothing if it is started already; waits for a
    /// [`Authenticator::stop`] that is under way.
    ///
    /// # Errors
    /// [`AuthenticatorError::TryAgain`], also when an observer calls it.
    pub fn start(&self) -> Result<(), AuthenticatorError> {
        if is_engine_thread() {
            return Err(AuthenticatorError::TryAgain("start was called on the engine's own thread; call it on another".into()));
        }
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ending) = network.take_if(|network| network.is_ending()) {
            ending.stop();
        }
        if network.is_none() {
            *network = Some(Network::start(self.engine.clone())?);
        }
        Ok(())
    }

    /// Tells every job that waits, and disconnects. Does nothing if it is stopped already. An observer that calls it does not wait for the end.
    ///
    /// # Errors
    /// None.
    pub fn stop(&self) -> Result<(), AuthenticatorError> {
        if is_engine_thread() {
            // Whoever holds the guard is starting or stopping right now, and may be waiting for this thread.
            if let Ok(Some(network)) = self.network.try_lock().as_deref() {
                network.signal();
            }
            return Ok(());
        }
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = network.take() {
            network.stop();
        }
        Ok(())
    }

    /// Pairs with the laptop that shows `code` (the text of the QR code); `ui` shows the six digits to type there. At most 300 s.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::TryAgain`] (the code is still good), [`AuthenticatorError::StartAgain`],
    /// [`AuthenticatorError::Storage`].
    pub fn pair(&self, code: String, ui: Arc<dyn PairingUi>) -> Result<Pairing, AuthenticatorError> {
        let code = Zeroizing::new(code);
        let id = pair(&self.engine, &code, &*ui, self.cancel.subscribe())?;
        self.pairings()?.into_iter().find(|pairing| pairing.id == id_text(&id)).ok_or_else(|| PhoneError::NoSuchPairing.into())
    }

    /// Ends a [`Authenticator::pair`] that another thread is in.
    ///
    /// # Errors
    /// None.
    pub fn cancel_pairing(&self) -> Result<(), AuthenticatorError> {
        self.cancel.send_replace(());
        Ok(())
    }

    /// The requests that wait for their human.
    ///
    /// # Errors
    /// None.
    pub fn pending(&self) -> Result<Vec<PendingRequest>, AuthenticatorError> {
        Ok(self.engine.pending().into_iter().map(Into::into).collect())
    }

    /// Says yes: checks `number`, has the person unlock, and answers. `codes`: how many to give, if fewer than asked for; `grant`: the pairing may
    /// use the seed from now on; `uri`: the otpauth URI, if the request needs it. Neither seed nor code is returned.
    ///
    /// # Errors
    /// The request still waits: [`AuthenticatorError::BadInput`], [`AuthenticatorError::Unlock`], [`AuthenticatorError::Storage`],
    /// [`AuthenticatorError::SetUp`]. It was ended: [`AuthenticatorError::WrongNumber`], [`AuthenticatorError::NotAllowed`],
    /// [`AuthenticatorError::StartAgain`]. It was gone before: [`AuthenticatorError::Gone`].
    pub fn approve(
        &self,
        request_id: String,
        number: String,
        codes: Option<u8>,
        grant: bool,
        uri: Option<String>,
    ) -> Result<(), AuthenticatorError> {
        let uri = uri.map(Zeroizing::new);
        let id = parse_id(&request_id).ok_or(PhoneError::NoSuchRequest)?;
        self.engine.approve(&id, &Decision { number, codes, grant }, uri.as_ref().map(|uri| uri.as_str()))
    }

    /// Says no; `reason` goes to the job's log, cut to 120 characters.
    ///
    /// # Errors
    /// [`AuthenticatorError::Gone`].
    pub fn deny(&self, request_id: String, reason: String) -> Result<(), AuthenticatorError> {
        let id = parse_id(&request_id).ok_or(PhoneError::NoSuchRequest)?;
        self.engine.deny(&id, &reason)
    }

    /// Seals a new seed to this phone and `recipients` (`age1...`), after unlocking.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Unlock`], [`AuthenticatorError::Storage`], [`AuthenticatorError::TryAgain`] if there is
    /// no room, [`AuthenticatorError::SetUp`].
    pub fn enroll(&self, uri: String, recipients: Vec<String>) -> Result<Enrolled, AuthenticatorError> {
        let uri = Zeroizing::new(uri);
        self.engine.enroll(&uri, &recipients)
    }

    /// Adds a seed that another phone sealed for this one too (base64url), after unlocking.
    ///
    /// # Errors
    /// As [`Authenticator::enroll`], and [`AuthenticatorError::StartAgain`] if it can't be opened: seal it again, or trust its signer first.
    pub fn import_sealed(&self, sealed: String) -> Result<Seed, AuthenticatorError> {
        self.engine.import(&sealed).map(Into::into)
    }

    /// Trusts seeds signed by another phone from now on: its [`Identity::signer`].
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Storage`].
    pub fn trust(&self, signer: String) -> Result<(), AuthenticatorError> {
        self.engine.trust(&signer)
    }

    /// What this phone tells every laptop.
    ///
    /// # Errors
    /// None.
    pub fn identity(&self) -> Result<Identity, AuthenticatorError> {
        let it = self.engine.look(|phone| phone.identity());
        Ok(Identity { name: it.name, recipient: it.recipient.to_string(), signer: BASE64URL_NOPAD.encode(&it.signer) })
    }

    /// Every seed that this phone knows.
    ///
    /// # Errors
    /// None.
    pub fn seeds(&self) -> Result<Vec<Seed>, AuthenticatorError> {
        Ok(self.engine.look(|phone| phone.seeds()).into_iter().map(Into::into).collect())
    }

    /// Every pairing.
    ///
    /// # Errors
    /// None.
    pub fn pairings(&self) -> Result<Vec<Pairing>, AuthenticatorError> {
        Ok(self.engine.look(|phone| phone.pairings()).into_iter().map(Into::into).collect())
    }

    /// Allows or denies a pairing the use of a seed, by their ids.
    ///
    /// # Errors
    /// [`AuthenticatorError::Gone`], [`AuthenticatorError::Storage`].
    pub fn allow(&self, pairing_id: String, seed_id: String, allowed: bool) -> Result<(), AuthenticatorError> {
        let pairing = parse_id(&pairing_id).ok_or(PhoneError::NoSuchPairing)?;
        let seed = parse_id(&seed_id).ok_or(PhoneError::NoSuchSeed)?;
        Ok(self.engine.call(|phone, ctx| phone.allow(&pairing, &seed, allowed, ctx))?)
    }

    /// Takes a pairing back, by its id: its requests are refused from now on, and its relay is told.
    ///
    /// # Errors
    /// [`AuthenticatorError::Gone`], [`AuthenticatorError::Storage`].
    pub fn revoke(&self, pairing_id: String) -> Result<(), AuthenticatorError> {
        self.engine.revoke(&parse_id(&pairing_id).ok_or(PhoneError::NoSuchPairing)?)
    }

    /// From now on a relay may wake this phone with push messages to `subscription`; no `relay`: every relay that was not given one of its own. Kept, and
    /// registered at each relay when it is connected; calling it again with the same is harmless. [`Pairing::wake_up`] says how far it is.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Storage`], [`AuthenticatorError::TryAgain`] if there are too many.
    pub fn register_wake_up(&self, relay: Option<String>, subscription: PushSubscription) -> Result<(), AuthenticatorError> {
        let address = subscription.to_address()?;
        self.engine.set_wake_up(relay, Some(address))
    }

    /// No longer. Tickets that are out can still be used for wake-ups: end the subscription at the push service, too.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Storage`].
    pub fn remove_wake_up(&self, relay: Option<String>) -> Result<(), AuthenticatorError> {
        self.engine.set_wake_up(relay, None)
    }

    /// Asks a relay for the key that it signs push messages with (VAPID, base64url), for push services that want it before they give a
    /// subscription; nothing if the relay sends no wake-ups. Takes up to 25 s.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::TryAgain`].
    pub fn wake_up_key(&self, relay: String) -> Result<Option<String>, AuthenticatorError> {
        crate::wake_up::key_of(relay.trim())
    }

    /// What happened, oldest first.
    ///
    /// # Errors
    /// None.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, AuthenticatorError> {
        Ok(self.engine.look(|phone| phone.history().to_vec()).into_iter().map(Into::into).collect())
    }
}

impl Authenticator {
    fn around(engine: Engine) -> Arc<Self> {
        Arc::new(Self { engine: Arc::new(engine), network: Mutex::new(None), cancel: watch::Sender::new(()) })
    }
}

impl Drop for Authenticator {
    fn drop(&mut self) {
        // It never fails.
        let _ = self.stop();
    }
}

fn parse_id(text: &str) -> Option<[u8; 16]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}
