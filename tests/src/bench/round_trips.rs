//! Closed loops through established circuits: each pair has one message under way, there and back is a round trip.

use std::time::{Duration, Instant};

use countersign_core::relay::{Circuit, Frame};
use mio::Events;

use super::{
    ends::{self, Phones},
    net::{ConnId, Event, Net, Wire},
    server::{Server, Subject, Yard},
    statistics::median,
    usage::{Clock, Shares},
};

const TURN: Duration = Duration::from_millis(100);

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTrips {
    /// Of all pairs together.
    pub per_second: f64,
    /// Median time of one, in microseconds.
    pub p50: f64,
    /// What it took.
    pub shares: Shares,
}

impl RoundTrips {
    /// Round trips a second if the server had its core to itself and the load were never late.
    pub(super) fn per_core(&self) -> f64 {
        self.per_second / self.shares.server
    }
}

/// What an end does with a message: its answer as it goes out, and the pair it counts for if it is the end that began.
struct End {
    answer: Vec<u8>,
    begins: Option<usize>,
}

/// Runs `pairs` loops with messages of `size` bytes, for `warm_up` without counting and then for `time`.
pub(super) fn measure(yard: &Yard, subject: Subject, pairs: usize, size: usize, warm_up: Duration, time: Duration) -> RoundTrips {
    let (mut net, mut events) = (Net::new(), Events::with_capacity(1024));
    let mut backend = None;
    let server = {
        let listen = || *backend.insert(net.listen());
        yard.joining(subject, listen, pairs + 8)
    };
    let mut ends: Vec<Option<End>> = Vec::new();
    let mut first = Vec::new();
    let mut put = |id: ConnId, end: End| {
        if ends.len() <= id {
            ends.resize_with(id + 1, || None);
        }
        if end.begins.is_some() {
            first.push(id);
        }
        ends[id] = Some(end);
    };
    if subject.is_ours() {
        circuits(&mut net, &mut events, &server, pairs, size, &mut put);
    } else {
        pipes(&mut net, &mut events, &server, subject, pairs, size, &mut put);
    }
    run(&mut net, &mut events, &server, &ends, &first, size, (warm_up, time))
}

fn run(
    net: &mut Net,
    events: &mut Events,
    server: &Server,
    ends: &[Option<End>],
    first: &[ConnId],
    size: usize,
    (warm_up, time): (Duration, Duration),
) -> RoundTrips {
    let mut sent = vec![Instant::now(); first.len()];
    let mut took: Vec<u32> = Vec::with_capacity(1 << 20);
    for (pair, id) in first.iter().enumerate() {
        if let Some(end) = &ends[*id] {
            sent[pair] = Instant::now();
            net.send_encoded(*id, &end.answer);
        }
    }
    let mut loop_for = |took: &mut Vec<u32>, time: Duration| {
        let clock = Clock::start(server.pid());
        while clock.elapsed() < time {
            net.turn(TURN, events, &mut |net, id, event| {
                let Some(Some(end)) = ends.get(id) else { return };
                match event {
                    Event::Message(bytes) => {
                        assert!(bytes.is_empty() || bytes.len() >= size, "a message arrived cut");
                        if let Some(pair) = end.begins {
                            let now = Instant::now();
                            took.push(u32::try_from(now.duration_since(sent[pair]).as_nanos()).unwrap_or(u32::MAX));
                            sent[pair] = now;
                        }
                        net.send_encoded(id, &end.answer);
                    }
                    Event::Up => {}
                    Event::Down => panic!("the server closed a connection in the middle of a round trip"),
                }
            });
        }
        (clock.elapsed(), clock.shares())
    };
    loop_for(&mut took, warm_up);
    took.clear();
    let (elapsed, shares) = loop_for(&mut took, time);
    let per_second = took.len() as f64 / elapsed.as_secs_f64();
    let p50 = median(&mut took.iter().map(|nanos| f64::from(*nanos) / 1e3).collect::<Vec<_>>());
    RoundTrips { per_second, p50, shares }
}

/// Our relay: as many phones, and as many jobs with a circuit to one each.
fn circuits(net: &mut Net, events: &mut Events, server: &Server, pairs: usize, size: usize, put: &mut impl FnMut(ConnId, End)) {
    const CIRCUIT: Circuit = 1;
    let target = &server.target;
    let mut phones = Phones::new(target);
    phones.grow(net, events, pairs);
    let (sender, message) = (ends::sender_key(), vec![0x5a; size]);
    let data = |circuit| Frame::Data { circuit, tail: &message }.encode();
    let jobs: Vec<_> = (0..pairs).map(|_| net.connect(target, Wire::Client, &[])).collect();
    let mut left = 2 * pairs;
    while left > 0 {
        net.turn(TURN, events, &mut |net, id, event| {
            if phones.has(id) {
                if let Some(Frame::Incoming { circuit, .. }) = phones.handle(net, id, event) {
                    put(id, End { answer: net.encoded(id, &data(circuit)), begins: None });
                    left -= 1;
                }
                return;
            }
            let pair = jobs.iter().position(|job| *job == id).expect("every other connection is a job's");
            match event {
                Event::Up => {}
                Event::Down => panic!("the relay closed the connection of a job"),
                Event::Message(bytes) => match ends::frame(bytes) {
                    Frame::Hello { nonce, .. } => {
                        let open = ends::open(target, &sender, &nonce, CIRCUIT, &ends::ticket(pair), b"first");
                        net.send(id, &open);
                    }
                    Frame::Opened { .. } => {
                        put(id, End { answer: net.encoded(id, &data(CIRCUIT)), begins: Some(pair) });
                        left -= 1;
                    }
                    other => panic!("a job expected OPENED: {other:?}"),
                },
            }
        });
    }
}

/// TCP relay: the first of two begins. Proxies: the client begins, the listener behind them answers.
fn pipes(
    net: &mut Net,
    events: &mut Events,
    server: &Server,
    subject: Subject,
    pairs: usize,
    size: usize,
    put: &mut impl FnMut(ConnId, End),
) {
    let message = vec![0x5a; size];
    let raw = subject == Subject::Tcp;
    let wire = if raw { Wire::Raw { message: size } } else { Wire::Client };
    let mut begins = Vec::new();
    let mut left = 2 * pairs;
    for pair in 0..pairs as u64 {
        begins.push(net.connect(&server.target, wire, &pair.to_be_bytes()));
        if raw {
            net.connect(&server.target, wire, &pair.to_be_bytes());
        }
    }
    while left > 0 {
        net.turn(TURN, events, &mut |net, id, event| match event {
            Event::Up => {
                let pair = begins.iter().position(|first| *first == id);
                put(id, End { answer: net.encoded(id, &message), begins: pair });
                left -= 1;
            }
            Event::Message(_) => {}
            Event::Down => panic!("the server closed a connection"),
        });
    }
}
