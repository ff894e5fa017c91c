//! Relay, phone and job in one process, over real loopback sockets: for the demo and the benchmark.

use std::{
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
    Authenticator, Event, Keychain, KeychainError, LinkState, Observer, ObserverError, PairingUi, Storage, StorageError,
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
        let phone =
            Authenticator::create("demo phone".into(), Arc::<Memory>::default(), Arc::<Keys>::default(), Arc::new(Told(told))).unwrap();
        let mut laptop = Laptop { phone: Arc::clone(&phone), digits: None };
        let paired = pair(&url, "demo job", &mut laptop).await.unwrap();
        phone.start().unwrap();
        while !matches!(events.recv().await, Some(Event::Link { state: LinkState::Connected, .. })) {}
        Self { phone, pairing: paired.pairing, key: paired.key.to_text(), events }
    }

    /// Seals a seed to the phone, on the phone.
    ///
    /// # Errors
    /// What the phone says about the URI.
    pub fn enroll(&self, uri: &str) -> Result<SealedSeed, countersign_mobile::AuthenticatorError> {
        let enrolled = self.phone.enroll(uri.to_owned(), Vec::new())?;
        let bytes = BASE64URL_NOPAD.decode(enrolled.sealed.as_bytes()).unwrap();
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
        std::thread::spawn(move || phone.pair(text, Arc::new(Screen(Mutex::new(Some(shown))))));
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

/// Keeps the state in memory.
#[derive(Default)]
struct Memory(Mutex<Option<Vec<u8>>>);

impl Storage for Memory {
    fn load(&self) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn save(&self, state: Vec<u8>) -> Result<(), StorageError> {
        *self.0.lock().unwrap() = Some(state);
        Ok(())
    }
}

/// Keeps the roots in memory and unlocks without asking: only for throw-away phones.
#[derive(Default)]
struct Keys {
    device: Mutex<Option<Vec<u8>>>,
    unlock: Mutex<Option<Vec<u8>>>,
}

impl Keychain for Keys {
    fn load_device_root(&self) -> Result<Option<Vec<u8>>, KeychainError> {
        Ok(self.device.lock().unwrap().clone())
    }

    fn store_device_root(&self, root: Vec<u8>) -> Result<(), KeychainError> {
        *self.device.lock().unwrap() = Some(root);
        Ok(())
    }

    fn store_unlock_root(&self, root: Vec<u8>) -> Result<(), KeychainError> {
        *self.unlock.lock().unwrap() = Some(root);
        Ok(())
    }

    fn unlock(&self, _: String) -> Result<Vec<u8>, KeychainError> {
        self.unlock.lock().unwrap().clone().ok_or(KeychainError::Cancelled)
    }
}

struct Told(UnboundedSender<Event>);

impl Observer for Told {
    fn on_event(&self, event: Event) -> Result<(), ObserverError> {
        self.0.send(event).map_err(|_| ObserverError::Failed)
    }
}
