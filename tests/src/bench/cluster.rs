//! What a second relay costs: round trips and opens through one relay, and through two that are joined by the real `nats-server`.
//! Relays and NATS run on one core, the load on another.

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use countersign_core::relay::{Frame, MailboxProof, OpenProof, RELAY_CIRCUIT, RelayUrl};
use countersign_link::{Hello, Link};
use countersign_relay::{Config, NatsConfig};

use super::{
    Cores, LATENCY,
    ends::{mailbox_key, sender_key, ticket},
    lifted,
    usage::processor_time,
};
use crate::process::{NatsServer, Running};

/// What phones and jobs sign, whichever relay they are connected to.
const ORIGIN: &str = "ws://localhost:7700";
const CIRCUITS: usize = 64;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURE: Duration = Duration::from_secs(4);
const OPENS: usize = 1_000;

/// Of one way to connect phones and jobs.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Microseconds of a 1 KiB round trip on one circuit, median.
    pub p50_1k: u128,
    /// The same, the 99th of 100.
    pub p99_1k: u128,
    /// 1 KiB round trips a second on one circuit.
    pub rt1k_1: f64,
    /// The same on 64 circuits together.
    pub rt1k_64: f64,
    /// Microseconds of one of those, median.
    pub p50_1k_64: u128,
    /// Microseconds from OPEN to OPENED, median.
    pub open_p50: u128,
    /// Processor time of all relays for 1,000 round trips, in milliseconds.
    pub relay_cpu: f64,
    /// The same of NATS.
    pub nats_cpu: f64,
}

/// Serves as a relay of the benchmark until the process is killed; `ready` is told where it listens.
///
/// # Errors
/// What stops the relay from starting, as text.
pub fn serve(nats: Option<&str>, ready: impl FnOnce(SocketAddr)) -> Result<(), String> {
    let origin = RelayUrl::parse(ORIGIN).map_err(|error| error.to_string())?;
    let nats = nats.map(|url| NatsConfig::new(url.parse().unwrap()));
    lifted::serve(Config { origins: vec![origin], nats, ..Config::default() }, |relay| ready(relay.local_addr()))
}

/// Measures one relay; then two, with phones and jobs on the same one, and with the phones on the other. This executable is started again as `serve [--nats URL]` for each of them, and says `listening on ADDRESS`.
///
/// # Panics
/// If anything is not as expected, or `nats-server` is not installed.
#[must_use]
pub fn measure() -> [Figures; 3] {
    let cores = Cores::choose();
    cores.pin_load();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let one = Server::start(cores, None);
        let alone = figures(one.address, one.address, &[&one], None).await;
        drop(one);
        let nats = cores.on_server(|| NatsServer::start(&[]));
        let two = [Server::start(cores, Some(&nats)), Server::start(cores, Some(&nats))];
        let both = [&two[0], &two[1]];
        let together = figures(two[1].address, two[1].address, &both, Some(nats.id())).await;
        let apart = figures(two[0].address, two[1].address, &both, Some(nats.id())).await;
        [alone, together, apart]
    })
}

/// A relay in a process of its own; killed when dropped.
struct Server {
    running: Running,
    address: SocketAddr,
}

impl Server {
    fn start(cores: Cores, nats: Option<&NatsServer>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("serve");
        if let Some(nats) = nats {
            command.args(["--nats", &format!("nats://{}", nats.address())]);
        }
        let mut running = cores.on_server(|| Running::start(command));
        let line = running.wait_for_line("listening on ");
        Self { address: line.trim_start_matches("listening on ").parse().unwrap(), running }
    }
}

async fn connect(address: SocketAddr) -> (Link, Hello) {
    Link::connect(&RelayUrl::parse(&format!("ws://{address}")).unwrap()).await.unwrap()
}

/// A phone that sends back what it is sent.
async fn echo(address: SocketAddr, n: usize) {
    let (mut link, hello) = connect(address).await;
    let key = mailbox_key(n);
    let signature = MailboxProof { origin: ORIGIN, nonce: &hello.nonce }.sign(&key);
    link.send(&Frame::Prove { mailbox_public: key.public(), signature, deny: &[] }.encode()).await.unwrap();
    link.recv().await.unwrap();
    tokio::spawn(async move {
        while let Ok(frame) = link.recv().await {
            if let Ok(Frame::Data { circuit, tail }) = Frame::parse(&frame) {
                assert_ne!(circuit & RELAY_CIRCUIT, 0);
                link.send(&Frame::Data { circuit, tail }.encode()).await.unwrap();
            }
        }
    });
}

/// A job with a connection of its own.
struct Job {
    link: Link,
    hello: Hello,
    ticket: Vec<u8>,
    circuit: u32,
}

impl Job {
    async fn connect(address: SocketAddr, n: usize) -> Self {
        let (link, hello) = connect(address).await;
        Self { link, hello, ticket: ticket(n), circuit: 0 }
    }

    async fn open(&mut self) {
        self.circuit += 1;
        // Empty: a phone is given 32 KiB of first messages in a second.
        let (circuit, tail) = (self.circuit, &[][..]);
        let proof = OpenProof { origin: ORIGIN, nonce: &self.hello.nonce, circuit, ticket: &self.ticket, tail };
        let signature = proof.sign(&sender_key());
        self.link.send(&Frame::Open { circuit, ticket: &self.ticket, signature, tail }.encode()).await.unwrap();
        // The first one may come before the relays have found each other: then it waits.
        loop {
            let frame = self.link.recv().await.unwrap();
            match Frame::parse(&frame).unwrap() {
                Frame::Opened { .. } => return,
                Frame::Waiting { .. } => {}
                other => panic!("instead of OPENED: {other:?}"),
            }
        }
    }

    async fn close(&mut self) {
        let reason = countersign_core::relay::CloseReason::Done;
        self.link.send(&Frame::Close { circuit: self.circuit, reason }.encode()).await.unwrap();
    }

    async fn round_trip(&mut self, frame: &[u8]) {
        self.link.send(frame).await.unwrap();
        assert_eq!(self.link.recv().await.unwrap().len(), frame.len());
    }

    /// Round trips until the time is up; gives how long each took.
    async fn round_trips(mut self, until: Instant) -> Vec<Duration> {
        let frame = Frame::Data { circuit: self.circuit, tail: &[5; LATENCY] }.encode();
        let mut took = Vec::new();
        while Instant::now() < until {
            let before = Instant::now();
            self.round_trip(&frame).await;
            took.push(before.elapsed());
        }
        took
    }
}

fn percentile(took: &mut [Duration], percent: usize) -> u128 {
    took.sort_unstable();
    took[(took.len() - 1) * percent / 100].as_micros()
}

async fn figures(phones: SocketAddr, jobs: SocketAddr, relays: &[&Server], nats: Option<u32>) -> Figures {
    echo(phones, 1).await;
    let mut job = Job::connect(jobs, 1).await;
    let mut opens = Vec::new();
    for _ in 0..OPENS {
        let before = Instant::now();
        job.open().await;
        opens.push(before.elapsed());
        job.close().await;
    }
    job.open().await;
    // Warm, then measured.
    let mut warm = Job::connect(jobs, 1).await;
    warm.open().await;
    warm.round_trips(Instant::now() + WARM_UP).await;
    let before = Instant::now();
    let mut alone = job.round_trips(before + MEASURE).await;
    let rt1k_1 = alone.len() as f64 / before.elapsed().as_secs_f64();

    let mut many = Vec::new();
    for n in 0..CIRCUITS {
        echo(phones, n + 2).await;
        let mut job = Job::connect(jobs, n + 2).await;
        job.open().await;
        many.push(job);
    }
    let used = |processes: &[u32]| processes.iter().map(|process| processor_time(*process)).sum::<Duration>();
    let relays: Vec<u32> = relays.iter().map(|server| server.running.id()).collect();
    let nats: Vec<u32> = nats.into_iter().collect();
    let (relays_before, nats_before) = (used(&relays), used(&nats));
    let before = Instant::now();
    let running: Vec<_> = many.into_iter().map(|job| tokio::spawn(job.round_trips(before + MEASURE))).collect();
    let mut together = Vec::new();
    for job in running {
        together.extend(job.await.unwrap());
    }
    // Milliseconds for a thousand are microseconds for one.
    let each = |time: Duration| time.as_secs_f64() * 1e6 / together.len() as f64;
    let (relay_cpu, nats_cpu) = (each(used(&relays) - relays_before), each(used(&nats) - nats_before));
    Figures {
        rt1k_64: together.len() as f64 / before.elapsed().as_secs_f64(),
        relay_cpu,
        nats_cpu,
        p50_1k: percentile(&mut alone, 50),
        p99_1k: percentile(&mut alone, 99),
        rt1k_1,
        p50_1k_64: percentile(&mut together, 50),
        open_p50: percentile(&mut opens, 50),
    }
}
