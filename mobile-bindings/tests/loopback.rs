//! The engine over a real relay on this machine: pairing, approving, what is withdrawn, stopped or revoked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use countersign_core::{
    ci::{Ask, CiPairing, Event as CiEvent, Exchange, Failure, Finished, Output},
    keys::CiKey,
    otp::{compute, parse_otpauth},
    pairing::AwaitP1,
    relay::{Frame, RelayUrl, Role},
    request::{Operation, Outcome},
    seed::SealedSeed,
};
use countersign_link::{Clock, Link};
use countersign_mobile::{
    Attention, Authenticator, AuthenticatorError, Connection, Event, Gone, HistoryOutcome, Keychain, KeychainError, LinkState, LostPart,
    Observer, ObserverError, PairingUi, SeedImport, Storage, StorageError,
};
use countersign_relay::{Config, Relay};
use data_encoding::BASE64URL_NOPAD;
use rand_core::OsRng;
use tokio::{runtime::Runtime, sync::oneshot, time::timeout};

const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";
/// Far longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct App {
    blobs: Mutex<HashMap<String, Vec<u8>>>,
    secrets: Mutex<HashMap<String, Vec<u8>>>,
    protected: Mutex<HashMap<String, Vec<u8>>>,
    /// What unlocking comes to, if not to its end.
    problem: Mutex<Option<KeychainError>>,
    /// Unlocking waits for ever.
    waits: AtomicBool,
    /// How many more writes succeed.
    writes: Mutex<Option<usize>>,
}

impl Storage for App {
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.blobs.lock().unwrap().get(&name).cloned())
    }
    fn save(&self, name: String, bytes: Vec<u8>) -> Result<(), StorageError> {
        match &mut *self.writes.lock().unwrap() {
            Some(0) => return Err(StorageError::Failed { detail: "the disk is full; make room".into() }),
            Some(left) => *left -= 1,
            None => {}
        }
        self.blobs.lock().unwrap().insert(name, bytes);
        Ok(())
    }
}

#[async_trait::async_trait]
impl Keychain for App {
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, KeychainError> {
        Ok(self.secrets.lock().unwrap().get(&name).cloned())
    }
    fn store(&self, name: String, secret: Vec<u8>) -> Result<(), KeychainError> {
        self.secrets.lock().unwrap().insert(name, secret);
        Ok(())
    }
    async fn protect(&self, name: String, secret: Vec<u8>, _: String) -> Result<(), KeychainError> {
        self.protected.lock().unwrap().insert(name, secret);
        Ok(())
    }
    async fn unlock(&self, name: String, _: String) -> Result<Vec<u8>, KeychainError> {
        if self.waits.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(problem);
        }
        self.protected.lock().unwrap().get(&name).cloned().ok_or(KeychainError::Cancelled)
    }
}

struct Events(mpsc::Sender<Event>);

impl Observer for Events {
    fn on_event(&self, event: Event) -> Result<(), ObserverError> {
        self.0.send(event).map_err(|_| ObserverError::Failed)
    }
}

struct Digits(mpsc::Sender<String>);

impl PairingUi for Digits {
    fn show_digits(&self, _: String, digits: String) -> Result<(), ObserverError> {
        self.0.send(digits).map_err(|_| ObserverError::Failed)
    }
}

/// A relay on its own thread, and one phone.
struct World {
    relay: RelayUrl,
    app: Arc<App>,
    phone: Arc<Authenticator>,
    events: mpsc::Receiver<Event>,
    _relay_ends: oneshot::Sender<()>,
}

/// Any executor will do.
fn wait<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl World {
    fn new() -> Self {
        let (bound, relay) = mpsc::channel();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            runtime().block_on(async {
                let relay = Relay::bind(Config::default()).await.unwrap();
                bound.send(relay.origin().clone()).unwrap();
                relay.serve(async { drop(ended.await) }).await;
            });
        });
        let (tell, events) = mpsc::channel();
        let app = Arc::new(App::default());
        let phone = wait(Authenticator::create("pixel".into(), app.clone(), app.clone(), Arc::new(Events(tell)))).unwrap();
        Self { relay: relay.recv_timeout(PATIENCE).unwrap(), app, phone, events, _relay_ends: end }
    }

    /// Begins a pairing on the phone's side; gives what it will answer, and the digits.
    fn phone_pairs(&self, code: String) -> (mpsc::Receiver<Result<String, AuthenticatorError>>, mpsc::Receiver<String>) {
        let (phone, (show, digits), (say, paired)) = (self.phone.clone(), mpsc::channel(), mpsc::channel());
        std::thread::spawn(move || say.send(wait(phone.pair(code, Arc::new(Digits(show)))).map(|pairing| pairing.name)));
        (paired, digits)
    }

    fn pair(&self) -> (CiPairing, CiKey) {
        let laptop = AwaitP1::make("acme/widget", self.relay.clone(), &mut OsRng);
        let (answer, digits) = self.phone_pairs(laptop.code().to_text().to_string());
        let paired = runtime().block_on(async {
            let mut link = Laptop::meet(&self.relay, &laptop).await;
            let (laptop, p2) = laptop.receive(&link.hear().await, &mut OsRng).unwrap();
            link.say(&p2).await;
            let laptop = laptop.receive(&link.hear().await).unwrap();
            let (laptop, p4) = laptop.check(&digits.recv_timeout(PATIENCE).unwrap()).unwrap();
            link.say(&p4).await;
            laptop.receive(&link.hear().await).unwrap()
        });
        assert!(answer.recv_timeout(PATIENCE).unwrap().unwrap().starts_with("acme/widget"));
        (paired.pairing, paired.key)
    }

    fn enroll(&self) -> SealedSeed {
        let enrolled = wait(self.phone.enroll(SeedImport::from_text(URI.into()).unwrap(), vec![0], vec![])).unwrap();
        SealedSeed::parse(BASE64URL_NOPAD.decode(enrolled[0].sealed.as_bytes()).unwrap()).unwrap()
    }

    fn until(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("the event that was waited for");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// A request that waits for its human: CI's side, and its number.
    fn asked(&self) -> (Ci, String) {
        let (pairing, key) = self.pair();
        let sealed = self.enroll();
        self.asks(pairing, key, sealed)
    }

    fn asks(&self, pairing: CiPairing, key: CiKey, sealed: SealedSeed) -> (Ci, String) {
        wait(self.phone.connect()).unwrap();
        self.until(|event| matches!(event, Event::ConnectionChanged { connection: Connection { state: LinkState::Connected, .. } }));
        let ask = Ask { sealed: Some(sealed), seed_name: "npm".into(), reason: "release 1.2".into(), ..Ask::new(Operation::Code, 60_000) };
        let clock = Clock::start();
        let exchange = Exchange::new(pairing, key, ask, clock.now());
        let mut ci = Ci { runtime: runtime(), relay: self.relay.clone(), exchange, link: None, clock, number: None, away: false };
        assert_eq!(ci.run(|ci| ci.number.is_some()), None);
        self.until(|event| matches!(event, Event::RequestArrived { .. }));
        let number = ci.number.clone().unwrap();
        (ci, number)
    }
}

/// The laptop's end of a rendezvous.
struct Laptop(Link);

impl Laptop {
    async fn meet(relay: &RelayUrl, laptop: &AwaitP1) -> Self {
        let (mut link, _) = Link::connect(relay).await.unwrap();
        let meet = Frame::Meet { circuit: 5, role: Role::Laptop, rendezvous: laptop.code().rendezvous };
        link.send(&meet.encode()).await.unwrap();
        Self(link)
    }

    async fn say(&mut self, tail: &[u8]) {
        self.0.send(&Frame::Data { circuit: 5, tail }.encode()).await.unwrap();
    }

    async fn hear(&mut self) -> Vec<u8> {
        loop {
            let bytes = timeout(PATIENCE, self.0.recv()).await.unwrap().unwrap();
            match Frame::parse(&bytes).unwrap() {
                Frame::Data { tail, .. } => return tail.to_vec(),
                Frame::Met { .. } => {}
                frame => panic!("{frame:?}"),
            }
        }
    }
}

struct Ci {
    runtime: Runtime,
    relay: RelayUrl,
    exchange: Exchange,
    link: Option<Link>,
    clock: Clock,
    number: Option<String>,
    away: bool,
}

impl Ci {
    /// Carries frames until the exchange is over or `enough`.
    fn run(&mut self, enough: impl Fn(&Self) -> bool) -> Option<Result<Finished, Failure>> {
        loop {
            while let Some(output) = self.exchange.poll_output() {
                match output {
                    Output::Connect => {
                        let (link, hello) = self.runtime.block_on(Link::connect(&self.relay)).unwrap();
                        self.link = Some(link);
                        self.exchange.connected(hello.nonce, self.clock.now(), &mut OsRng);
                    }
                    Output::Send(frame) => self.runtime.block_on(self.link.as_mut().unwrap().send(&frame)).unwrap(),
                    Output::Event(CiEvent::PhoneAway) => self.away = true,
                    Output::Event(CiEvent::Number(number)) => self.number = Some(number.digits().to_owned()),
                    Output::Finished(end) => return Some(end),
                    _ => {}
                }
            }
            if enough(self) {
                return None;
            }
            let link = self.link.as_mut().unwrap();
            let due = self.exchange.poll_timeout().unwrap().saturating_sub(self.clock.now().mono);
            match self.runtime.block_on(async { timeout(Duration::from_millis(due).min(PATIENCE), link.recv()).await }) {
                Ok(frame) => self.exchange.received(&frame.unwrap(), self.clock.now(), &mut OsRng),
                Err(_) => self.exchange.tick(self.clock.now(), &mut OsRng),
            }
        }
    }
}

#[test]
fn a_whole_approval() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let pending = world.phone.pending().unwrap();
    let (verified, claimed) = (&pending[0].verified, &pending[0].claimed);
    assert_eq!((verified.pairing.as_str(), verified.seed.as_deref()), ("acme/widget", Some("ACME:release")));
    assert_eq!((claimed.seed_name.as_str(), claimed.reason.as_str(), &claimed.new_seed), ("npm", "release 1.2", &None));
    let approve = || wait(world.phone.approve(pending[0].id.clone(), number.clone(), None, true, None));
    // Whatever comes in between, the request waits on.
    for (problem, expected) in [
        (KeychainError::Cancelled, "unlocking was cancelled"),
        (KeychainError::LockedOut, "too many attempts"),
        (KeychainError::Invalidated, "the system has destroyed the key"),
    ] {
        *world.app.problem.lock().unwrap() = Some(problem.clone());
        let error = approve().unwrap_err();
        assert_eq!(matches!(error, AuthenticatorError::SetUp(_)), problem == KeychainError::Invalidated, "{error:?}");
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(world.phone.pending().unwrap().len(), 1);
    }
    *world.app.problem.lock().unwrap() = None;
    // As well if the app gives up while the person is being asked.
    world.app.waits.store(true, Ordering::SeqCst);
    let given_up = world.phone.approve(pending[0].id.clone(), number.clone(), None, true, None);
    assert!(wait(async { timeout(Duration::from_millis(200), given_up).await }).is_err());
    world.app.waits.store(false, Ordering::SeqCst);
    assert_eq!(world.phone.pending().unwrap().len(), 1);
    approve().unwrap();
    world.until(|event| matches!(event, Event::RequestGone { why: Gone::Answered, .. }));
    let Some(Ok(Finished::Approved(approval))) = ci.run(|_| false) else { panic!("no codes") };
    let code = &approval.codes[0];
    assert_eq!(code.1.expose(), compute(&parse_otpauth(URI).unwrap(), code.0).expose());
    ci.exchange.report(Outcome::Used);
    ci.run(|_| true);
    world.until(|event| matches!(event, Event::Settled { .. }));
    let history = world.phone.history().unwrap();
    assert_eq!(history.last().unwrap().outcome, HistoryOutcome::Used);
    assert!(matches!(approve(), Err(AuthenticatorError::Gone(_))));
}

#[test]
fn a_wrong_number_ends_it() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    let wrong = if number == "000000" { "000001" } else { "000000" };
    assert!(matches!(wait(world.phone.approve(id, wrong.into(), None, true, None)), Err(AuthenticatorError::WrongNumber(_))));
    assert_eq!(ci.run(|_| false), Some(Err(Failure::WrongNumber)));
}

#[test]
fn the_job_hears_that_the_phone_stops() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let started = std::time::Instant::now();
    wait(world.phone.disconnect()).unwrap();
    // Nothing was approved: the job asks afresh and waits for the phone to come back.
    assert_eq!(ci.run(|ci| ci.away), None);
    assert!(world.phone.pending().unwrap().is_empty());
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn a_revoked_pairing_is_turned_away_at_once() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let id = world.phone.pairings().unwrap()[0].id.clone();
    wait(world.phone.revoke(id)).unwrap();
    world.until(|event| matches!(event, Event::RequestGone { why: Gone::Withdrawn, .. }));
    assert!(world.phone.pending().unwrap().is_empty());
    assert_eq!(ci.run(|_| false), Some(Err(Failure::TicketRefused)));
}

#[test]
fn a_pairing_made_while_running_is_served() {
    let world = World::new();
    wait(world.phone.connect()).unwrap();
    world.asked();
}

#[test]
fn a_second_pairing_at_the_same_relay_is_served() {
    let world = World::new();
    world.pair();
    wait(world.phone.connect()).unwrap();
    world.asked();
}

#[test]
fn starting_and_stopping_from_several_threads() {
    let world = World::new();
    world.pair();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    wait(world.phone.connect()).unwrap();
                    wait(world.phone.disconnect()).unwrap();
                }
            });
        }
    });
    world.events.try_iter().for_each(drop);
    world.asked();
}

#[test]
fn pairings_that_come_to_nothing() {
    let world = World::new();
    // The laptop gives up after the digits.
    let laptop = AwaitP1::make("acme/widget", world.relay.clone(), &mut OsRng);
    let (answer, digits) = world.phone_pairs(laptop.code().to_text().to_string());
    runtime().block_on(async {
        let mut link = Laptop::meet(&world.relay, &laptop).await;
        let (laptop, p2) = laptop.receive(&link.hear().await, &mut OsRng).unwrap();
        link.say(&p2).await;
        laptop.receive(&link.hear().await).unwrap().check("not the digits").err().unwrap();
        assert_eq!(digits.recv_timeout(PATIENCE).unwrap().len(), 6);
    });
    assert!(matches!(answer.recv_timeout(PATIENCE).unwrap(), Err(AuthenticatorError::StartAgain(_))));
    // The person gives up before the laptop has come.
    let laptop = AwaitP1::make("acme/widget", world.relay.clone(), &mut OsRng);
    let (show, _digits) = mpsc::channel();
    let given_up = world.phone.pair(laptop.code().to_text().to_string(), Arc::new(Digits(show)));
    assert!(wait(async { timeout(Duration::from_millis(300), given_up).await }).is_err());
    // The same by a call, for languages whose cancelling does not reach this far.
    let (answer, _digits) = world.phone_pairs(AwaitP1::make("acme/widget", world.relay.clone(), &mut OsRng).code().to_text().to_string());
    let cancelled = loop {
        world.phone.cancel_pairing().unwrap();
        if let Ok(answer) = answer.recv_timeout(Duration::from_millis(20)) {
            break answer;
        }
    };
    assert!(matches!(cancelled, Err(AuthenticatorError::StartAgain(_))));
    // Nobody listens there.
    let laptop = AwaitP1::make("acme/widget", "ws://127.0.0.1:9".parse().unwrap(), &mut OsRng);
    let (answer, _digits) = world.phone_pairs(laptop.code().to_text().to_string());
    assert!(matches!(answer.recv_timeout(PATIENCE).unwrap(), Err(AuthenticatorError::TryAgain(_))));
    assert!(world.phone.pairings().unwrap().is_empty());
}

/// A world's phone, opened anew from what its app has kept.
fn reopened(world: &World) -> (Arc<Authenticator>, mpsc::Receiver<Event>) {
    let (tell, events) = mpsc::channel();
    let phone = wait(Authenticator::open(world.app.clone(), world.app.clone(), Arc::new(Events(tell)))).unwrap();
    (phone, events)
}

#[test]
fn a_bad_blob_is_told_and_the_rest_is_there() {
    let world = World::new();
    world.pair();
    world.enroll();
    world.app.blobs.lock().unwrap().insert("seeds".into(), b"not what it was".to_vec());
    let (phone, events) = reopened(&world);
    wait(phone.connect()).unwrap();
    let told = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told, Event::AttentionNeeded { attention: Attention::Lost { what: LostPart::Seeds } });
    assert_eq!((phone.seeds().unwrap().len(), phone.pairings().unwrap().len()), (0, 1));
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    let approve = || wait(world.phone.approve(id.clone(), number.clone(), None, true, None));
    // The third write fails, and then all of them.
    *world.app.writes.lock().unwrap() = Some(2);
    assert!(matches!(approve(), Err(AuthenticatorError::Storage(_))));
    assert!(matches!(approve(), Err(AuthenticatorError::Storage(_))));
    assert_eq!(world.phone.pending().unwrap().len(), 1);
    *world.app.writes.lock().unwrap() = None;
    approve().unwrap();
    assert!(matches!(ci.run(|_| false), Some(Ok(Finished::Approved(_)))));
}

const PASSPHRASE: &str = "correct horse battery";

#[test]
fn another_phone_takes_its_place_by_a_backup() {
    let world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enroll();
    let short = wait(world.phone.back_up("too short".into(), true));
    assert!(matches!(short, Err(AuthenticatorError::BadInput(_))));
    let backup = wait(world.phone.back_up(PASSPHRASE.into(), true)).unwrap();
    let (tell, events) = mpsc::channel();
    let observer: Arc<dyn Observer> = Arc::new(Events(tell));
    let app = Arc::new(App::default());
    let restore = |backup: Vec<u8>, passphrase: &str| {
        wait(Authenticator::restore(backup, passphrase.into(), app.clone(), app.clone(), observer.clone()))
    };
    for (bytes, passphrase) in
        [(backup.clone(), "wrong horse battery"), (backup[..backup.len() - 1].to_vec(), PASSPHRASE), (b"hello".to_vec(), PASSPHRASE)]
    {
        assert!(matches!(restore(bytes, passphrase), Err(AuthenticatorError::BadInput(_))));
        assert!(app.blobs.lock().unwrap().is_empty() && app.secrets.lock().unwrap().is_empty(), "nothing is begun");
    }
    wait(world.phone.disconnect()).unwrap();
    let phone = restore(backup, PASSPHRASE).unwrap();
    assert_eq!((phone.identity().unwrap(), phone.seeds().unwrap()), (world.phone.identity().unwrap(), world.phone.seeds().unwrap()));
    // It answers in the place of the other.
    let world = World { phone, app: app.clone(), events, ..world };
    let (mut ci, number) = world.asks(pairing, key, sealed);
    let id = world.phone.pending().unwrap()[0].id.clone();
    wait(world.phone.approve(id, number, None, true, None)).unwrap();
    assert!(matches!(ci.run(|_| false), Some(Ok(Finished::Approved(_)))));
    assert!(matches!(restore(vec![], PASSPHRASE), Err(AuthenticatorError::SetUp(_))), "not over a phone that is there");
}

#[test]
fn an_unlock_key_comes_back_from_a_backup() {
    let world = World::new();
    world.enroll();
    let with = wait(world.phone.back_up(PASSPHRASE.into(), true)).unwrap();
    *world.app.problem.lock().unwrap() = Some(KeychainError::Cancelled);
    // Nobody is asked for what a backup does not hold.
    let without = wait(world.phone.back_up(PASSPHRASE.into(), false)).unwrap();
    assert!(matches!(wait(world.phone.back_up(PASSPHRASE.into(), true)), Err(AuthenticatorError::Unlock(_))));
    *world.app.problem.lock().unwrap() = None;
    // A new fingerprint.
    world.app.protected.lock().unwrap().clear();
    let bring_back = |backup: &[u8]| wait(world.phone.restore_unlock_key(backup.to_vec(), PASSPHRASE.into()));
    assert!(matches!(bring_back(&without), Err(AuthenticatorError::BadInput(_))));
    let stranger = wait(World::new().phone.back_up(PASSPHRASE.into(), true)).unwrap();
    assert!(matches!(bring_back(&stranger), Err(AuthenticatorError::SetUp(_))));
    bring_back(&with).unwrap();
    world.enroll();
}

#[test]
fn a_new_network_is_used_at_once() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let connected =
        |event: &Event| matches!(event, Event::ConnectionChanged { connection: Connection { state: LinkState::Connected, .. } });
    wait(world.phone.network_changed()).unwrap();
    world.until(connected);
    // The request is still there, and its job finds the way to the new connection.
    let id = world.phone.pending().unwrap()[0].id.clone();
    wait(world.phone.approve(id, number, None, true, None)).unwrap();
    assert!(matches!(ci.run(|_| false), Some(Ok(Finished::Approved(_)))));
}

#[test]
fn a_blocked_pairing_is_gone() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    wait(world.phone.block(id)).unwrap();
    assert!(world.phone.pairings().unwrap().is_empty());
    assert!(matches!(ci.run(|_| false), Some(Err(Failure::Denied { .. }))));
}

#[test]
fn nobody_waits_for_an_observer_that_calls_back() {
    struct Calls(Mutex<Option<Arc<Authenticator>>>, mpsc::Sender<usize>);
    impl Observer for Calls {
        fn on_event(&self, _: Event) -> Result<(), ObserverError> {
            let phone = self.0.lock().unwrap().clone();
            let connections = phone.map_or(0, |phone| phone.connections().unwrap().len());
            self.1.send(connections).map_err(|_| ObserverError::Failed)
        }
    }
    let world = World::new();
    world.pair();
    let (tell, told) = mpsc::channel();
    let observer = Arc::new(Calls(Mutex::new(None), tell));
    let phone = wait(Authenticator::open(world.app.clone(), world.app.clone(), observer.clone())).unwrap();
    *observer.0.lock().unwrap() = Some(phone.clone());
    wait(phone.connect()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 1);
    wait(phone.disconnect()).unwrap();
    *observer.0.lock().unwrap() = None;
}

#[test]
fn seeds_come_in_as_pictures_and_exports() {
    let world = World::new();
    let export = "otpauth-migration://offline?data=CjUKFDEyMzQ1Njc4OTAxMjM0NTY3ODkwEhFhbGljZUBleGFtcGxlLm9yZxoEQUNNRSABKAEwAgo2CiAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMhIHbnBtOmJvYhoDbnBtIAIoAjACEAEYASjHn%2F%2F%2F%2F%2F%2F%2F%2F%2F8B";
    let seeds = SeedImport::from_text(export.into()).unwrap();
    let labels: Vec<String> = seeds.entries().unwrap().into_iter().map(|entry| entry.label).collect();
    assert_eq!(labels, ["ACME:alice@example.org", "npm:bob"]);
    let enrolled = wait(world.phone.enroll(seeds.clone(), vec![0, 1], vec![])).unwrap();
    assert_eq!(enrolled.len(), 2);
    assert_eq!(world.phone.seeds().unwrap().len(), 2);
    for indices in [vec![], vec![2]] {
        assert!(matches!(wait(world.phone.enroll(seeds.clone(), indices, vec![])), Err(AuthenticatorError::BadInput(_))));
    }
    for bad in [&b"no picture"[..], &[0xff, 0xd8, 0xff, 0xe0]] {
        assert!(matches!(SeedImport::from_picture(bad.to_vec()), Err(AuthenticatorError::BadInput(_))));
    }
    let id = world.phone.seeds().unwrap()[0].id.clone();
    wait(world.phone.remove_seed(id.clone())).unwrap();
    assert!(matches!(wait(world.phone.remove_seed(id)), Err(AuthenticatorError::Gone(_))));
}
