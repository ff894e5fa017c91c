//! What one approval costs without the human, on loopback, against two round trips of a plain TCP echo in the same run (`cargo bench`).
//!
//! Ratios are what to look at: times are those of this machine at this moment.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark")]

use std::{
    fs,
    future::pending,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use countersign::ask::{Note, Progress, ask};
use countersign_core::{
    ci::Ask,
    request::{MatchNumber, Operation, Outcome},
};
use countersign_mobile::Event;
use countersign_tests::{
    embedded::Embedded,
    process::{PhoneFolder, Setting, program},
    sim::{Leg, World},
};
use tokio::sync::mpsc::unbounded_channel;

const RUNS: usize = 60;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn row(what: &str, value: f64, unit: &str, note: &str) {
    println!("{what:<58} {value:>10.1} {unit:<4} {note}");
}

/// Connects and does two round trips with the sizes of M1, M2, M3 and M4.
fn tcp() -> Duration {
    const SIZES: [(usize, usize); 2] = [(4_500, 280), (90, 280)];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            for (there, back) in SIZES {
                stream.read_exact(&mut vec![0; there]).unwrap();
                stream.write_all(&vec![0; back]).unwrap();
            }
        }
    });
    median(
        (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                for (there, back) in SIZES {
                    stream.write_all(&vec![0; there]).unwrap();
                    stream.read_exact(&mut vec![0; back]).unwrap();
                }
                start.elapsed()
            })
            .collect(),
    )
}

struct Log(Sender<MatchNumber>);

impl Progress for Log {
    fn number(&mut self, _: &str, number: &MatchNumber) {
        self.0.send(number.clone()).unwrap();
    }

    fn note(&mut self, phone: &str, note: &Note) {
        panic!("{phone}: {note:?}");
    }

    fn waiting(&mut self, _: Duration) {}
}

/// CPU time that all threads of one of these names have used; Linux counts it in /proc.
fn cpu(names: &[&str]) -> Duration {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
        if names.contains(&name.trim()) {
            let times = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            sum += times.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Duration::from_nanos(sum)
}

/// Threads of the job, of the relay, and of the phone (its engine, and the thread that types and unlocks).
const THREADS: [&[&str]; 3] = [&["job"], &["relay"], &["countersign", "human"]];

/// From nothing to the code in the job's hands: connect, five messages, the phone types the number at once. Then the CPU time of job, relay and phone for one.
async fn approvals(mut demo: Embedded) -> (Duration, [Duration; 3]) {
    let (shown, numbers): (_, Receiver<MatchNumber>) = channel();
    let (phone, mut events) = (demo.phone.clone(), std::mem::replace(&mut demo.events, unbounded_channel().1));
    let threads = tokio::runtime::Handle::current();
    let human = move || {
        while let Ok(number) = numbers.recv() {
            while !matches!(events.blocking_recv().unwrap(), Event::RequestArrived { .. }) {}
            let request = phone.pending().unwrap().remove(0);
            threads.block_on(phone.approve(request.id, number.digits().to_owned(), None, true, None)).unwrap();
        }
    };
    std::thread::Builder::new().name("human".into()).spawn(human).unwrap();
    let (mut times, mut used) = (Vec::new(), [Duration::ZERO; 3]);
    for run in 0..RUNS {
        // A seed of its own for each: one seed gives one code a step.
        let secret = data_encoding::BASE32_NOPAD.encode(&[u8::try_from(run).unwrap(); 20]);
        let sealed = demo.enroll(&format!("otpauth://totp/bench?secret={secret}")).await.unwrap();
        let asked = Ask { sealed: Some(sealed), ..Ask::new(Operation::Code, 60_000) };
        let before = THREADS.map(cpu);
        let start = Instant::now();
        let answer = ask(vec![demo.job()], asked, &mut Log(shown.clone()), pending()).await.unwrap();
        times.push(start.elapsed());
        answer.report(Outcome::Used).await;
        for ((used, before), after) in used.iter_mut().zip(before).zip(THREADS.map(cpu)) {
            *used += after - before;
        }
        // A relay gives one phone 32 KiB of first messages a second; the bench stays below.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    (median(times), used.map(|used| used / u32::try_from(RUNS).unwrap()))
}

/// Bytes of all frames from and to the job, counted in virtual time.
fn bytes() -> (usize, usize) {
    let mut world = World::new(1, 1);
    let job = world.start(0, world.ask(1, 60_000));
    world.run_until(10_000);
    assert_eq!(world.codes(job).len(), 1);
    let sum = |leg: Leg| world.wire.iter().filter(|(at, _)| *at == leg).map(|(_, frame)| frame.len()).sum();
    (sum(Leg::FromCi), sum(Leg::ToCi))
}

/// The program itself: from its start to the first byte at the relay.
fn start_up(setting: &Setting) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = format!("ws://{}", listener.local_addr().unwrap());
    let config = setting.laptop.path().join("countersign.toml");
    let real = fs::read_to_string(&config).unwrap();
    fs::write(&config, real.replace(&setting.url(), &here)).unwrap();
    let times = (0..20)
        .map(|_| {
            let start = Instant::now();
            let job = setting.client(&["code", "npm"]);
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 1]).unwrap();
            let time = start.elapsed();
            job.kill();
            time
        })
        .collect();
    fs::write(&config, real).unwrap();
    median(times)
}

/// Peak resident memory of the program until the number is shown, KiB.
fn peak_memory(setting: &Setting) -> f64 {
    let mut phone = setting.phone.run(&["run", "--once"]);
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    let status = fs::read_to_string(format!("/proc/{}/status", job.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let peak = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    PhoneFolder::approve(&setting.phone, &mut phone, &number, false);
    assert!(job.end().status.success());
    peak
}

fn main() {
    // `cargo test --benches` only asks whether it runs at all.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    println!("one approval without the human, loopback, median of {RUNS}\n");
    let plain = tcp();
    row("two round trips of plain TCP (connect included)", micros(plain), "us", "1.0");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = move || runtime.block_on(async { approvals(Embedded::start().await).await });
    let (whole, [job, relay, phone]) = std::thread::Builder::new().name("job".into()).spawn(run).unwrap().join().unwrap();
    row(
        "whole approval (connect, five messages, relay, phone)",
        micros(whole),
        "us",
        &format!("{:.1} x TCP", whole.as_secs_f64() / plain.as_secs_f64()),
    );
    row("CPU of the job", micros(job), "us", "");
    row("CPU of the relay", micros(relay), "us", "");
    row("CPU of the phone, opening the seed included", micros(phone), "us", "");
    let (there, back) = bytes();
    row("bytes from the job to the relay", there as f64, "B", "frames, without WebSocket headers");
    row("bytes from the relay to the job", back as f64, "B", "");

    println!("\nthe program countersign (release)\n");
    let setting = Setting::ready();
    let size = fs::metadata(program("countersign")).unwrap().len();
    row("size, stripped", size as f64 / 1048576.0, "MiB", "aim: 8");
    row("start to the first byte at the relay", micros(start_up(&setting)) / 1000.0, "ms", "aim: 20");
    row("peak resident memory, until the number is shown", peak_memory(&setting) / 1024.0, "MiB", "aim: 15");
}
