//! The phone behind its lock: every call takes the lock, lets `countersign_core` work, puts what is to be sent in the connections' queues, and lets go.
//!
//! The lock is never held over an await or a call of [`Keychain`] or `Observer`. The one foreign call under it is [`Storage::save`], which the core
//! makes inside its own methods: what must be on disk before something leaves can't be overtaken.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_core::{
    keys::{PairingId, UnlockRoot},
    phone::{Context, Decision, NotSaved, Phone, PhoneError, PhoneEvent, PhoneOutput, PushAddress, Store},
    relay::{ErrorCode, Nonce, RelayUrl},
    request::RequestId,
    seed::SealedSeed,
};
use countersign_link::Clock;
use data_encoding::BASE64URL_NOPAD;
use rand_core::OsRng;
use tokio::sync::{Notify, mpsc::UnboundedSender, watch};
use zeroize::Zeroizing;

use crate::{
    Attention, AuthenticatorError, Enrolled, Event, Keychain, KeychainError, LinkState, LostPart, SeedImport, Storage, backup,
    lost::{self, Lost},
    net::{self, Dial},
    records::id_text,
    set_up::{Around, UNLOCK, protect},
    teller::Teller,
    view::{self, View},
};

/// How long a relay may be silent before the phone asks whether it is there, if the app says nothing else. It pings every 30 s by itself, which keeps the entries
/// of every carrier's NAT alive; 55 s and the 20 s for an answer find out a dead connection in 75 s.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(55);
/// A seed that nobody used for this long is worth a question, seconds.
const UNUSED: u64 = 180 * 24 * 3600;

/// Everything that calls and the network share.
pub(crate) struct Engine {
    inner: Mutex<Inner>,
    /// What screens show. Never locked while something is saved, so that reading it waits for nothing.
    view: watch::Sender<Arc<View>>,
    storage: Arc<dyn Storage>,
    keychain: Arc<dyn Keychain>,
    clock: Clock,
    /// What was missing or damaged, now or at an earlier time, and has not been accepted.
    lost: Lost,
    /// How relays are reached.
    pub(crate) dial: Dial,
    /// How long a relay may be silent before it is asked.
    pub(crate) heartbeat: watch::Sender<Duration>,
    /// Whoever is asked to unlock is asked no more.
    pub(crate) cancel_unlock: watch::Sender<()>,
    /// The network is to look: events, timers, or pairings changed.
    pub(crate) changed: Notify,
}

struct Inner {
    phone: Phone,
    /// Connections that are up, by what they send next.
    links: HashMap<RelayUrl, UnboundedSender<Vec<u8>>>,
    states: Vec<crate::Connection>,
    teller: Teller,
    /// Nothing is saved any more.
    closed: bool,
}

/// [`Storage`] as the core wants it.
pub(crate) struct Saving<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) lost: &'a Lost,
    /// From now on the storage is another authenticator's.
    pub(crate) closed: bool,
}

impl Store for Saving<'_> {
    fn save(&mut self, part: &str, sealed: &[u8]) -> Result<(), NotSaved> {
        if self.closed {
            return Err(NotSaved("the app has shut this authenticator down".into()));
        }
        let saved = self.lost.remember(self.storage).and_then(|()| self.storage.save(part.to_owned(), sealed.to_vec()));
        saved.map_err(|error| NotSaved(error.to_string()))
    }
}

impl Engine {
    /// Around a phone that was made or opened.
    pub(crate) fn with(phone: Phone, around: Around, clock: Clock) -> Result<Self, AuthenticatorError> {
        let Around { storage, keychain, observer } = around;
        let teller = Teller::start(observer)?;
        let new: Vec<_> = phone.lost().iter().filter_map(|part| lost::part(*part)).collect();
        new.iter().for_each(|what| teller.tell(attention(Attention::Lost { what: *what })));
        let lost = Lost::of(new, &*storage)?;
        let view = Arc::new(View::of(&phone, &[], clock.now()));
        let inner = Inner { phone, links: HashMap::new(), states: Vec::new(), teller, closed: false };
        let (inner, view) = (Mutex::new(inner), watch::Sender::new(view));
        let (dial, heartbeat) = (net::dial(), watch::Sender::new(HEARTBEAT));
        let cancel_unlock = watch::Sender::new(());
        Ok(Self { inner, view, storage, keychain, clock, lost, dial, heartbeat, cancel_unlock, changed: Notify::new() })
    }

    /// What screens show, as it is now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// What was missing or damaged, and has not been accepted.
    pub(crate) fn lost(&self) -> Vec<LostPart> {
        self.lost.parts()
    }

    /// The person knows what was lost, and goes on without.
    pub(crate) fn accept_loss(&self) -> Result<(), AuthenticatorError> {
        self.call(Phone::accept_loss)?;
        Ok(self.lost.accept(&*self.storage)?)
    }

    /// The requests of the view, with the time that is left now.
    pub(crate) fn pending(&self) -> Vec<crate::PendingRequest> {
        self.view().pending(self.clock.now())
    }

    /// Looks at the phone, changing nothing.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Phone) -> T) -> T {
        look(&self.lock().phone)
    }

    /// Checks a decision, before the person is asked to unlock; what the system's prompt shows.
    pub(crate) fn decide(&self, request: &RequestId, decision: &Decision, seed: Option<&SeedImport>) -> Result<String, AuthenticatorError> {
        // A seed that can't be used costs nothing as long as nothing was decided.
        if let Some(seed) = seed {
            seed.only()?;
        }
        let asked = self.look(|phone| phone.pending(self.clock.now())).into_iter().find(|pending| pending.request_id == *request);
        let asked = asked.ok_or(PhoneError::NoSuchRequest)?;
        if asked.needs_uri && seed.is_none() {
            return Err(PhoneError::UriMissing.into());
        }
        self.call(|phone, ctx| phone.decide(request, decision, ctx))?;
        let label = if asked.label.is_empty() { "a new seed".to_owned() } else { asked.label };
        Ok(format!("Approve {label} for {}", asked.pairing))
    }

    pub(crate) fn approve(&self, request: &RequestId, unlock: &UnlockRoot, seed: Option<&SeedImport>) -> Result<(), AuthenticatorError> {
        let uri = seed.map(SeedImport::only).transpose()?.map(countersign_core::otp::OtpAuth::to_uri);
        Ok(self.call(|phone, ctx| phone.approve(request, unlock, uri.as_ref().map(|uri| uri.as_str()), ctx))?)
    }

    /// Seals these accounts of an import.
    pub(crate) fn enroll(
        &self,
        seeds: &SeedImport,
        indices: &[u32],
        recipients: &[String],
        unlock: &UnlockRoot,
    ) -> Result<Vec<Enrolled>, AuthenticatorError> {
        let recipients: Result<Vec<_>, _> = recipients.iter().map(|text| text.trim().parse()).collect();
        let recipients = recipients.map_err(|_| PhoneError::Recipient)?;
        let mut enrolled = Vec::with_capacity(indices.len());
        for index in indices {
            let otpauth = seeds.get(*index)?;
            let sealed = self.call(|phone, ctx| phone.enroll(otpauth, &recipients, unlock, ctx))?;
            let warnings = otpauth.warnings().iter().map(ToString::to_string).collect();
            enrolled.push(Enrolled { label: otpauth.label(), sealed: BASE64URL_NOPAD.encode(sealed.as_bytes()), warnings });
        }
        Ok(enrolled)
    }

    /// Everything about an enrolment that can be wrong before the person is asked to unlock; what the system's prompt shows.
    pub(crate) fn check_enroll(seeds: &SeedImport, indices: &[u32], recipients: &[String]) -> Result<String, AuthenticatorError> {
        if recipients.iter().any(|text| text.trim().parse::<countersign_core::seed::Recipient>().is_err()) {
            return Err(PhoneError::Recipient.into());
        }
        let labels = indices.iter().map(|index| seeds.get(*index).map(countersign_core::otp::OtpAuth::label));
        let labels = labels.collect::<Result<Vec<_>, _>>()?;
        match labels.as_slice() {
            [] => Err(AuthenticatorError::BadInput("choose at least one seed".into())),
            [one] => Ok(format!("Seal {one}")),
            many => Ok(format!("Seal {} seeds", many.len())),
        }
    }

    pub(crate) fn import(&self, file: SealedSeed, unlock: &UnlockRoot) -> Result<countersign_core::phone::SeedInfo, AuthenticatorError> {
        Ok(self.call(|phone, ctx| phone.import(file, unlock, ctx))?)
    }

    pub(crate) fn parse_sealed(sealed: &str) -> Result<SealedSeed, AuthenticatorError> {
        let bad = |_| AuthenticatorError::BadInput("this is no sealed seed: copy the whole text after `sealed =`".into());
        let bytes = BASE64URL_NOPAD.decode(sealed.trim().trim_end_matches('=').as_bytes()).map_err(bad)?;
        Ok(SealedSeed::parse(bytes)?)
    }

    pub(crate) fn back_up(&self, unlock: Option<&UnlockRoot>, passphrase: &str) -> Result<Vec<u8>, AuthenticatorError> {
        let plain = self.look(|phone| phone.back_up(unlock, self.clock.now().unix))?;
        backup::seal(&plain, passphrase)
    }

    /// The unlock root out of a backup of this phone.
    pub(crate) fn unlock_root_of(&self, sealed: &[u8], passphrase: &str) -> Result<UnlockRoot, AuthenticatorError> {
        let plain = backup::open(sealed, passphrase)?;
        Ok(self.look(|phone| phone.unlock_root_of(&plain))?)
    }

    /// Keeps the unlock root anew, for a keychain that has lost it. `cancelled`: subscribed to when the call began.
    pub(crate) async fn protect(&self, unlock: UnlockRoot, mut cancelled: watch::Receiver<()>) -> Result<(), AuthenticatorError> {
        tokio::select! {
            biased;
            _ = cancelled.changed() => Err(KeychainError::Cancelled.into()),
            kept = protect(&*self.keychain, &unlock) => kept,
        }
    }

    /// Saves nothing from now on; what is being saved is done first.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
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

    /// Has the person unlock. No lock is held: this takes as long as the person does. `cancelled`: subscribed to when the call began.
    pub(crate) async fn unlock(&self, reason: String, mut cancelled: watch::Receiver<()>) -> Result<UnlockRoot, AuthenticatorError> {
        let root = tokio::select! {
            // Nobody is asked for a moment.
            biased;
            _ = cancelled.changed() => return Err(KeychainError::Cancelled.into()),
            root = self.keychain.unlock(UNLOCK.to_owned(), reason) => Zeroizing::new(root?),
        };
        UnlockRoot::from_slice(&root).ok_or_else(|| PhoneError::WrongUnlockKey.into())
    }

    /// Has the person unlock for a request. If that goes away meanwhile, so does the question.
    pub(crate) async fn unlock_for(
        &self,
        request: &RequestId,
        reason: String,
        cancelled: watch::Receiver<()>,
    ) -> Result<UnlockRoot, AuthenticatorError> {
        let (id, mut view) = (id_text(request), self.view.subscribe());
        tokio::select! {
            biased;
            () = async { drop(view.wait_for(|view| !view.has(&id)).await) } => Err(PhoneError::NoSuchRequest.into()),
            unlock = self.unlock(reason, cancelled) => unlock,
        }
    }

    /// Changes the phone, and routes what comes of it before anybody else can.
    pub(crate) fn call<T>(&self, change: impl FnOnce(&mut Phone, &mut Context<'_>) -> T) -> T {
        let mut inner = self.lock();
        let mut store = Saving { storage: &*self.storage, lost: &self.lost, closed: inner.closed };
        let mut ctx = Context { now: self.clock.now(), rng: &mut OsRng, store: &mut store };
        let result = change(&mut inner.phone, &mut ctx);
        self.publish(&mut inner);
        drop(inner);
        self.changed.notify_one();
        result
    }

    /// Sends what is to be sent, and shows what has changed.
    fn publish(&self, inner: &mut Inner) {
        let now = self.clock.now();
        let old = self.view();
        let new = Arc::new(View::of(&inner.phone, &inner.states, now));
        // Whoever is told looks at once, and so may whoever hears what the other side has been sent.
        self.view.send_replace(new.clone());
        let (mut events, gone) = inner.route(&old);
        events.extend(view::changes(&old, &new, &gone));
        events.into_iter().for_each(|event| inner.teller.tell(event));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked has not half-changed the phone: its methods change the state in one assignment.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the network.
impl Engine {
    /// A connection is up: proves the mailboxes there.
    pub(crate) fn connected(&self, relay: &RelayUrl, nonce: Nonce, queue: UnboundedSender<Vec<u8>>) {
        let mut inner = self.lock();
        inner.links.insert(relay.clone(), queue);
        inner.phone.connected(relay, &nonce);
        self.publish(&mut inner);
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
        self.publish(&mut inner);
        inner.links.clear();
    }

    pub(crate) fn tell_link(&self, relay: &RelayUrl, state: LinkState) {
        let connection = crate::Connection { relay: relay.to_string(), state };
        let mut inner = self.lock();
        inner.states.retain(|known| known.relay != connection.relay);
        inner.states.push(connection.clone());
        self.publish(&mut inner);
        inner.teller.tell(Event::ConnectionChanged { connection });
    }

    /// There is no connection to this relay, and none is wanted.
    pub(crate) fn forget_link(&self, relay: &RelayUrl) {
        let mut inner = self.lock();
        let known = inner.states.len();
        inner.states.retain(|known| known.relay != relay.to_string());
        let was_known = inner.states.len() < known;
        self.publish(&mut inner);
        if was_known {
            let connection = crate::Connection { relay: relay.to_string(), state: LinkState::Disconnected };
            inner.teller.tell(Event::ConnectionChanged { connection });
        }
    }

    /// Asks about seeds that nobody uses.
    pub(crate) fn look_at_seeds(&self) {
        let now = self.clock.now().unix;
        let inner = self.lock();
        for seed in inner.phone.seeds() {
            let since = seed.last_used.unwrap_or(seed.created).max(seed.created);
            if now.saturating_sub(since) > UNUSED {
                inner.teller.tell(attention(Attention::SeedUnused { seed: id_text(&seed.id), label: seed.label, since }));
            }
        }
    }
}

impl Inner {
    /// Sends what is to be sent; what is to be told, and the pairings whose requests were withdrawn.
    fn route(&mut self, view: &View) -> (Vec<Event>, Vec<String>) {
        let (mut events, mut withdrawn) = (Vec::new(), Vec::new());
        while let Some(output) = self.phone.poll_output() {
            match output {
                PhoneOutput::Send { relay, frame } => {
                    if let Some(link) = self.links.get(&relay) {
                        // A connection that is just ending drops it; `disconnected` follows.
                        let _ = link.send(frame);
                    }
                }
                PhoneOutput::Event(PhoneEvent::Withdrawn(id)) => withdrawn.push(id_text(&id)),
                PhoneOutput::Event(event) => events.extend(event_of(event, view)),
                _ => {}
            }
        }
        (events, withdrawn)
    }
}

fn attention(attention: Attention) -> Event {
    Event::AttentionNeeded { attention }
}

/// What is not seen in the requests themselves.
fn event_of(event: PhoneEvent, view: &View) -> Option<Event> {
    let name = |id: &PairingId| view.name_of(&id_text(id));
    Some(attention(match event {
        PhoneEvent::Settled(id) => return Some(Event::Settled { pairing_id: id_text(&id) }),
        PhoneEvent::Evicted(relay) => Attention::Evicted { relay: relay.to_string() },
        // A relay that restarts is nothing that the person should know.
        PhoneEvent::RelayError(_, ErrorCode::ShuttingDown | ErrorCode::SessionOver) => return None,
        PhoneEvent::RelayError(relay, code) => Attention::RelayProblem { relay: relay.to_string(), problem: code.to_string() },
        PhoneEvent::WakeUpRegistered(id) => Attention::WakeUpRegistered { pairing: name(&id) },
        PhoneEvent::WakeUpRefused(relay, status) => Attention::WakeUpRefused { relay: relay.to_string(), problem: status.to_string() },
        PhoneEvent::ClockApart(id, seconds) => Attention::ClockApart { pairing: name(&id), seconds },
        PhoneEvent::NotSaved(problem) => Attention::StorageProblem { problem: problem.to_string() },
        _ => return None,
    }))
}
