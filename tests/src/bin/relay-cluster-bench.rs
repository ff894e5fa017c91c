//! What a second relay costs: round trips and opens through one relay, and through two that are joined by the real `nats-server`.
//!
//! `cargo run --release -p countersign-tests --bin relay-cluster-bench [-- --json]`. Relays and NATS run on one core, the load on
//! another (where `taskset` is there and the machine has two). The limits per circuit are lifted, nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark: whatever is not as expected must end it loudly, and it prints"
)]

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use countersign_core::{
    keys::{CiRoot, DeviceRoot, SigningKey},
    relay::{Frame, MailboxProof, OpenProof, RELAY_CIRCUIT, RelayUrl, Ticket},
};
use countersign_link::{Hello, Link};
use countersign_relay::{Config, NatsConfig, Relay, limits::Limits};
use countersign_tests::process::NatsServer;

/// The same as in `countersign-relay`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ORIGIN: &str = "ws://localhost:7700";
const SIZE: usize = 1024;
const CIRCUITS: usize = 64;
const MEASURE: Duration = Duration::from_secs(4);
const OPENS: usize = 1_000;

#[derive(Parser)]
struct Args {
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Subcommand)]
enum Sub {
    /// A relay, for the benchmark's own use
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        nats: Option<String>,
    },
}

fn main() {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match args.command {
        Some(Sub::Serve { nats }) => runtime.block_on(serve(nats)),
        None => runtime.block_on(bench(args.json)),
    }
}

async fn serve(nats: Option<String>) {
    let mut limits = Limits::default();
    (limits.max_messages_per_circuit, limits.max_bytes_per_circuit) = (u32::MAX, u32::MAX);
    limits.max_proofs_per_connection = u32::MAX;
    limits.max_read_per_second = usize::MAX;
    let config = Config {
        origins: vec![RelayUrl::parse(ORIGIN).unwrap()],
        nats: nats.map(|url| NatsConfig::new(url.parse().unwrap())),
        limits: limits.without_addresses(),
        ..Config::default()
    };
    let relay = Relay::bind(config).await.unwrap();
    println!("address {}", relay.local_addr());
    relay.serve(std::future::pending()).await;
}

/// A relay in a process of its own; killed when dropped.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(nats: Option<&NatsServer>) -> Self {
        let mut command = pinned(&std::env::current_exe().unwrap());
        command.arg("serve").stdout(Stdio::piped());
        if let Some(nats) = nats {
            command.args(["--nats", &format!("nats://{}", nats.address())]);
        }
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, out, address: ([0; 4], 0).into() };
        let mut connected = nats.is_none();
        while !connected || server.address.port() == 0 {
            let mut line = String::new();
            assert_ne!(server.out.read_line(&mut line).unwrap(), 0, "the relay ended");
            connected |= line.trim() == "connected to NATS";
            if let Some(address) = line.trim().strip_prefix("address ") {
                server.address = address.parse().unwrap();
            }
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A command on the servers' core.
fn pinned(program: &std::path::Path) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

/// Asked once: a process that is pinned itself sees one core.
fn can_pin() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let taskset = Command::new("taskset").arg("--version").output().is_ok();
        taskset && std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
    })
}

/// Pins a process that runs already.
fn pin(process: u32, core: &str) {
    if can_pin() {
        let status = Command::new("taskset").args(["-a", "-p", "-c", core, &process.to_string()]).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
    }
}

/// CPU time a process has used, in milliseconds.
fn cpu(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // User and system time; the kernel counts in hundredths of a second here.
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

fn mailbox_key(n: usize) -> SigningKey {
    let n = u8::try_from(n).unwrap();
    DeviceRoot::from_slice(&[n; 32]).unwrap().derive_mailbox(&[n; 16])
}

fn sender_key() -> SigningKey {
    CiRoot::from_slice(&[1; 32]).unwrap().derive_sender()
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
        let key = mailbox_key(n);
        let ticket = Ticket {
            mailbox_public: key.public(),
            ticket_id: [7; 16],
            sender: Some(sender_key().public()),
            max_bytes: u32::MAX,
            opens_per_hour: u16::MAX,
            expires: 0,
            push: Vec::new(),
        };
        Self { link, hello, ticket: ticket.sign(&key), circuit: 0 }
    }

    async fn open(&mut self) {
        self.circuit += 1;
        // Empty: a phone is given 32 KiB of first messages in a second.
        let (circuit, tail) = (self.circuit, &[][..]);
        let proof = OpenProof { origin: ORIGIN, nonce: &self.hello.nonce, circuit, ticket: &self.ticket, tail };
        let signature = proof.sign(&sender_key());
        self.link.send(&Frame::Open { circuit, ticket: &self.ticket, signature, tail }.encode()).await.unwrap();
        assert_eq!(self.link.recv().await.unwrap(), Frame::Opened { circuit }.encode());
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
        let frame = Frame::Data { circuit: self.circuit, tail: &[5; SIZE] }.encode();
        let mut took = Vec::new();
        while Instant::now() < until {
            let before = Instant::now();
            self.round_trip(&frame).await;
            took.push(before.elapsed());
        }
        took
    }
}

/// Of one way to connect them.
#[derive(Debug)]
struct Figures {
    name: &'static str,
    p50_1k: u128,
    p99_1k: u128,
    rt1k_1: f64,
    rt1k_64: f64,
    p50_1k_64: u128,
    open_p50: u128,
    relay_cpu: f64,
    nats_cpu: f64,
}

fn percentile(took: &mut [Duration], percent: usize) -> u128 {
    took.sort_unstable();
    took[(took.len() - 1) * percent / 100].as_micros()
}

async fn measure(name: &'static str, phones: SocketAddr, jobs: SocketAddr, relays: &[&Server], nats: Option<u32>) -> Figures {
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
    warm.round_trips(Instant::now() + Duration::from_millis(500)).await;
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
    let used = |processes: &[u32]| processes.iter().map(|process| cpu(*process)).sum::<u64>();
    let relays: Vec<u32> = relays.iter().map(|server| server.child.id()).collect();
    let nats: Vec<u32> = nats.into_iter().collect();
    let (relays_before, nats_before) = (used(&relays), used(&nats));
    let before = Instant::now();
    let running: Vec<_> = many.into_iter().map(|job| tokio::spawn(job.round_trips(before + MEASURE))).collect();
    let mut together = Vec::new();
    for job in running {
        together.extend(job.await.unwrap());
    }
    let thousands = together.len() as f64 / 1000.0;
    Figures {
        name,
        rt1k_64: together.len() as f64 / before.elapsed().as_secs_f64(),
        relay_cpu: (used(&relays) - relays_before) as f64 / thousands,
        nats_cpu: (used(&nats) - nats_before) as f64 / thousands,
        p50_1k: percentile(&mut alone, 50),
        p99_1k: percentile(&mut alone, 99),
        rt1k_1,
        p50_1k_64: percentile(&mut together, 50),
        open_p50: percentile(&mut opens, 50),
    }
}

async fn bench(json: bool) {
    pin(std::process::id(), "1");
    let nats = NatsServer::start(&[]);
    pin(nats.id(), "0");
    let rows = [
        {
            let one = Server::start(None);
            measure("one relay", one.address, one.address, &[&one], None).await
        },
        {
            let two = [Server::start(Some(&nats)), Server::start(Some(&nats))];
            measure("two relays through NATS", two[0].address, two[1].address, &[&two[0], &two[1]], Some(nats.id())).await
        },
    ];
    if json {
        let rows = rows.map(|row| {
            let Figures { p50_1k, p99_1k, rt1k_1, rt1k_64, p50_1k_64, open_p50, relay_cpu, nats_cpu, .. } = row;
            format!(
                "{{\"p50_1k\": {p50_1k}, \"p99_1k\": {p99_1k}, \"rt1k_1\": {rt1k_1:.0}, \"rt1k_64\": {rt1k_64:.0}, \"p50_1k_64\": {p50_1k_64}, \
                 \"open_p50\": {open_p50}, \"relay_cpu_ms_per_1000\": {relay_cpu:.1}, \"nats_cpu_ms_per_1000\": {nats_cpu:.1}}}"
            )
        });
        println!("{{\"one\": {}, \"two\": {}}}", rows[0], rows[1]);
        return;
    }
    println!(
        "round trips of 1 KiB, all servers on {}\n",
        if can_pin() { "one core, the load on another" } else { "the same cores as the load" }
    );
    println!(
        "{:<26}{:>9}{:>9}{:>12}{:>14}{:>14}{:>12}{:>14}{:>13}",
        "", "p50 us", "p99 us", "rt/s (1)", "rt/s (64)", "p50 us (64)", "open us", "relay ms/1k", "nats ms/1k"
    );
    for row in rows {
        let Figures { name, p50_1k, p99_1k, rt1k_1, rt1k_64, p50_1k_64, open_p50, relay_cpu, nats_cpu } = row;
        println!(
            "{name:<26}{p50_1k:>9}{p99_1k:>9}{rt1k_1:>12.0}{rt1k_64:>14.0}{p50_1k_64:>14}{open_p50:>12}{relay_cpu:>14.1}{nats_cpu:>13.1}"
        );
    }
}
