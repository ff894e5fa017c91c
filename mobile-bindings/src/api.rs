//! The exported surface. It holds no logic: every method is a call of the engine, on the engine's threads.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_core::phone::{Decision, PhoneError};
use data_encoding::HEXLOWER;
use tokio::sync::{Mutex as AsyncMutex, watch};
use zeroize::Zeroizing;

use crate::{
    AuthenticatorError, Connection, Enrolled, Found, HistoryEntry, Identity, Keychain, LostPart, Observer, Pairing, PairingUi,
    PendingRequest, PushTarget, Seed, SeedImport, Storage,
    engine::Engine,
    net::Network,
    pair,
    records::id_text,
    set_up::{self, Around},
    shell::{Running, Shell, broken, ended, on_its_own},
};

/// Shortest and longest heartbeat, seconds.
const MIN_HEARTBEAT: u64 = 15;
const MAX_HEARTBEAT: u64 = 600;

/// Looks what is on this device, before a phone is opened or made. Changes nothing.
///
/// # Errors
/// [`AuthenticatorError::Storage`], [`AuthenticatorError::Unlock`]: it can't be told now. Make no new phone then.
#[uniffi::export]
pub async fn find_phone(storage: Arc<dyn Storage>, keychain: Arc<dyn Keychain>) -> Result<Found, AuthenticatorError> {
    on_its_own(move || set_up::find(&*storage, &*keychain)).await
}

/// A phone: its pairings, its seeds, the requests that wait.
///
/// All methods may be called from any thread and none blocks it. What waits for a disk, the network or the person is asynchronous: cancelled while it
/// waits for the person or the network, it changes nothing.
#[derive(uniffi::Object)]
pub struct Authenticator {
    engine: Arc<Engine>,
    network: Arc<AsyncMutex<Option<Network>>>,
    /// Told when pairing is to end.
    cancel_pairing: watch::Sender<()>,
    shell: Mutex<Shell>,
}

#[uniffi::export]
impl Authenticator {
    /// Sets a new phone up under `name` (cut to 64 characters), with fresh keys.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`] if nothing of the name can be shown,
    /// [`AuthenticatorError::SetUp`] if there is one already, [`AuthenticatorError::Storage`], [`AuthenticatorError::Unlock`].
    #[uniffi::constructor]
    pub async fn create(
        name: String,
        storage: Arc<dyn Storage>,
        keychain: Arc<dyn Keychain>,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<Self>, AuthenticatorError> {
        let shell = Shell::start()?;
        let around = Around { storage, keychain, observer };
        let engine = shell.run(async move { Engine::create(&name, around).await }).await?;
        Ok(Self::around(engine, shell))
    }

    /// Opens the phone that was set up before. Nothing is unlocked.
    ///
    /// # Errors
    /// [`AuthenticatorError::SetUp`] if there is none, or it does not fit its device key; [`AuthenticatorError::Storage`],
    /// [`AuthenticatorError::Unlock`].
    #[uniffi::constructor]
    pub async fn open(
        storage: Arc<dyn Storage>,
        keychain: Arc<dyn Keychain>,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<Self>, AuthenticatorError> {
        let shell = Shell::start()?;
        let around = Around { storage, keychain, observer };
        let engine = shell.work(move || Engine::open(around)).await?;
        Ok(Self::around(engine, shell))
    }

    /// Sets a phone up in the place of the one that made this backup, which must not be used any more: the two would evict each other. Steps that have
    /// begun are not issued again. If the backup was made without the unlock key, codes can be approved only after
    /// [`Authenticator::restore_unlock_key`].
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`] if it is no backup, of a later version, or the passphrase is wrong; as [`Authenticator::create`].
    #[uniffi::constructor]
    pub async fn restore(
        backup: Vec<u8>,
        passphrase: String,
        storage: Arc<dyn Storage>,
        keychain: Arc<dyn Keychain>,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<Self>, AuthenticatorError> {
        let passphrase = Zeroizing::new(passphrase);
        let shell = Shell::start()?;
        let around = Around { storage, keychain, observer };
        let engine = shell.run(async move { Engine::restore(&backup, &passphrase, around).await }).await?;
        Ok(Self::around(engine, shell))
    }

    /// Connects to every relay and stays connected: requests arrive from now on. Call it whenever the app comes to the front or is woken by a push message: called again,
    /// it tries at once where the engine was waiting, has 5 s for each connection to show that it lives (after a sleep it may be dead without anybody
    /// knowing), and takes back what another device with the same keys has taken.
    ///
    /// # Errors
    /// [`AuthenticatorError::TryAgain`].
    pub async fn connect(&self) -> Result<(), AuthenticatorError> {
        let (engine, network) = (self.engine.clone(), self.network.clone());
        self.run(async move {
            let mut network = network.lock().await;
            match &*network {
                Some(network) => network.wake(),
                None if engine.is_closed() => return Err(ended()),
                None => {
                    engine.look_at_seeds();
                    *network = Some(Network::start(engine, &tokio::runtime::Handle::current()));
                }
            }
            Ok(())
        })
        .await
    }

    /// Tells every job that waits, and disconnects, within two seconds. Does nothing if it is disconnected already. Cancelled, it still does so.
    ///
    /// # Errors
    /// [`AuthenticatorError::TryAgain`].
    pub async fn disconnect(&self) -> Result<(), AuthenticatorError> {
        let network = self.network.clone();
        // The goodbyes are not lost with this call. The lock is held to the end, so that a `connect` waits for it.
        let stopping = self.shell.lock().unwrap_or_else(PoisonError::into_inner).run_to_end(async move {
            let mut network = network.lock().await;
            if let Some(network) = network.take() {
                network.stop().await;
            }
            Ok(())
        });
        stopping.await
    }

    /// Ends this authenticator, so that another can be opened on the same storage: ends what waits for the person, says goodbye, and saves nothing any more. Calls
    /// that are still under way fail with [`AuthenticatorError::Storage`] where they would have changed something. An app that just ends needs none of it.
    ///
    /// # Errors
    /// [`AuthenticatorError::TryAgain`].
    pub async fn shut_down(&self) -> Result<(), AuthenticatorError> {
        self.cancel_pairing()?;
        self.cancel_unlock()?;
        self.disconnect().await?;
        self.call(|engine| {
            engine.close();
            Ok(())
        })
        .await
    }

    /// Sets how long a relay may be silent before the phone asks for a sign of life (it then has 20 s to answer): 15 s to 600 s, anything else is taken as the
    /// nearest of the two. The default is 55 s. Shorter finds dead connections sooner and costs battery. Relays ping every 30 s by themselves, so that more than
    /// that costs nothing, and keeps every known carrier's NAT open. Takes effect at once; not kept: call it after each `open`.
    ///
    /// # Errors
    /// None.
    pub fn set_heartbeat(&self, seconds: u32) -> Result<(), AuthenticatorError> {
        let seconds = u64::from(seconds).clamp(MIN_HEARTBEAT, MAX_HEARTBEAT);
        self.engine.heartbeat.send_replace(Duration::from_secs(seconds));
        Ok(())
    }

    /// The phone has another network, or one again: every connection is made anew at once, instead of when it is found to be dead.
    ///
    /// # Errors
    /// [`AuthenticatorError::TryAgain`].
    pub async fn network_changed(&self) -> Result<(), AuthenticatorError> {
        let network = self.network.clone();
        self.run(async move {
            if let Some(network) = &*network.lock().await {
                network.renew();
            }
            Ok(())
        })
        .await
    }

    /// Pairs with the laptop that shows `code` (the text of the QR code); `ui` shows the six digits to type there. At most 300 s; a laptop that is not there at
    /// all is told after 20 s. Cancelled before the laptop has confirmed, nothing is stored; once it has, it is done to its end.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::TryAgain`] (the code is still good; or there is no room for more pairings), [`AuthenticatorError::StartAgain`],
    /// [`AuthenticatorError::Storage`].
    pub async fn pair(&self, code: String, ui: Arc<dyn PairingUi>) -> Result<Pairing, AuthenticatorError> {
        let code = Zeroizing::new(code);
        let engine = self.engine.clone();
        let mut cancel = self.cancel_pairing.subscribe();
        self.run(async move {
            let agreed = tokio::select! {
                agreed = pair::agree(&engine, &code, &*ui) => agreed?,
                _ = cancel.changed() => {
                    return Err(AuthenticatorError::StartAgain("pairing was cancelled; nothing was stored".into()));
                }
            };
            let finished = tokio::spawn(pair::finish(engine.clone(), agreed));
            let id = id_text(&finished.await.map_err(|error| broken(&error))??);
            let paired = engine.view().pairings.iter().find(|pairing| pairing.id == id).cloned();
            paired.ok_or_else(|| PhoneError::NoSuchPairing.into())
        })
        .await
    }

    /// Ends every [`Authenticator::pair`] that is under way: for Swift, where cancelling a task does not reach this library.
    ///
    /// # Errors
    /// None.
    pub fn cancel_pairing(&self) -> Result<(), AuthenticatorError> {
        self.cancel_pairing.send_replace(());
        Ok(())
    }

    /// Ends every [`Keychain::unlock`] that is under way, or is about to be for a call that has begun: that call fails with [`AuthenticatorError::Unlock`], and a request waits on. For Swift, where cancelling a
    /// task does not reach this library; what waits for no unlocking is left alone.
    ///
    /// # Errors
    /// None.
    pub fn cancel_unlock(&self) -> Result<(), AuthenticatorError> {
        self.engine.cancel_unlock.send_replace(());
        Ok(())
    }

    /// The requests that wait for their human.
    ///
    /// # Errors
    /// None.
    pub fn pending(&self) -> Result<Vec<PendingRequest>, AuthenticatorError> {
        Ok(self.engine.pending())
    }

    /// Says yes: checks `number`, has the person unlock, and answers. If the request goes away while the person is asked, [`Keychain::unlock`] is cancelled.
    /// `codes`: how many to give, if fewer than asked for; `grant`: the pairing may use the seed from now on; `seed`: the seed, if the request needs it.
    /// Neither seed nor code is returned.
    ///
    /// # Errors
    /// The request still waits: [`AuthenticatorError::BadInput`], [`AuthenticatorError::Unlock`], [`AuthenticatorError::Storage`],
    /// [`AuthenticatorError::SetUp`]. It was ended: [`AuthenticatorError::WrongNumber`], [`AuthenticatorError::NotAllowed`],
    /// [`AuthenticatorError::StartAgain`]. It was gone before: [`AuthenticatorError::Gone`].
    pub async fn approve(
        &self,
        request_id: String,
        number: String,
        codes: Option<u8>,
        grant: bool,
        seed: Option<Arc<SeedImport>>,
    ) -> Result<(), AuthenticatorError> {
        let id = parse_id(&request_id).ok_or(PhoneError::NoSuchRequest)?;
        let cancelled = self.engine.cancel_unlock.subscribe();
        let (engine, given) = (self.engine.clone(), seed.clone());
        let reason = self.work(move || engine.decide(&id, &Decision { number, codes, grant }, given.as_deref())).await?;
        let engine = self.engine.clone();
        let unlock = self.run(async move { engine.unlock_for(&id, reason, cancelled).await }).await?;
        let engine = self.engine.clone();
        self.work(move || engine.approve(&id, &unlock, seed.as_deref())).await
    }

    /// Says no; `reason` goes to the job's log, cut to 120 characters.
    ///
    /// # Errors
    /// [`AuthenticatorError::Gone`].
    pub async fn deny(&self, request_id: String, reason: String) -> Result<(), AuthenticatorError> {
        let id = parse_id(&request_id).ok_or(PhoneError::NoSuchRequest)?;
        self.call(move |engine| Ok(engine.call(|phone, ctx| phone.deny(&id, &reason, ctx))?)).await
    }

    /// Says no and takes the pairing back: it never asks again.
    ///
    /// # Errors
    /// [`AuthenticatorError::Gone`], [`AuthenticatorError::Storage`].
    pub async fn block(&self, request_id: String) -> Result<(), AuthenticatorError> {
        let id = parse_id(&request_id).ok_or(PhoneError::NoSuchRequest)?;
        self.call(move |engine| Ok(engine.call(|phone, ctx| phone.block(&id, ctx))?)).await
    }

    /// Seals these accounts of an import to this phone and `recipients` (`age1...`), after unlocking once.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Unlock`], [`AuthenticatorError::Storage`], [`AuthenticatorError::TryAgain`] if there is
    /// no room, [`AuthenticatorError::SetUp`]. Those sealed before are known to this phone; enroll them all again to get their texts.
    pub async fn enroll(
        &self,
        seeds: Arc<SeedImport>,
        indices: Vec<u32>,
        recipients: Vec<String>,
    ) -> Result<Vec<Enrolled>, AuthenticatorError> {
        let reason = Engine::check_enroll(&seeds, &indices, &recipients)?;
        let unlock = self.unlock(reason).await?;
        self.call(move |engine| engine.enroll(&seeds, &indices, &recipients, &unlock)).await
    }

    /// Adds a seed that another phone sealed for this one too (base64url), after unlocking.
    ///
    /// # Errors
    /// As [`Authenticator::enroll`], and [`AuthenticatorError::StartAgain`] if it can't be opened: seal it again, or trust its signer first.
    pub async fn import_sealed(&self, sealed: String) -> Result<Seed, AuthenticatorError> {
        let file = Engine::parse_sealed(&sealed)?;
        let unlock = self.unlock("Import a seed".into()).await?;
        self.call(move |engine| engine.import(file, &unlock).map(Into::into)).await
    }

    /// Takes a seed off this phone, by its id: requests for it are refused from now on. Files sealed for this phone can be imported again.
    ///
    /// # Errors
    /// [`AuthenticatorError::Gone`], [`AuthenticatorError::Storage`].
    pub async fn remove_seed(&self, seed_id: String) -> Result<(), AuthenticatorError> {
        let id = parse_id(&seed_id).ok_or(PhoneError::NoSuchSeed)?;
        self.call(move |engine| Ok(engine.call(|phone, ctx| phone.remove_seed(&id, ctx))?)).await
    }

    /// Trusts seeds signed by another phone from now on: its [`Identity::signer`].
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Storage`].
    pub async fn trust(&self, signer: String) -> Result<(), AuthenticatorError> {
        self.call(move |engine| engine.trust(&signer)).await
    }

    /// What this phone tells every laptop.
    ///
    /// # Errors
    /// None.
    pub fn identity(&self) -> Result<Identity, AuthenticatorError> {
        Ok(self.engine.view().identity.clone())
    }

    /// Every seed that this phone knows.
    ///
    /// # Errors
    /// None.
    pub fn seeds(&self) -> Result<Vec<Seed>, AuthenticatorError> {
        Ok(self.engine.view().seeds.clone())
    }

    /// Every pairing.
    ///
    /// # Errors
    /// None.
    pub fn pairings(&self) -> Result<Vec<Pairing>, AuthenticatorError> {
        Ok(self.engine.view().pairings.clone())
    }

    /// Every relay that this phone keeps a connection to, and how it is.
    ///
    /// # Errors
    /// None.
    pub fn connections(&self) -> Result<Vec<Connection>, AuthenticatorError> {
        Ok(self.engine.view().connections.clone())
    }

    /// What was missing or damaged when this phone was opened, and has begun anew: what `Attention.Lost` told, to be asked for before a backup. Lost seeds and
    /// pairings are remembered, also when the phone is opened again, until [`Authenticator::accept_loss`].
    ///
    /// # Errors
    /// None.
    pub fn lost(&self) -> Result<Vec<LostPart>, AuthenticatorError> {
        Ok(self.engine.lost())
    }

    /// What was lost is back, or the person goes on without it: [`Authenticator::lost`] is empty from now on.
    ///
    /// # Errors
    /// [`AuthenticatorError::Storage`].
    pub async fn accept_loss(&self) -> Result<(), AuthenticatorError> {
        self.call(Engine::accept_loss).await
    }

    /// What happened, oldest first.
    ///
    /// # Errors
    /// None.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, AuthenticatorError> {
        Ok(self.engine.view().history.clone())
    }

    /// Allows or denies a pairing the use of a seed, by their ids. Denied, a request of it that waits is refused.
    ///
    /// # Errors
    /// [`AuthenticatorError::Gone`], [`AuthenticatorError::Storage`].
    pub async fn allow(&self, pairing_id: String, seed_id: String, allowed: bool) -> Result<(), AuthenticatorError> {
        let pairing = parse_id(&pairing_id).ok_or(PhoneError::NoSuchPairing)?;
        let seed = parse_id(&seed_id).ok_or(PhoneError::NoSuchSeed)?;
        self.call(move |engine| Ok(engine.call(|phone, ctx| phone.allow(&pairing, &seed, allowed, ctx))?)).await
    }

    /// Takes a pairing back, by its id: its requests are refused from now on, and its relay is told.
    ///
    /// # Errors
    /// [`AuthenticatorError::Gone`], [`AuthenticatorError::Storage`].
    pub async fn revoke(&self, pairing_id: String) -> Result<(), AuthenticatorError> {
        let id = parse_id(&pairing_id).ok_or(PhoneError::NoSuchPairing)?;
        self.call(move |engine| Ok(engine.call(|phone, ctx| phone.revoke(&id, ctx))?)).await
    }

    /// From now on a relay may wake this phone with push messages to `target`; no `relay`: every relay that was not given one of its own. Kept, and
    /// registered at each relay when it is connected; calling it again with the same is harmless. [`Pairing::wake_up`] says how far it is.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Storage`], [`AuthenticatorError::TryAgain`] if there are too many.
    pub async fn register_wake_up(&self, relay: Option<String>, target: PushTarget) -> Result<(), AuthenticatorError> {
        let address = target.to_address()?;
        self.call(move |engine| engine.set_wake_up(relay, Some(address))).await
    }

    /// No longer. Tickets that are out can still be used for wake-ups: end the subscription at the push service, too.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Storage`].
    pub async fn remove_wake_up(&self, relay: Option<String>) -> Result<(), AuthenticatorError> {
        self.call(move |engine| engine.set_wake_up(relay, None)).await
    }

    /// Asks a relay for the key that it signs push messages with (VAPID, base64url), for push services that want it before they give a
    /// subscription; nothing if the relay sends no wake-ups. Takes up to 25 s.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::TryAgain`].
    pub async fn wake_up_key(&self, relay: String) -> Result<Option<String>, AuthenticatorError> {
        let engine = self.engine.clone();
        self.run(async move { crate::wake_up::key_of(&engine.dial, &relay).await }).await
    }

    /// Everything that another phone needs to take this one's place, in an age file with this passphrase (12 characters at least; `age -d` opens it too).
    /// `with_unlock_key`: whoever has the backup and its passphrase can then make codes, after this phone's person has unlocked once more now; without,
    /// they can see what this phone is paired with and answer for it, but open no seed. What was lost ([`Authenticator::lost`]) is in no backup: tell the
    /// person before it takes the place of an older one.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::Unlock`], [`AuthenticatorError::TryAgain`].
    pub async fn back_up(&self, passphrase: String, with_unlock_key: bool) -> Result<Vec<u8>, AuthenticatorError> {
        let passphrase = Zeroizing::new(passphrase);
        crate::backup::check_passphrase(&passphrase)?;
        let unlock = if with_unlock_key { Some(self.unlock("Put the key of all seeds into a backup".into()).await?) } else { None };
        self.call(move |engine| engine.back_up(unlock.as_ref(), &passphrase)).await
    }

    /// Brings the unlock key back out of a backup of this phone that was made with it: after the system has destroyed it, or the phone was restored
    /// without it. Nothing else of the backup is used.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::SetUp`] if it is a backup of another phone, [`AuthenticatorError::Unlock`].
    pub async fn restore_unlock_key(&self, backup: Vec<u8>, passphrase: String) -> Result<(), AuthenticatorError> {
        let passphrase = Zeroizing::new(passphrase);
        let cancelled = self.engine.cancel_unlock.subscribe();
        let unlock = self.call(move |engine| engine.unlock_root_of(&backup, &passphrase)).await?;
        let engine = self.engine.clone();
        self.run(async move { engine.protect(unlock, cancelled).await }).await
    }
}

impl Authenticator {
    fn around(engine: Engine, shell: Shell) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::new(engine),
            network: Arc::default(),
            cancel_pairing: watch::Sender::new(()),
            shell: Mutex::new(shell),
        })
    }

    fn run<T: Send + 'static>(&self, future: impl Future<Output = Result<T, AuthenticatorError>> + Send + 'static) -> Running<T> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner).run(future)
    }

    fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, AuthenticatorError> + Send + 'static) -> Running<T> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner).work(work)
    }

    fn call<T: Send + 'static>(&self, call: impl FnOnce(&Engine) -> Result<T, AuthenticatorError> + Send + 'static) -> Running<T> {
        let engine = self.engine.clone();
        self.work(move || call(&engine))
    }

    fn unlock(&self, reason: String) -> Running<countersign_core::keys::UnlockRoot> {
        let (engine, cancelled) = (self.engine.clone(), self.engine.cancel_unlock.subscribe());
        self.run(async move { engine.unlock(reason, cancelled).await })
    }
}

impl Drop for Authenticator {
    fn drop(&mut self) {
        let network = self.network.clone();
        let shell = self.shell.get_mut().unwrap_or_else(PoisonError::into_inner);
        shell.end_after(async move {
            if let Some(network) = network.lock().await.take() {
                network.stop().await;
            }
        });
    }
}

fn parse_id(text: &str) -> Option<[u8; 16]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}
