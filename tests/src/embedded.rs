//! Relay, phone and job in one process, over real loopback sockets: for the demo and the benchmark.

use std::{
    collections::HashMap,
    future::{Future, pending},
    io,
    sync::{Arc, Mutex},
};

use countersign::{
    ask::Phone,
    pair::{PairUi, pair},
};
use countersign_core::{pairing::PairingCode, relay::RelayUrl, seed::SealedSeed};
use countersign_mobile::{
    Authenticator, Connection, Event, Keychain, KeychainError, LinkState, Observer, ObserverError, PairingUi, SeedImport, Storage,
    StorageError,
};
use countersign_relay::{Config, Relay};
use data_encoding::BASE64URL_NOPAD;
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

/// A relay and a phone that live as long as this program, paired with one job.
pub struct Embedded {
    /// The phone.
    pub phone: Arc<Authenticator>,
    /// The phone as the job knows it.
    pub pairing: countersign_core::ci::CiPairing,
    /// The job's key, as text.
    pub key: zeroize::Zeroizing<String>,
    /// What the phone tells its app.
    pub events: UnboundedReceiver<Event>,
}

impl Embedded {
    /// Starts a relay on a free port, makes a phone and pairs it, as two people with two devices would.
    ///
    /// # Panics
    /// If any of it fails: nothing outside this process is needed.
    pub async fn start() -> Self {
        let url = start_relay().await;
        let (told, mut events) = unbounded_channel();
        let (storage, keychain) = (Arc::<Memory>::default(), Arc::<Keys>::default());
        let phone = Authenticator::create("demo phone".into(), storage, keychain, Arc::new(Told(told))).await.unwrap();
        let mut laptop = Laptop { phone: Arc::clone(&phone), digits: None };
        let paired = pair(&url, "demo job", &mut laptop).await.unwrap();
        phone.connect().await.unwrap();
        while !matches!(events.recv().await, Some(Event::ConnectionChanged { connection: Connection { state: LinkState::Connected, .. } }))
        {
        }
        Self { phone, pairing: paired.pairing, key: paired.key.to_text(), events }
    }

    /// Seals a seed to the phone, on the phone.
    ///
    /// # Errors
    /// What the phone says about the URI.
    pub async fn enroll(&self, uri: &str) -> Result<SealedSeed, countersign_mobile::AuthenticatorError> {
        let enrolled = self.phone.enroll(SeedImport::from_text(uri.to_owned())?, vec![0], Vec::new()).await?;
        let bytes = BASE64URL_NOPAD.decode(enrolled[0].sealed.as_bytes()).unwrap();
        Ok(SealedSeed::parse(bytes).unwrap())
    }

    /// What a job needs to ask the phone.
    ///
    /// # Panics
    /// Never: the key was made here.
    #[must_use]
    pub fn job(&self) -> Phone {
        Phone { pairing: self.pairing.clone(), key: self.key.parse().unwrap() }
    }
}

/// A relay in a thread of its own, named `relay`, until the program ends.
async fn start_relay() -> RelayUrl {
    let (started, url) = oneshot::channel();
    let serve = async move {
        let relay = Relay::bind(Config::default()).await.unwrap();
        started.send(relay.origin().clone()).unwrap();
        relay.serve(pending::<()>()).await;
    };
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(serve);
    std::thread::Builder::new().name("relay".into()).spawn(run).unwrap();
    url.await.unwrap()
}

/// The laptop's screen and keyboard, wired to the phone's camera and screen.
struct Laptop {
    phone: Arc<Authenticator>,
    digits: Option<oneshot::Receiver<String>>,
}

impl PairUi for Laptop {
    fn show_code(&mut self, code: &PairingCode) {
        let (phone, text) = (Arc::clone(&self.phone), code.to_text().to_string());
        let (shown, digits) = oneshot::channel();
        self.digits = Some(digits);
        tokio::spawn(async move { phone.pair(text, Arc::new(Screen(Mutex::new(Some(shown))))).await });
    }

    fn read_digits(&mut self, _: &str) -> impl Future<Output = io::Result<String>> + Send {
        let digits = self.digits.take();
        async move { digits.unwrap().await.map_err(|_| io::ErrorKind::UnexpectedEof.into()) }
    }
}

struct Screen(Mutex<Option<oneshot::Sender<String>>>);

impl PairingUi for Screen {
    fn show_digits(&self, _: String, digits: String) -> Result<(), ObserverError> {
        let shown = self.0.lock().unwrap().take();
        shown.and_then(|shown| shown.send(digits).ok()).ok_or(ObserverError::Failed)
    }
}

/// Keeps blobs in memory.
#[derive(Default)]
struct Memory(Mutex<HashMap<String, Vec<u8>>>);

impl Storage for Memory {
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.lock().unwrap().get(&name).cloned())
    }

    fn save(&self, name: String, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.0.lock().unwrap().insert(name, bytes);
        Ok(())
    }
}

/// Keeps the roots in memory and unlocks without asking: only for throw-away phones.
#[derive(Default)]
struct Keys(Mutex<HashMap<String, Vec<u8>>>);

#[async_trait::async_trait]
impl Keychain for Keys {
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, KeychainError> {
        Ok(self.0.lock().unwrap().get(&name).cloned())
    }

    fn store(&self, name: String, secret: Vec<u8>) -> Result<(), KeychainError> {
        self.0.lock().unwrap().insert(name, secret);
        Ok(())
    }

    async fn protect(&self, name: String, secret: Vec<u8>, _: String) -> Result<(), KeychainError> {
        self.store(name, secret)
    }

    async fn unlock(&self, name: String, _: String) -> Result<Vec<u8>, KeychainError> {
        self.load(name)?.ok_or(KeychainError::Cancelled)
    }
}

struct Told(UnboundedSender<Event>);

impl Observer for Told {
    fn on_event(&self, event: Event) -> Result<(), ObserverError> {
        self.0.send(event).map_err(|_| ObserverError::Failed)
    }
}
