//! The phone behind its lock: every call takes the lock, lets `countersign_core` work, puts what is to be sent in the connections' queues, and lets go.
//!
//! The lock is never held over an await or a call of [`Keychain`] or [`Observer`]. The one foreign call under it is [`Storage::save`], which the core
//! makes inside its own methods: what must be on disk before something leaves can't be overtaken.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_core::{
    keys::{DeviceRoot, PairingId, UnlockRoot},
    otp::parse_otpauth,
    pairing::PhoneIdentity,
    phone::{Context, Decision, NotSaved, Phone, PhoneError, PhoneEvent, PhoneOutput, PushAddress, Store},
    relay::{Nonce, RelayUrl},
    request::RequestId,
    seed::SealedSeed,
};
use countersign_link::Clock;
use data_encoding::BASE64URL_NOPAD;
use rand_core::OsRng;
use tokio::sync::{Notify, mpsc::UnboundedSender};
use zeroize::Zeroizing;

use crate::{AuthenticatorError, Enrolled, Event, Keychain, LinkState, Observer, Storage, records::id_text};

/// Everything that calls and the network thread share.
pub(crate) struct Engine {
    inner: Mutex<Inner>,
    storage: Arc<dyn Storage>,
    keychain: Arc<dyn Keychain>,
    observer: Arc<dyn Observer>,
    clock: Clock,
    /// The network thread is to look: events, timers, or pairings changed.
    pub(crate) changed: Notify,
}

struct Inner {
    phone: Phone,
    /// Connections that are up, by what they send next.
    links: HashMap<RelayUrl, UnboundedSender<Vec<u8>>>,
    events: VecDeque<Event>,
}

/// [`Storage`] as the core wants it.
struct Saving<'a>(&'a dyn Storage);

impl Store for Saving<'_> {
    fn save(&mut self, sealed_state: &[u8]) -> Result<(), NotSaved> {
        self.0.save(sealed_state.to_vec()).map_err(|error| NotSaved(error.to_string()))
    }
}

impl Engine {
    /// A new phone. Roots first, state last: a half-finished attempt leaves no state and may be repeated.
    pub(crate) fn create(
        name: &str,
        storage: Arc<dyn Storage>,
        keychain: Arc<dyn Keychain>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, AuthenticatorError> {
        if storage.load()?.is_some() {
            return Err(AuthenticatorError::SetUp("this phone is set up already; open it instead".into()));
        }
        let (device, unlock) = (DeviceRoot::make(&mut OsRng), UnlockRoot::make(&mut OsRng));
        let identity =
            PhoneIdentity::derive(name, &unlock).map_err(|_| AuthenticatorError::TryAgain("a key could not be made; try again".into()))?;
        // The keychain is where these two secrets live.
        keychain.store_device_root(device.expose().to_vec())?;
        keychain.store_unlock_root(unlock.expose().to_vec())?;
        drop(unlock);
        let clock = Clock::start();
        let mut store = Saving(&*storage);
        let phone = Phone::create(device, &identity, &mut Context { now: clock.now(), rng: &mut OsRng, store: &mut store })?;
        Ok(Self::with(phone, storage, keychain, observer, clock))
    }

    /// The phone that was created before.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        keychain: Arc<dyn Keychain>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, AuthenticatorError> {
        let missing = |what| AuthenticatorError::SetUp(format!("{what}; set this phone up first, or restore it from a backup"));
        let state = storage.load()?.ok_or_else(|| missing("there is no authenticator here yet"))?;
        let root = keychain.load_device_root()?.map(Zeroizing::new).ok_or_else(|| missing("the phone's device key is missing"))?;
        let device = DeviceRoot::from_slice(&root).ok_or_else(|| missing("the phone's device key is damaged"))?;
        let phone = Phone::open(device, &state)?;
        Ok(Self::with(phone, storage, keychain, observer, Clock::start()))
    }

    fn with(phone: Phone, storage: Arc<dyn Storage>, keychain: Arc<dyn Keychain>, observer: Arc<dyn Observer>, clock: Clock) -> Self {
        let inner = Inner { phone, links: HashMap::new(), events: VecDeque::new() };
        Self { inner: Mutex::new(inner), storage, keychain, observer, clock, changed: Notify::new() }
    }

    /// Looks at the phone, changing nothing.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Phone) -> T) -> T {
        look(&self.lock().phone)
    }

    pub(crate) fn pending(&self) -> Vec<countersign_core::phone::PendingRequest> {
        self.lock().phone.pending(self.clock.now())
    }

    pub(crate) fn approve(&self, request: &RequestId, decision: &Decision, uri: Option<&str>) -> Result<(), AuthenticatorError> {
        // A mistyped URI costs nothing as long as nothing was decided.
        if let Some(uri) = uri {
            parse_otpauth(uri.trim()).map_err(PhoneError::from)?;
        }
        let asked = self.pending().into_iter().find(|pending| pending.request_id == *request).ok_or(PhoneError::NoSuchRequest)?;
        if asked.needs_uri && uri.is_none() {
            return Err(PhoneError::UriMissing.into());
        }
        self.call(|phone, ctx| phone.decide(request, decision, ctx))?;
        let label = if asked.label.is_empty() { "a new seed".to_owned() } else { asked.label };
        let unlock = self.unlock(format!("Approve {label} for {}", asked.pairing))?;
        Ok(self.call(|phone, ctx| phone.approve(request, &unlock, uri, ctx))?)
    }

    pub(crate) fn deny(&self, request: &RequestId, reason: &str) -> Result<(), AuthenticatorError> {
        Ok(self.call(|phone, ctx| phone.deny(request, reason, ctx))?)
    }

    pub(crate) fn enroll(&self, uri: &str, recipients: &[String]) -> Result<Enrolled, AuthenticatorError> {
        let otpauth = parse_otpauth(uri.trim()).map_err(PhoneError::from)?;
        let recipients: Result<Vec<_>, _> = recipients.iter().map(|text| text.trim().parse()).collect();
        let recipients = recipients.map_err(|_| PhoneError::Recipient)?;
        let unlock = self.unlock(format!("Seal {}", otpauth.label()))?;
        let sealed = self.call(|phone, ctx| phone.enroll(&otpauth, &recipients, &unlock, ctx))?;
        let warnings = otpauth.warnings().iter().map(ToString::to_string).collect();
        Ok(Enrolled { label: otpauth.label(), sealed: BASE64URL_NOPAD.encode(sealed.as_bytes()), warnings })
    }

    pub(crate) fn import(&self, sealed: &str) -> Result<countersign_core::phone::SeedInfo, AuthenticatorError> {
        let bad = |_| AuthenticatorError::BadInput("this is no sealed seed: copy the whole text after `sealed =`".into());
        let bytes = BASE64URL_NOPAD.decode(sealed.trim().trim_end_matches('=').as_bytes()).map_err(bad)?;
        let file = SealedSeed::parse(bytes)?;
        let unlock = self.unlock("Import a seed".into())?;
        Ok(self.call(|phone, ctx| phone.import(file, &unlock, ctx))?)
    }

    pub(crate) fn trust(&self, signer: &str) -> Result<(), AuthenticatorError> {
        let bad = || AuthenticatorError::BadInput("a signer is 43 characters: copy it from the other phone's identity".into());
        let bytes = BASE64URL_NOPAD.decode(signer.trim().as_bytes()).map_err(|_| bad())?;
        let signer = bytes.as_slice().try_into().map_err(|_| bad())?;
        Ok(self.call(|phone, ctx| phone.trust(&signer, ctx))?)
    }

    pub(crate) fn set_wake_up(&self, relay: Option<String>, address: Option<PushAddress>) -> Result<(), AuthenticatorError> {
        let parsed = relay.map(|relay| relay.trim().parse::<RelayUrl>()).transpose();
        let relay = parsed.map_err(|error| AuthenticatorError::BadInput(error.to_string()))?;
        Ok(self.call(|phone, ctx| phone.set_wake_up(relay.as_ref(), address, ctx))?)
    }

    pub(crate) fn revoke(&self, id: &PairingId) -> Result<(), AuthenticatorError> {
        Ok(self.call(|phone, ctx| phone.revoke(id, ctx))?)
    }

    /// Has the person unlock. No lock is held: this takes as long as the person does.
    fn unlock(&self, reason: String) -> Result<UnlockRoot, AuthenticatorError> {
        let root = Zeroizing::new(self.keychain.unlock(reason)?);
        UnlockRoot::from_slice(&root).ok_or_else(|| PhoneError::WrongUnlockKey.into())
    }

    /// Changes the phone, and routes what comes of it before anybody else can.
    pub(crate) fn call<T>(&self, change: impl FnOnce(&mut Phone, &mut Context<'_>) -> T) -> T {
        let mut inner = self.lock();
        let mut store = Saving(&*self.storage);
        let mut ctx = Context { now: self.clock.now(), rng: &mut OsRng, store: &mut store };
        let result = change(&mut inner.phone, &mut ctx);
        inner.route();
        drop(inner);
        self.changed.notify_one();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked has not half-changed the phone: its methods change the state in one assignment.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the network thread.
impl Engine {
    /// A connection is up: proves the mailboxes there.
    pub(crate) fn connected(&self, relay: &RelayUrl, nonce: Nonce, queue: UnboundedSender<Vec<u8>>) {
        let mut inner = self.lock();
        inner.links.insert(relay.clone(), queue);
        inner.phone.connected(relay, &nonce);
        inner.route();
    }

    /// A connection is gone.
    pub(crate) fn disconnected(&self, relay: &RelayUrl) {
        self.lock().links.remove(relay);
        self.call(|phone, ctx| phone.disconnected(relay, ctx));
    }

    pub(crate) fn received(&self, relay: &RelayUrl, frame: &[u8]) {
        self.call(|phone, ctx| phone.received(relay, frame, ctx));
    }

    pub(crate) fn tick(&self) {
        self.call(Phone::tick);
    }

    /// Milliseconds until [`Engine::tick`] is due.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        let deadline = self.lock().phone.poll_timeout()?;
        Some(deadline.saturating_sub(self.clock.now().mono))
    }

    /// Tells every job that waits, then lets the connections run dry.
    pub(crate) fn shut_down(&self) {
        let mut inner = self.lock();
        inner.phone.shut_down();
        inner.route();
        inner.links.clear();
    }

    /// Something to show that is not the phone's own.
    pub(crate) fn tell(&self, event: Event) {
        self.lock().events.push_back(event);
        self.changed.notify_one();
    }

    pub(crate) fn tell_link(&self, relay: &RelayUrl, state: LinkState) {
        self.tell(Event::Link { relay: relay.to_string(), state });
    }

    /// Hands the observer what happened, in order and without the lock.
    pub(crate) fn deliver_events(&self) {
        loop {
            let next = self.lock().events.pop_front();
            let Some(event) = next else { return };
            // An app that fails to show something is still told the rest.
            let _ = self.observer.on_event(event);
        }
    }
}

impl Inner {
    fn route(&mut self) {
        while let Some(output) = self.phone.poll_output() {
            match output {
                PhoneOutput::Send { relay, frame } => {
                    if let Some(link) = self.links.get(&relay) {
                        // A connection that is just ending drops it; `disconnected` follows.
                        let _ = link.send(frame);
                    }
                }
                PhoneOutput::Event(event) => self.events.extend(event_of(event)),
                _ => {}
            }
        }
    }
}

fn event_of(event: PhoneEvent) -> Option<Event> {
    Some(match event {
        PhoneEvent::Asked(id) => Event::Asked { pairing: id_text(&id) },
        PhoneEvent::JobAway(id) => Event::JobAway { pairing: id_text(&id) },
        PhoneEvent::JobBack(id) => Event::JobBack { pairing: id_text(&id) },
        PhoneEvent::Withdrawn(id) => Event::Withdrawn { pairing: id_text(&id) },
        PhoneEvent::Settled(id) => Event::Settled { pairing: id_text(&id) },
        PhoneEvent::Evicted(relay) => Event::Evicted { relay: relay.to_string() },
        PhoneEvent::RelayError(relay, code) => Event::RelayProblem { relay: relay.to_string(), problem: code.to_string() },
        PhoneEvent::WakeUpRegistered(id) => Event::WakeUpRegistered { pairing: id_text(&id) },
        PhoneEvent::WakeUpRefused(relay, status) => Event::WakeUpRefused { relay: relay.to_string(), problem: status.to_string() },
        PhoneEvent::NotSaved(problem) => Event::StorageProblem { problem: problem.to_string() },
        _ => return None,
    })
}
