//! A phone in a test's own app, a real relay on this machine, and a job.
#![allow(dead_code, reason = "not every test file needs everything")]

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
    pairing::AwaitP1,
    relay::{Frame, RelayUrl, Role},
    request::Operation,
    seed::SealedSeed,
};
use countersign_link::{Clock, Link};
use countersign_mobile::{
    Authenticator, AuthenticatorError, Connection, Event, Keychain, KeychainError, LinkState, Observer, ObserverError, PairingUi,
    SeedImport, Storage, StorageError,
};
use countersign_relay::{Config, Relay};
use data_encoding::BASE64URL_NOPAD;
use rand_core::OsRng;
use tokio::{
    runtime::Runtime,
    sync::{oneshot, watch},
    time::timeout,
};

pub(crate) const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";
pub(crate) const PASSPHRASE: &str = "correct horse battery";
/// Far longer than anything here takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct App {
    pub(crate) blobs: Mutex<HashMap<String, Vec<u8>>>,
    pub(crate) secrets: Mutex<HashMap<String, Vec<u8>>>,
    pub(crate) protected: Mutex<HashMap<String, Vec<u8>>>,
    /// What unlocking comes to, if not to its end.
    pub(crate) problem: Mutex<Option<KeychainError>>,
    /// Unlocking waits for ever.
    pub(crate) waits: AtomicBool,
    /// Prompts that are open.
    pub(crate) prompts: watch::Sender<usize>,
    /// How many more writes succeed.
    pub(crate) writes: Mutex<Option<usize>>,
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
        let _open = Prompt::open(&self.prompts);
        if self.waits.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(problem);
        }
        self.protected.lock().unwrap().get(&name).cloned().ok_or(KeychainError::Cancelled)
    }
}

struct Prompt<'a>(&'a watch::Sender<usize>);

impl<'a> Prompt<'a> {
    fn open(prompts: &'a watch::Sender<usize>) -> Self {
        prompts.send_modify(|open| *open += 1);
        Self(prompts)
    }
}

impl Drop for Prompt<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

pub(crate) struct Events(pub(crate) mpsc::Sender<Event>);

impl Observer for Events {
    fn on_event(&self, event: Event) -> Result<(), ObserverError> {
        self.0.send(event).map_err(|_| ObserverError::Failed)
    }
}

pub(crate) struct Digits(pub(crate) mpsc::Sender<String>);

impl PairingUi for Digits {
    fn show_digits(&self, _: String, digits: String) -> Result<(), ObserverError> {
        self.0.send(digits).map_err(|_| ObserverError::Failed)
    }
}

/// A relay on its own thread, and one phone.
pub(crate) struct World {
    pub(crate) relay: RelayUrl,
    pub(crate) app: Arc<App>,
    pub(crate) phone: Arc<Authenticator>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) _relay_ends: oneshot::Sender<()>,
}

/// Any executor will do.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
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
    pub(crate) fn phone_pairs(&self, code: String) -> (mpsc::Receiver<Result<String, AuthenticatorError>>, mpsc::Receiver<String>) {
        let (phone, (show, digits), (say, paired)) = (self.phone.clone(), mpsc::channel(), mpsc::channel());
        std::thread::spawn(move || say.send(wait(phone.pair(code, Arc::new(Digits(show)))).map(|pairing| pairing.name)));
        (paired, digits)
    }

    pub(crate) fn pair(&self) -> (CiPairing, CiKey) {
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

    pub(crate) fn enroll(&self) -> SealedSeed {
        let enrolled = wait(self.phone.enroll(SeedImport::from_text(URI.into()).unwrap(), vec![0], vec![])).unwrap();
        SealedSeed::parse(BASE64URL_NOPAD.decode(enrolled[0].sealed.as_bytes()).unwrap()).unwrap()
    }

    pub(crate) fn until(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("the event that was waited for");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// A request that waits for its human: CI's side, and its number.
    pub(crate) fn asked(&self) -> (Ci, String) {
        let (pairing, key) = self.pair();
        let sealed = self.enroll();
        self.asks(pairing, key, sealed)
    }

    pub(crate) fn asks(&self, pairing: CiPairing, key: CiKey, sealed: SealedSeed) -> (Ci, String) {
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
pub(crate) struct Laptop(pub(crate) Link);

impl Laptop {
    pub(crate) async fn meet(relay: &RelayUrl, laptop: &AwaitP1) -> Self {
        let (mut link, _) = Link::connect(relay).await.unwrap();
        let meet = Frame::Meet { circuit: 5, role: Role::Laptop, rendezvous: laptop.code().rendezvous };
        link.send(&meet.encode()).await.unwrap();
        Self(link)
    }

    pub(crate) async fn say(&mut self, tail: &[u8]) {
        self.0.send(&Frame::Data { circuit: 5, tail }.encode()).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> Vec<u8> {
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

pub(crate) struct Ci {
    pub(crate) runtime: Runtime,
    pub(crate) relay: RelayUrl,
    pub(crate) exchange: Exchange,
    pub(crate) link: Option<Link>,
    pub(crate) clock: Clock,
    pub(crate) number: Option<String>,
    pub(crate) away: bool,
}

impl Ci {
    /// Carries frames until the exchange is over or `enough`.
    pub(crate) fn run(&mut self, enough: impl Fn(&Self) -> bool) -> Option<Result<Finished, Failure>> {
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

/// A world's phone, opened anew from what its app has kept.
pub(crate) fn reopened(world: &World) -> (Arc<Authenticator>, mpsc::Receiver<Event>) {
    let (tell, events) = mpsc::channel();
    let phone = wait(Authenticator::open(world.app.clone(), world.app.clone(), Arc::new(Events(tell)))).unwrap();
    (phone, events)
}
