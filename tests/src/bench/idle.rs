//! What a connection costs a server while it does nothing: before it carried anything, and after 4 KiB in each direction.

use std::{collections::HashMap, time::Duration};

use countersign_core::relay::{CloseReason, Frame, Nonce};
use mio::Events;

use super::{
    ends::{self, Phones},
    net::{ConnId, Event, Net, Target, Wire},
    server::{Server, Subject, Yard},
    usage,
};

/// Size of the message that touches a connection.
const TOUCH: usize = 4096;
/// Connections that come first and are not counted: they warm up whatever is set up once.
const WARM: usize = 64;
/// Circuits that one job has open at a time: what comes back stays well under a queue's limit.
const WINDOW: usize = 8;
/// OPENs of one job, under the limit of a connection.
const OPENS: usize = 1_000;
const DIALING: usize = 32;
const TURN: Duration = Duration::from_millis(100);

/// Resident bytes per connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Idle {
    /// Connections that were counted. A proxy has two for each client.
    pub connections: usize,
    /// After the handshakes (and the proof of the mailbox).
    pub fresh: f64,
    /// After a message in each direction.
    pub touched: f64,
}

/// Measures one subject with `connections` connections: through a proxy, half as many clients.
pub(super) fn measure(yard: &Yard, subject: Subject, connections: usize) -> Idle {
    let mut net = Net::new();
    if subject.is_ours() {
        let server = yard.relay(subject == Subject::Wss);
        return phones(net, &server, connections);
    }
    let mut backend = None;
    let listen = || {
        let address = net.listen();
        backend = Some(address);
        address
    };
    let server = yard.joining(subject, listen, connections / 2 + 2 * WARM);
    pipes(net, &server, subject, connections)
}

/// Our relay: proven mailboxes; the message comes with a circuit, the answer goes back through it.
fn phones(mut net: Net, server: &Server, count: usize) -> Idle {
    let mut events = Events::with_capacity(1024);
    let mut phones = Phones::new(&server.target);
    phones.grow(&mut net, &mut events, WARM);
    touch(&mut net, &mut events, &mut phones, &server.target, 0..WARM);
    let base = settled(&mut net, &mut events, &mut phones, server);
    phones.grow(&mut net, &mut events, WARM + count);
    let fresh = settled(&mut net, &mut events, &mut phones, server);
    touch(&mut net, &mut events, &mut phones, &server.target, WARM..WARM + count);
    let touched = settled(&mut net, &mut events, &mut phones, server);
    idle(count, base, fresh, touched)
}

/// Connects more phones to one relay and says what one costs with each of the two counts.
pub(super) fn growth(yard: &Yard, small: usize, large: usize) -> (f64, f64) {
    let server = yard.relay(false);
    let (mut net, mut events) = (Net::new(), Events::with_capacity(1024));
    let mut phones = Phones::new(&server.target);
    phones.grow(&mut net, &mut events, WARM);
    let base = settled(&mut net, &mut events, &mut phones, &server);
    let mut cost = |count: usize| {
        phones.grow(&mut net, &mut events, WARM + count);
        per_connection(base, settled(&mut net, &mut events, &mut phones, &server), count)
    };
    (cost(small), cost(large))
}

fn idle(connections: usize, base: u64, fresh: u64, touched: u64) -> Idle {
    Idle { connections, fresh: per_connection(base, fresh, connections), touched: per_connection(base, touched, connections) }
}

fn per_connection(base: u64, now: u64, count: usize) -> f64 {
    (now as f64 - base as f64) / count as f64
}

/// Resident memory once it is steady; pings are answered meanwhile.
fn settled(net: &mut Net, events: &mut Events, phones: &mut Phones, server: &Server) -> u64 {
    usage::settled(server.pid(), |pause| {
        let end = std::time::Instant::now() + pause;
        while let Some(left) = end.checked_duration_since(std::time::Instant::now()).filter(|left| !left.is_zero()) {
            net.turn(left, events, &mut |net, id, event| {
                phones.handle(net, id, event);
            });
        }
    })
}

/// A job that touches phones one after the other.
struct Job {
    nonce: Nonce,
    /// Phones still to do.
    phones: std::ops::Range<usize>,
    done: usize,
    count: usize,
}

/// Opens a circuit to each of these phones with 4 KiB, gets 4 KiB back, closes it.
fn touch(net: &mut Net, events: &mut Events, phones: &mut Phones, target: &Target, which: std::ops::Range<usize>) {
    let sender = ends::sender_key();
    let (tail, mut left) = (vec![0x5a; TOUCH], which.len());
    let mut jobs: HashMap<ConnId, Job> = HashMap::new();
    for start in which.clone().step_by(OPENS) {
        let phones = start..which.end.min(start + OPENS);
        let count = phones.len();
        jobs.insert(net.connect(target, Wire::Client, &[]), Job { nonce: [0; 32], phones, done: 0, count });
    }
    while left > 0 || !jobs.is_empty() {
        net.turn(TURN, events, &mut |net, id, event| {
            if phones.has(id) {
                if let Some(Frame::Incoming { circuit, .. }) = phones.handle(net, id, event) {
                    net.send(id, &Frame::Data { circuit, tail: &tail }.encode());
                }
                return;
            }
            let Some(job) = jobs.get_mut(&id) else { return };
            let free = match event {
                Event::Up => 0,
                Event::Down => {
                    assert_eq!(job.done, job.count, "the relay closed the connection of a job");
                    jobs.remove(&id);
                    return;
                }
                Event::Message(bytes) => match ends::frame(bytes) {
                    Frame::Hello { nonce, .. } => {
                        job.nonce = nonce;
                        WINDOW
                    }
                    Frame::Data { circuit, .. } => {
                        net.send(id, &Frame::Close { circuit, reason: CloseReason::Done }.encode());
                        job.done += 1;
                        left -= 1;
                        1
                    }
                    Frame::Opened { .. } => 0,
                    other => panic!("a job expected its answer: {other:?}"),
                },
            };
            for _ in 0..free {
                let Some(phone) = job.phones.next() else { break };
                let circuit = u32::try_from(phone).expect("few phones");
                net.send(id, &ends::open(target, &sender, &job.nonce, circuit, &ends::ticket(phone), &tail));
            }
            if job.done == job.count {
                net.finish(id);
            }
        });
    }
}

/// TCP relay and proxies: clients exchange a message with each other or with the listener; there are `count` connections in all.
fn pipes(mut net: Net, server: &Server, subject: Subject, count: usize) -> Idle {
    let mut events = Events::with_capacity(1024);
    let mut pipes = Pipes { wire: wire(subject), ..Pipes::default() };
    let clients = if subject.is_proxy() { count / 2 } else { count };
    pipes.grow(&mut net, &mut events, server, WARM);
    pipes.touch(&mut net, &mut events);
    let base = usage::settled(server.pid(), std::thread::sleep);
    pipes.grow(&mut net, &mut events, server, WARM + clients);
    let fresh = usage::settled(server.pid(), std::thread::sleep);
    pipes.touch(&mut net, &mut events);
    let touched = usage::settled(server.pid(), std::thread::sleep);
    idle(count, base, fresh, touched)
}

fn wire(subject: Subject) -> Option<Wire> {
    Some(if subject == Subject::Tcp { Wire::Raw { message: TOUCH } } else { Wire::Client })
}

/// Connections that carry bytes without knowing what they are.
#[derive(Default)]
struct Pipes {
    wire: Option<Wire>,
    dialed: usize,
    clients: Vec<ConnId>,
    is_client: Vec<bool>,
    listeners: Vec<ConnId>,
    up: usize,
}

impl Pipes {
    /// Ends that are up when all of `clients` are joined: behind a proxy each has a counterpart in the listener.
    fn ends(&self, clients: usize) -> usize {
        if matches!(self.wire, Some(Wire::Raw { .. })) { clients } else { 2 * clients }
    }

    fn grow(&mut self, net: &mut Net, events: &mut Events, server: &Server, count: usize) {
        let wire = self.wire.expect("a subject has a wire");
        while self.up < self.ends(count) {
            while self.dialed < count && self.ends(self.dialed) - self.up < 2 * DIALING {
                // Two and two are a pair.
                let pair = (self.dialed / 2) as u64;
                let id = net.connect(&server.target, wire, &pair.to_be_bytes());
                if self.is_client.len() <= id {
                    self.is_client.resize(id + 1, false);
                }
                self.is_client[id] = true;
                self.clients.push(id);
                self.dialed += 1;
            }
            net.turn(TURN, events, &mut |_, id, event| match event {
                Event::Up => {
                    self.up += 1;
                    if !self.is_client.get(id).copied().unwrap_or_default() {
                        self.listeners.push(id);
                    }
                }
                Event::Message(_) => {}
                Event::Down => panic!("the server closed connection {id} of {}:\n{}", self.up, server.complaints()),
            });
        }
    }

    /// A message from every end, which its other end receives.
    fn touch(&mut self, net: &mut Net, events: &mut Events) {
        let message = vec![0x5a; TOUCH];
        let mut left = 0;
        for ids in [&self.clients, &self.listeners] {
            // In steps, so that buffers of a server are reused as they are in life.
            for some in ids.chunks(64) {
                for id in some {
                    net.send(*id, &message);
                    left += 1;
                }
                while left > 0 {
                    net.turn(TURN, events, &mut |_, _, event| match event {
                        Event::Message(_) => left -= 1,
                        Event::Up => {}
                        Event::Down => panic!("the server closed a connection"),
                    });
                }
            }
        }
    }
}
