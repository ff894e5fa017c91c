//! Whole opens: connect, WebSocket handshake, PROVE of an own mailbox, OPEN with a ticket to a phone that is there, its answer,
//! CLOSE, end of the connection. What a job costs a relay from beginning to end, and a phone's proof on top.

use std::{cell::Cell, time::Duration};

use countersign_core::{
    keys::SigningKey,
    relay::{CloseReason, Frame, Nonce},
};
use mio::Events;

use super::{
    ends::{self, Phones},
    net::{ConnId, Event, Net, Wire},
    server::Yard,
    usage::{Clock, Shares},
};

/// Connections under way at a time.
const IN_FLIGHT: usize = 64;
/// The size of a request's first message, and of the phone's answer (docs/PROTOCOL.md §4).
const REQUEST: usize = 4096;
const ANSWER: usize = 256;
/// A phone is given 8 such messages a second: enough phones for twice what a core can do.
pub(super) const PHONES: usize = 2_000;
const TURN: Duration = Duration::from_millis(100);

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opens {
    /// Whole ones a second.
    pub per_second: f64,
    /// How many of them had to wait, because their phone had been given its share of the second.
    pub waited: usize,
    /// What it took.
    pub shares: Shares,
}

/// A connection under way.
struct Job {
    /// Its place, which has a mailbox of its own.
    place: usize,
    nonce: Nonce,
    answered: bool,
}

/// Everything that is the same for all.
struct Keys {
    sender: SigningKey,
    own: Vec<SigningKey>,
    tickets: Vec<Vec<u8>>,
}

/// Opens for `warm_up` without counting and then for `time`, to `phones` standing phones.
pub(super) fn measure(yard: &Yard, tls: bool, phones: usize, warm_up: Duration, time: Duration) -> Opens {
    let server = yard.relay(tls);
    let target = &server.target;
    let (mut net, mut events) = (Net::new(), Events::with_capacity(1024));
    let keys = Keys {
        sender: ends::sender_key(),
        own: (0..IN_FLIGHT).map(|place| ends::mailbox_key(phones + place)).collect(),
        tickets: (0..phones).map(ends::ticket).collect(),
    };
    let mut standing = Phones::new(target);
    standing.grow(&mut net, &mut events, phones);

    let (tail, answer) = (vec![0x5a; REQUEST], vec![0xa5; ANSWER]);
    let (done, waited) = (Cell::new(0_usize), Cell::new(0_usize));
    let mut next = 0;
    let mut jobs: Vec<Option<Job>> = Vec::new();
    let start = |net: &mut Net, jobs: &mut Vec<Option<Job>>, place: usize| {
        let id = net.connect(target, Wire::Client, &[]);
        if jobs.len() <= id {
            jobs.resize_with(id + 1, || None);
        }
        jobs[id] = Some(Job { place, nonce: [0; 32], answered: false });
    };
    for place in 0..IN_FLIGHT {
        start(&mut net, &mut jobs, place);
    }
    let mut handle = |net: &mut Net, id: ConnId, event: Event<'_>| {
        if standing.has(id) {
            if let Some(Frame::Incoming { circuit, .. }) = standing.handle(net, id, event) {
                net.send(id, &Frame::Data { circuit, tail: &answer }.encode());
            }
            return;
        }
        let Some(job) = jobs.get_mut(id).and_then(Option::as_mut) else { return };
        let bytes = match event {
            Event::Up => return,
            Event::Message(bytes) => bytes,
            Event::Down => {
                assert!(job.answered, "the relay closed the connection of a job before the answer");
                done.set(done.get() + 1);
                let place = job.place;
                jobs[id] = None;
                start(net, &mut jobs, place);
                return;
            }
        };
        match ends::frame(bytes) {
            Frame::Hello { nonce, .. } => {
                job.nonce = nonce;
                net.send(id, &ends::prove(target, &keys.own[job.place], &nonce));
            }
            Frame::Proved { .. } => {
                let ticket = &keys.tickets[next % phones];
                next += 1;
                net.send(id, &ends::open(target, &keys.sender, &job.nonce, 1, ticket, &tail));
            }
            Frame::Waiting { .. } => waited.set(waited.get() + 1),
            Frame::Opened { .. } => {}
            Frame::Data { .. } => {
                job.answered = true;
                net.send(id, &Frame::Close { circuit: 1, reason: CloseReason::Done }.encode());
                net.finish(id);
            }
            other => panic!("a job expected its answer: {other:?}"),
        }
    };
    let mut open_for = |time: Duration| {
        done.set(0);
        waited.set(0);
        let clock = Clock::start(server.pid());
        while clock.elapsed() < time {
            net.turn(TURN, &mut events, &mut handle);
        }
        let per_second = done.get() as f64 / clock.elapsed().as_secs_f64();
        Opens { per_second, waited: waited.get(), shares: clock.shares() }
    };
    open_for(warm_up);
    open_for(time)
}
