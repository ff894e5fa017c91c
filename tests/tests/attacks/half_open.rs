//! Peers whose link is cut: no FIN, no RST, and nothing that the relay sends arrives.

use std::net::SocketAddr;

use countersign_core::relay::{CloseReason, Frame, RELAY_CIRCUIT};
use countersign_relay::limits::MAX_WAITING_PER_MAILBOX;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    honest::{Honest, Keys},
    metrics::{ADMIN, PATIENCE, counts, wait_for},
    network::{Network, alone},
    raw::{Raw, attacker},
    target::Target,
};

const PORT: u16 = 7700;

const PHONES: u8 = 12;
const CIRCUITS_PER_PHONE: u32 = 4;
const JOBS: u8 = 12;
const WAITING_JOBS: u8 = 32;
const STRANGERS: u8 = 24;
const PEERS: u64 = PHONES as u64 + JOBS as u64 + WAITING_JOBS as u64 + STRANGERS as u64;

/// A long first message.
const LONG: [u8; 15_000] = [7; 15_000];
/// What the relay keeps of those that wait.
const HELD: usize = WAITING_JOBS as usize * MAX_WAITING_PER_MAILBOX * LONG.len();

/// What the relay has: connections, mailboxes, circuits, requests that wait, bytes that wait to be read.
const STATE: [&str; 5] = ["connections", "mailboxes", "circuits", "waiting", "queued_bytes"];

/// Who is on the other side of the cable, and does all that a peer has to.
struct Peers<'a> {
    network: &'a Network,
    target: &'a Target,
    alive: JoinSet<()>,
}

impl Peers<'_> {
    /// One more, from one of a few addresses.
    async fn connect(&self) -> Raw {
        let n = u8::try_from(self.alive.len() % 8).unwrap();
        let to = SocketAddr::from((Network::HERE, self.target.address().port()));
        Raw::over(self.network.socket(n), to).await.unwrap_or_else(|told| panic!("no WebSocket: {told:?}"))
    }

    fn stays(&mut self, mut raw: Raw) {
        self.alive.spawn(async move {
            loop {
                raw.recv().await;
            }
        });
    }
}

/// Somebody on the relay's side with circuits to peers: until the cable is cut nothing comes, then the end of each circuit.
async fn other_end(mut raw: Raw, circuits: Vec<u32>, mut cut: watch::Receiver<bool>) {
    tokio::select! {
        changed = cut.changed() => changed.unwrap(),
        bytes = raw.recv() => panic!("while the cable was there: {:?}", Frame::parse(&bytes)),
    }
    // What it sends now goes nowhere.
    for &circuit in &circuits {
        assert!(raw.send(&Frame::Data { circuit, tail: &[0; 8_000] }.encode()).await);
    }
    let mut ended = Vec::new();
    for _ in &circuits {
        match Frame::parse(&raw.recv().await).unwrap() {
            Frame::Close { circuit, reason: CloseReason::PeerGone } => ended.push(circuit),
            other => panic!("{other:?}"),
        }
    }
    ended.sort_unstable();
    assert_eq!(ended, circuits);
}

/// Phones on the other side, each with a job on the relay's side.
async fn phones(peers: &mut Peers<'_>, others: &mut JoinSet<()>, cut: &watch::Receiver<bool>) {
    let (origin, to) = (peers.target.url.origin(), peers.target.address());
    for n in 0..PHONES {
        let keys = Keys::make();
        let mut phone = peers.connect().await;
        assert!(phone.send(&keys.prove(origin, &phone.nonce)).await);
        assert!(matches!(Frame::parse(&phone.recv().await), Ok(Frame::Proved { .. })));
        let mut job = Raw::open(attacker(n.into()), to).await;
        for circuit in 1..=CIRCUITS_PER_PHONE {
            assert!(job.send(&keys.open(origin, &job.nonce, circuit, b"m1")).await);
            assert!(matches!(Frame::parse(&job.recv().await), Ok(Frame::Opened { .. })));
            assert!(matches!(Frame::parse(&phone.recv().await), Ok(Frame::Incoming { .. })));
        }
        peers.stays(phone);
        others.spawn(other_end(job, (1..=CIRCUITS_PER_PHONE).collect(), cut.clone()));
    }
}

/// Jobs on the other side, whose phone is on the relay's side.
async fn jobs(peers: &mut Peers<'_>, others: &mut JoinSet<()>, cut: &watch::Receiver<bool>) {
    let (origin, keys) = (peers.target.url.origin(), Keys::make());
    let mut phone = Raw::open(attacker(100), peers.target.address()).await;
    assert!(phone.send(&keys.prove(origin, &phone.nonce)).await);
    assert!(matches!(Frame::parse(&phone.recv().await), Ok(Frame::Proved { .. })));
    let mut circuits = Vec::new();
    for _ in 0..JOBS {
        let mut job = peers.connect().await;
        assert!(job.send(&keys.open(origin, &job.nonce, 1, b"m1")).await);
        match Frame::parse(&phone.recv().await).unwrap() {
            Frame::Incoming { circuit, .. } => circuits.push(circuit),
            other => panic!("{other:?}"),
        }
        assert!(matches!(Frame::parse(&job.recv().await), Ok(Frame::Opened { .. })));
        peers.stays(job);
    }
    assert!(circuits.is_sorted() && circuits.iter().all(|circuit| circuit & RELAY_CIRCUIT != 0), "{circuits:?}");
    others.spawn(other_end(phone, circuits, cut.clone()));
}

/// Jobs on the other side whose phones are away, and who has done nothing yet.
async fn the_rest(peers: &mut Peers<'_>) {
    let origin = peers.target.url.origin();
    for _ in 0..WAITING_JOBS {
        let keys = Keys::make();
        let mut job = peers.connect().await;
        for circuit in 1..=MAX_WAITING_PER_MAILBOX as u32 {
            assert!(job.send(&keys.open(origin, &job.nonce, circuit, &LONG)).await);
            assert_eq!(Frame::parse(&job.recv().await), Ok(Frame::Waiting { circuit }));
        }
        peers.stays(job);
    }
    for _ in 0..STRANGERS {
        let raw = peers.connect().await;
        peers.stays(raw);
    }
}

/// All of them come, and the cable is cut. Gives the most memory that the relay has had until they are forgotten.
async fn round(network: &Network, target: &Target, honest: &mut Honest) -> usize {
    let [timeouts] = counts(["ping_timeouts_total"]).await;
    let (cut, is_cut) = watch::channel(false);
    let mut peers = Peers { network, target, alive: JoinSet::new() };
    let mut others = JoinSet::new();
    phones(&mut peers, &mut others, &is_cut).await;
    jobs(&mut peers, &mut others, &is_cut).await;
    the_rest(&mut peers).await;
    let waiting = WAITING_JOBS as u64 * MAX_WAITING_PER_MAILBOX as u64;
    let circuits = u64::from(PHONES) * u64::from(CIRCUITS_PER_PHONE) + u64::from(JOBS);
    assert_eq!(counts(["waiting", "circuits"]).await, [waiting, circuits]);

    network.cut();
    cut.send(true).unwrap();
    timeout(PATIENCE, async {
        while let Some(ended) = others.join_next().await {
            ended.unwrap();
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{} were not told that their peers are gone", others.len()));
    // Nobody is told of those that had no circuits. At the end there is the honest phone, and what it was asked is over.
    wait_for(STATE, [1, 1, 0, 0, 0], honest).await;
    // It is their silence that was noticed, and that of all of them.
    assert_eq!(counts(["ping_timeouts_total", "slow_readers_total"]).await, [timeouts + PEERS, 0]);
    // They themselves have noticed nothing.
    assert!(peers.alive.try_join_next().is_none());
    network.mend();
    target.peak()
}

#[test]
fn peers_whose_link_is_cut() {
    alone(async |network| {
        let (listen, origin, admin) = (format!("listen=0.0.0.0:{PORT}"), format!("origin=ws://127.0.0.1:{PORT}"), format!("admin={ADMIN}"));
        // Only their silence ends the strangers, too.
        let times = ["ping_interval=1000", "pong_timeout=2000", "auth_timeout=60000"];
        let room = ["max_held=67108864", "max_waiting=4096"];
        let target = Target::tight(&[&times[..], &room, &[&listen, &origin, &admin]].concat(), 1000);
        let mut honest = Honest::start(&target.url).await;
        let first = round(&network, &target, &mut honest).await;
        // What the first ones took is there again for the next ones.
        let second = round(&network, &target, &mut honest).await;
        assert!(second < first + HELD / 2, "{first} bytes, then {second}, with {HELD} held each time");
        target.check_memory();
    });
}
