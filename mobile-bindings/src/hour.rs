//! An hour of a phone that nobody asks anything, in virtual time: how often it wakes up, tries and sends. The relay and the network are played; everything on
//! this side of them is real. `cargo test -p countersign-mobile hour -- --nocapture` prints the figures of docs/MOBILE.md.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that shows what it measured")]

use std::{
    collections::HashMap,
    future::{Future, pending},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use countersign_core::{
    pairing::{AwaitP1, AwaitP2},
    phone::PushAddress,
    relay::{ErrorCode, Frame, PushStatus, RelayUrl, VERSION, mailbox_address},
};
use countersign_link::{Link, LinkError};
use futures_util::{SinkExt as _, StreamExt as _};
use rand_core::OsRng;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    runtime::{Builder, Handle},
    time::{Instant, interval, sleep},
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

use crate::{
    Attention, AuthenticatorError, Event, Keychain, KeychainError, LinkState, Observer, ObserverError, PairingUi, Storage, StorageError,
    engine::Engine,
    net::Network,
    pair::{LAPTOP_PATIENCE, agree},
    set_up::Around,
};

const HOUR: Duration = Duration::from_secs(3600);
/// Longer than a connection or a first attempt takes.
const MOMENT: Duration = Duration::from_secs(1);

#[derive(Default)]
struct App(Mutex<HashMap<String, Vec<u8>>>);

impl Storage for App {
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.lock().unwrap().get(&name).cloned())
    }
    fn save(&self, name: String, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.0.lock().unwrap().insert(name, bytes);
        Ok(())
    }
}

#[async_trait::async_trait]
impl Keychain for App {
    fn load(&self, _: String) -> Result<Option<Vec<u8>>, KeychainError> {
        Ok(None)
    }
    fn store(&self, _: String, _: Vec<u8>) -> Result<(), KeychainError> {
        Ok(())
    }
    async fn protect(&self, _: String, _: Vec<u8>, _: String) -> Result<(), KeychainError> {
        Ok(())
    }
    async fn unlock(&self, _: String, _: String) -> Result<Vec<u8>, KeychainError> {
        Err(KeychainError::Cancelled)
    }
}

struct Events(mpsc::Sender<Event>);

impl Observer for Events {
    fn on_event(&self, event: Event) -> Result<(), ObserverError> {
        self.0.send(event).map_err(|_| ObserverError::Failed)
    }
}

impl PairingUi for Events {
    fn show_digits(&self, _: String, _: String) -> Result<(), ObserverError> {
        Err(ObserverError::Failed)
    }
}

/// What is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Works,
    /// Every relay is out of reach.
    Aeroplane,
    /// Something answers, and wants a password for the wireless network.
    Portal,
    /// Lives for three minutes, and is away for ten seconds.
    Restarts,
    /// Says nothing more after PROVED, as a connection does whose NAT entry is gone.
    Silent,
    /// Another device proves the mailbox a minute later.
    Taken,
    /// Another device proves it at once, each time.
    Snatched,
    /// From before PUSH.
    Old,
    /// The first attempt meets a fault of ours.
    Broken,
}

/// What was seen from outside.
#[derive(Default)]
struct Seen {
    attempts: AtomicUsize,
    /// WebSocket messages from the phone.
    messages: AtomicUsize,
    pushes: AtomicUsize,
}

async fn relay(mut stream: DuplexStream, plan: Plan, seen: Arc<Seen>) -> Option<()> {
    if plan == Plan::Portal {
        let _ = stream.read(&mut [0; 4096]).await.ok()?;
        return stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n").await.ok();
    }
    let mut socket = accept_async(stream).await.ok()?;
    let say = |frame: Frame<'_>| Message::Binary(frame.encode().into());
    socket.send(say(Frame::Hello { version: VERSION, nonce: [7; 32], time: 0 })).await.ok()?;
    let mut ping = interval(Duration::from_secs(30));
    let life = if plan == Plan::Restarts { Duration::from_secs(180) } else { 1000 * HOUR };
    let (end, mut taken) = (Instant::now() + life, None);
    loop {
        tokio::select! {
            message = socket.next() => {
                seen.messages.fetch_add(1, SeqCst);
                let Message::Binary(bytes) = message?.ok()? else { continue };
                match Frame::parse(&bytes).unwrap() {
                    Frame::Prove { mailbox_public, .. } => {
                        let mailbox = mailbox_address(&mailbox_public);
                        socket.send(say(Frame::Proved { mailbox })).await.ok()?;
                        let left = if plan == Plan::Snatched { Duration::ZERO } else { Duration::from_secs(60) };
                        taken = matches!(plan, Plan::Taken | Plan::Snatched).then(|| (Instant::now() + left, mailbox));
                        if plan == Plan::Silent {
                            pending::<()>().await;
                        }
                    }
                    Frame::Push { .. } if plan == Plan::Old => {
                        seen.pushes.fetch_add(1, SeqCst);
                        return socket.send(say(Frame::Error { code: ErrorCode::Malformed })).await.ok();
                    }
                    _ => {}
                }
            }
            _ = ping.tick() => socket.send(Message::Ping(vec![1].into())).await.ok()?,
            () = tokio::time::sleep_until(taken.map_or(end, |(at, _)| at)) => match taken.take() {
                Some((_, mailbox)) => socket.send(say(Frame::Evicted { mailbox })).await.ok()?,
                None => return socket.send(say(Frame::Error { code: ErrorCode::ShuttingDown })).await.ok(),
            },
        }
    }
}

/// A phone with one pairing.
struct World {
    engine: Arc<Engine>,
    network: Network,
    seen: Arc<Seen>,
    events: mpsc::Receiver<Event>,
    relay: RelayUrl,
}

impl World {
    async fn new(plan: Plan) -> Self {
        let (tell, events) = mpsc::channel();
        let app = Arc::new(App::default());
        let around = Around { storage: app.clone(), keychain: app, observer: Arc::new(Events(tell)) };
        let mut engine = Engine::create("pixel", around).await.unwrap();
        let seen = Arc::new(Seen::default());
        let (dialled, started) = (seen.clone(), Instant::now());
        engine.dial = Arc::new(move |url| {
            let attempt = dialled.attempts.fetch_add(1, SeqCst);
            assert!(plan != Plan::Broken || attempt > 0, "the fault");
            let period = started.elapsed().as_secs() % 190;
            let away = plan == Plan::Aeroplane || (plan == Plan::Restarts && period >= 180);
            let seen = dialled.clone();
            Box::pin(async move {
                if away {
                    return Err(LinkError::Unreachable(io::ErrorKind::NetworkUnreachable.into()));
                }
                let (near, far) = duplex(64 * 1024);
                tokio::spawn(relay(far, plan, seen));
                Link::over(&url, near).await
            })
        });
        let relay: RelayUrl = "ws://127.0.0.1:7700".parse().unwrap();
        add_pairing(&engine, &relay);
        let engine = Arc::new(engine);
        if plan == Plan::Old {
            let address = PushAddress { endpoint: "https://push.example/1".into(), p256dh: [4; 65], auth: [7; 16] };
            engine.set_wake_up(None, Some(address)).unwrap();
        }
        let network = Network::start(engine.clone(), &Handle::current());
        Self { engine, network, seen, events, relay }
    }

    fn attempts(&self) -> usize {
        self.seen.attempts.load(SeqCst)
    }

    fn state(&self) -> Option<LinkState> {
        self.engine.view().connections.first().map(|it| it.state.clone())
    }
}

/// Both sides of a pairing, without a relay.
fn add_pairing(engine: &Engine, relay: &RelayUrl) {
    let laptop = AwaitP1::make("acme/widget", relay.clone(), &mut OsRng);
    let code = laptop.code().to_text().parse().unwrap();
    let (phone, p1) = engine.look(|it| AwaitP2::start(it.device(), code, &mut OsRng)).unwrap();
    let (laptop, p2) = laptop.receive(&p1, &mut OsRng).unwrap();
    let (phone, p3) = engine.look(|it| phone.receive(&p2, it.device(), &it.identity(), &mut OsRng)).unwrap();
    let (_, p4) = laptop.receive(&p3).unwrap().check(&phone.digits()).unwrap();
    let paired = phone.receive(&p4).unwrap();
    engine.call(|phone, ctx| phone.add_pairing(paired, ctx)).unwrap();
}

/// Runs in virtual time; how often the thread went to sleep meanwhile, which is how often it was woken.
fn run<T>(work: impl Future<Output = T>) -> (T, usize) {
    let sleeps = Arc::new(AtomicUsize::new(0));
    let counted = sleeps.clone();
    let count = move || {
        counted.fetch_add(1, SeqCst);
    };
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).on_thread_park(count).build().unwrap();
    let done = runtime.block_on(work);
    (done, sleeps.load(SeqCst))
}

struct Figures {
    wake_ups: usize,
    attempts: usize,
    messages: usize,
    state: Option<LinkState>,
    events: Vec<Event>,
}

/// An hour, of which the first second does not count.
fn hour(plan: Plan) -> Figures {
    let started = std::time::Instant::now();
    let ((attempts, messages, state, events), wake_ups) = run(async {
        let world = World::new(plan).await;
        sleep(HOUR).await;
        let (attempts, messages, state) = (world.attempts(), world.seen.messages.load(SeqCst), world.state());
        let World { network, engine, events, .. } = world;
        network.stop().await;
        drop(engine);
        (attempts, messages, state, events)
    });
    // The observer's thread ends with the engine.
    let events: Vec<Event> = events.iter().collect();
    let (took, told) = (started.elapsed().as_millis(), events.len());
    println!(
        "{plan:?}: {wake_ups} wake-ups, {attempts} attempts, {messages} messages, {told} events, {took} ms of computing, relay included"
    );
    Figures { wake_ups, attempts, messages, state, events }
}

fn is_connected(event: &Event) -> bool {
    matches!(event, Event::ConnectionChanged { connection } if connection.state == LinkState::Connected)
}

#[test]
fn an_hour_connected() {
    let hour = hour(Plan::Works);
    assert_eq!((hour.attempts, hour.state), (1, Some(LinkState::Connected)));
    // The relay pings 120 times; the phone answers, and asks nothing itself.
    assert!((120..=125).contains(&hour.messages), "{}", hour.messages);
    // Both ends of it, on one thread: four for each ping.
    assert!(hour.wake_ups <= 500, "{}", hour.wake_ups);
    assert_eq!(hour.events.len(), 3, "connecting, connected, disconnected: {:?}", hour.events);
}

#[test]
fn an_hour_in_an_aeroplane_and_in_a_captive_portal() {
    for plan in [Plan::Aeroplane, Plan::Portal] {
        let hour = hour(plan);
        // 10 on the way to the longest pause, then one in 60 to 120 s.
        assert!((35..=75).contains(&hour.attempts), "{plan:?} {}", hour.attempts);
        assert!(hour.wake_ups <= 4 * hour.attempts + 20, "{plan:?} {}", hour.wake_ups);
        assert!(matches!(hour.state, Some(LinkState::Waiting { retry_ms: 60_000..=120_000, .. })), "{plan:?} {:?}", hour.state);
    }
}

#[test]
fn an_hour_at_a_relay_that_restarts_every_three_minutes() {
    let hour = hour(Plan::Restarts);
    let connected = hour.events.iter().filter(|event| is_connected(event)).count();
    assert!((18..=20).contains(&connected), "{connected}");
    assert!(hour.attempts <= 20 * 9, "{}", hour.attempts);
    assert!(hour.wake_ups <= 1200, "{}", hour.wake_ups);
    assert!(!hour.events.iter().any(|event| matches!(event, Event::AttentionNeeded { .. })), "{:?}", hour.events);
}

#[test]
fn an_hour_beside_another_device_with_the_same_keys() {
    let hour = hour(Plan::Taken);
    assert_eq!((hour.attempts, hour.state), (1, Some(LinkState::Evicted)), "it is left to the owner who has the mailbox");
}

#[test]
fn a_mailbox_is_taken_back_when_the_app_comes_to_the_front() {
    run(async {
        let world = World::new(Plan::Taken).await;
        sleep(Duration::from_secs(61)).await;
        assert_eq!((world.attempts(), world.state()), (1, Some(LinkState::Evicted)));
        world.network.wake();
        sleep(MOMENT).await;
        assert_eq!((world.attempts(), world.state()), (2, Some(LinkState::Connected)));
    });
}

#[test]
fn two_apps_that_want_it_all_the_time_take_turns() {
    run(async {
        let world = World::new(Plan::Snatched).await;
        for _ in 0..60 {
            sleep(MOMENT).await;
            world.network.wake();
        }
        assert!((6..=8).contains(&world.attempts()), "{}", world.attempts());
    });
}

#[test]
fn whoever_waits_tries_at_once_when_woken_or_on_a_new_network() {
    for order in [Network::wake, Network::renew] {
        run(async {
            let world = World::new(Plan::Aeroplane).await;
            sleep(HOUR).await;
            let before = world.attempts();
            order(&world.network);
            sleep(MOMENT).await;
            // And the pauses are short again.
            assert!((before + 2..before + 5).contains(&world.attempts()), "{before} {}", world.attempts());
        });
    }
}

/// How long a connection that has gone silent counts as one.
async fn deaf_for(world: &World) -> u64 {
    sleep(MOMENT).await;
    let since = Instant::now();
    while world.attempts() == 1 {
        sleep(MOMENT).await;
    }
    since.elapsed().as_secs()
}

#[test]
fn a_dead_connection_is_found_by_the_heartbeat_and_by_waking_up() {
    run(async {
        assert!((73..=76).contains(&deaf_for(&World::new(Plan::Silent).await).await), "55 s and 20 s");
        let world = World::new(Plan::Silent).await;
        world.engine.heartbeat.send_replace(Duration::from_secs(15));
        assert!((33..=36).contains(&deaf_for(&world).await), "15 s and 20 s");
        let world = World::new(Plan::Silent).await;
        sleep(MOMENT).await;
        world.network.wake();
        assert!((4..=6).contains(&deaf_for(&world).await), "5 s");
        // One that lives stays.
        let world = World::new(Plan::Works).await;
        world.engine.heartbeat.send_replace(Duration::from_secs(15));
        world.network.wake();
        sleep(HOUR).await;
        assert_eq!((world.attempts(), world.state()), (1, Some(LinkState::Connected)));
        assert!(world.seen.messages.load(SeqCst) >= 240, "pongs and pings");
    });
}

#[test]
fn a_relay_that_knows_no_wake_ups_is_asked_once() {
    let (events, _) = run(async {
        let world = World::new(Plan::Old).await;
        sleep(HOUR).await;
        assert_eq!((world.seen.pushes.load(SeqCst), world.attempts()), (1, 2));
        assert_eq!(world.state(), Some(LinkState::Connected));
        world.network.stop().await;
        world.events
    });
    let events: Vec<Event> = events.iter().collect();
    let told =
        |wanted: fn(&Attention) -> bool| events.iter().any(|it| matches!(it, Event::AttentionNeeded { attention } if wanted(attention)));
    assert!(told(|it| matches!(it, Attention::RelayProblem { .. })), "{events:?}");
    assert!(told(|it| matches!(it, Attention::WakeUpRefused { problem, .. } if *problem == PushStatus::Off.to_string())), "{events:?}");
}

#[test]
fn a_fault_of_ours_is_not_the_end() {
    run(async {
        let world = World::new(Plan::Broken).await;
        sleep(MOMENT).await;
        assert!(matches!(world.state(), Some(LinkState::Waiting { retry_ms: 60_000, .. })), "{:?}", world.state());
        sleep(Duration::from_secs(60)).await;
        assert_eq!((world.attempts(), world.state()), (2, Some(LinkState::Connected)));
    });
}

#[test]
fn a_pairing_code_that_nobody_answers_for_is_told_soon() {
    run(async {
        let world = World::new(Plan::Works).await;
        let laptop = AwaitP1::make("acme/other", world.relay.clone(), &mut OsRng);
        let started = Instant::now();
        let (tell, _events) = mpsc::channel();
        let answer = agree(&world.engine, &laptop.code().to_text(), &Events(tell)).await;
        let Err(AuthenticatorError::TryAgain(why)) = answer else { panic!("an answer") };
        assert!(why.starts_with("the laptop is not at the relay"), "{why}");
        assert_eq!(started.elapsed().as_secs(), LAPTOP_PATIENCE.as_secs());
    });
}
