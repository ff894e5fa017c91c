//! The engine over a real relay on this machine: pairing, approving, what is withdrawn, stopped or revoked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::{
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
    Authenticator, AuthenticatorError, Event, Keychain, KeychainError, LinkState, Observer, ObserverError, PairingUi, Storage, StorageError,
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
    state: Mutex<Option<Vec<u8>>>,
    device: Mutex<Option<Vec<u8>>>,
    unlock: Mutex<Vec<u8>>,
    cancels: AtomicBool,
}

impl Storage for App {
    fn load(&self) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.state.lock().unwrap().clone())
    }
    fn save(&self, state: Vec<u8>) -> Result<(), StorageError> {
        *self.state.lock().unwrap() = Some(state);
        Ok(())
    }
}

impl Keychain for App {
    fn load_device_root(&self) -> Result<Option<Vec<u8>>, KeychainError> {
        Ok(self.device.lock().unwrap().clone())
    }
    fn store_device_root(&self, root: Vec<u8>) -> Result<(), KeychainError> {
        *self.device.lock().unwrap() = Some(root);
        Ok(())
    }
    fn store_unlock_root(&self, root: Vec<u8>) -> Result<(), KeychainError> {
        *self.unlock.lock().unwrap() = root;
        Ok(())
    }
    fn unlock(&self, _: String) -> Result<Vec<u8>, KeychainError> {
        if self.cancels.load(Ordering::SeqCst) { Err(KeychainError::Cancelled) } else { Ok(self.unlock.lock().unwrap().clone()) }
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
        let phone = Authenticator::create("pixel".into(), app.clone(), app.clone(), Arc::new(Events(tell))).unwrap();
        Self { relay: relay.recv_timeout(PATIENCE).unwrap(), app, phone, events, _relay_ends: end }
    }

    /// Begins a pairing on the phone's side; gives what it will answer, and the digits.
    fn phone_pairs(&self, code: String) -> (mpsc::Receiver<Result<String, AuthenticatorError>>, mpsc::Receiver<String>) {
        let (phone, (show, digits), (say, paired)) = (self.phone.clone(), mpsc::channel(), mpsc::channel());
        std::thread::spawn(move || say.send(phone.pair(code, Arc::new(Digits(show))).map(|pairing| pairing.name)));
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
        let enrolled = self.phone.enroll(URI.into(), vec![]).unwrap();
        SealedSeed::parse(BASE64URL_NOPAD.decode(enrolled.sealed.as_bytes()).unwrap()).unwrap()
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
        self.phone.start().unwrap();
        self.until(|event| matches!(event, Event::Link { state: LinkState::Connected, .. }));
        let ask = Ask { sealed: Some(sealed), seed_name: "npm".into(), reason: "release 1.2".into(), ..Ask::new(Operation::Code, 60_000) };
        let clock = Clock::start();
        let exchange = Exchange::new(pairing, key, ask, clock.now());
        let mut ci = Ci { runtime: runtime(), relay: self.relay.clone(), exchange, link: None, clock, number: None, away: false };
        assert_eq!(ci.run(|ci| ci.number.is_some()), None);
        self.until(|event| matches!(event, Event::Asked { .. }));
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
    assert_eq!((pending[0].pairing.as_str(), pending[0].label.as_str()), ("acme/widget", "ACME:release"));
    let claims: Vec<_> = pending[0].unverified.iter().map(|claim| (claim.name.as_str(), claim.value.as_str())).collect();
    assert_eq!(claims, [("seed", "npm"), ("reason", "release 1.2")]);
    let approve = || world.phone.approve(pending[0].id.clone(), number.clone(), None, true, None);
    // Who cancels the unlocking may come back to it.
    world.app.cancels.store(true, Ordering::SeqCst);
    assert!(matches!(approve(), Err(AuthenticatorError::Unlock(_))));
    assert_eq!(world.phone.pending().unwrap().len(), 1);
    world.app.cancels.store(false, Ordering::SeqCst);
    approve().unwrap();
    let Some(Ok(Finished::Approved(approval))) = ci.run(|_| false) else { panic!("no codes") };
    let code = &approval.codes[0];
    assert_eq!(code.1.expose(), compute(&parse_otpauth(URI).unwrap(), code.0).expose());
    ci.exchange.report(Outcome::Used);
    ci.run(|_| true);
    world.until(|event| matches!(event, Event::Settled { .. }));
    let history = world.phone.history().unwrap();
    assert_eq!(history.last().unwrap().outcome, countersign_mobile::HistoryOutcome::Used);
    assert!(matches!(approve(), Err(AuthenticatorError::Gone(_))));
}

#[test]
fn a_wrong_number_ends_it() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    let wrong = if number == "000000" { "000001" } else { "000000" };
    assert!(matches!(world.phone.approve(id, wrong.into(), None, true, None), Err(AuthenticatorError::WrongNumber(_))));
    assert_eq!(ci.run(|_| false), Some(Err(Failure::WrongNumber)));
}

#[test]
fn the_job_hears_that_the_phone_stops() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let started = std::time::Instant::now();
    world.phone.stop().unwrap();
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
    world.phone.revoke(id).unwrap();
    world.until(|event| matches!(event, Event::Withdrawn { .. }));
    assert!(world.phone.pending().unwrap().is_empty());
    assert_eq!(ci.run(|_| false), Some(Err(Failure::TicketRefused)));
}

#[test]
fn a_pairing_made_while_running_is_served() {
    let world = World::new();
    world.phone.start().unwrap();
    world.asked();
}

#[test]
fn a_second_pairing_at_the_same_relay_is_served() {
    let world = World::new();
    world.pair();
    world.phone.start().unwrap();
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
                    world.phone.start().unwrap();
                    world.phone.stop().unwrap();
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
    // The person gives up: before, during or after connecting, as it comes.
    let laptop = AwaitP1::make("acme/widget", world.relay.clone(), &mut OsRng);
    let (answer, _digits) = world.phone_pairs(laptop.code().to_text().to_string());
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
