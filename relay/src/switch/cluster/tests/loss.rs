//! A whole exchange, with a loss at every place in it.

use countersign_core::relay::{CloseReason, Frame, Nonce};

use super::{
    super::super::tests::{mailbox_key, ticket},
    net::{At, Net},
};
use crate::limits::Limits;

/// How long ci waits for the phone's first answer (docs/PROTOCOL.md §5.6), and before it tries again.
const ACK_TIMEOUT: u64 = 15_000;
const PAUSE: u64 = 300;

/// A job that begins anew as often as it must, as ci does before M3.
struct Job {
    at: At,
    nonce: Nonce,
    circuit: u32,
    deadline: u64,
    done: bool,
    opened: u32,
}

impl Job {
    fn start(net: &mut Net, node: usize) -> Self {
        let (at, nonce) = net.connect(node);
        let mut job = Self { at, nonce, circuit: 0, deadline: u64::MAX, done: false, opened: 0 };
        job.open(net);
        job
    }

    fn open(&mut self, net: &mut Net) {
        self.circuit += 1;
        self.deadline = u64::MAX;
        let tail = self.circuit.to_be_bytes();
        net.open((self.at, self.nonce), self.circuit, &ticket(), &mailbox_key(1), &tail);
    }

    fn step(&mut self, net: &mut Net) {
        while let Some(frame) = net.take(self.at) {
            match Frame::parse(&frame).unwrap() {
                Frame::Opened { circuit } if circuit == self.circuit => {
                    self.opened += 1;
                    self.deadline = net.now.mono + ACK_TIMEOUT;
                }
                Frame::Data { circuit, tail: b"m2" } if circuit == self.circuit => {
                    net.send(self.at, &Frame::Data { circuit, tail: b"m3" });
                }
                Frame::Data { circuit, tail: b"m4" } if circuit == self.circuit => {
                    self.done = true;
                    net.send(self.at, &Frame::Close { circuit, reason: CloseReason::Done });
                }
                Frame::Close { circuit, reason } if circuit == self.circuit && !self.done => {
                    assert_eq!(reason, CloseReason::PeerGone);
                    self.deadline = net.now.mono + PAUSE;
                }
                Frame::Waiting { .. } => {}
                Frame::Close { circuit, .. } if circuit != self.circuit => {}
                other => panic!("{other:?}"),
            }
        }
        if !self.done && net.now.mono >= self.deadline {
            net.send(self.at, &Frame::Close { circuit: self.circuit, reason: CloseReason::Done });
            self.open(net);
        }
    }
}

/// A phone that answers, and notices if it is given the same request twice.
struct Phone {
    at: At,
    requests: Vec<Vec<u8>>,
}

impl Phone {
    fn start(net: &mut Net, node: usize) -> Self {
        Self { at: net.prove(node, 1), requests: Vec::new() }
    }

    fn step(&mut self, net: &mut Net) {
        while let Some(frame) = net.take(self.at) {
            match Frame::parse(&frame).unwrap() {
                Frame::Incoming { circuit, tail, .. } => {
                    assert!(!self.requests.iter().any(|seen| seen == tail), "the same request twice");
                    self.requests.push(tail.to_vec());
                    net.send(self.at, &Frame::Data { circuit, tail: b"m2" });
                }
                Frame::Data { circuit, tail: b"m3" } => net.send(self.at, &Frame::Data { circuit, tail: b"m4" }),
                Frame::Proved { .. } | Frame::Close { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Runs an exchange; gives how many messages went between the relays until it was done, and how often the phone was asked.
fn exchange(seed: u64, phone_first: bool, loses: impl FnMut(usize, usize, usize) -> bool + 'static) -> (usize, usize) {
    let mut net = Net::new(3, seed, Limits::default());
    net.carried = 0;
    net.loses = Box::new(loses);
    let (mut job, mut phone);
    if phone_first {
        phone = Phone::start(&mut net, 0);
        net.carry();
        job = Job::start(&mut net, 1);
    } else {
        job = Job::start(&mut net, 1);
        net.carry();
        phone = Phone::start(&mut net, 0);
    }
    let started = net.now.mono;
    while !job.done {
        net.carry();
        job.step(&mut net);
        phone.step(&mut net);
        net.carry();
        // Messages follow each other at once; time passes only when nothing is on its way.
        if net.seen.values().all(|seen| seen.frames.is_empty()) {
            net.pass(100);
        }
        assert!(net.now.mono - started < 40_000, "somebody waits for ever: {}", phone.requests.len());
    }
    let carried = net.carried;
    net.loses = Box::new(|_, _, _| false);
    net.run(20_000);
    net.check();
    assert!(net.nodes.iter().all(|node| node.switch.shared_circuits() == 0 && node.switch.waiting.len() == 0));
    assert!(job.opened >= 1);
    (carried, phone.requests.len())
}

#[test]
fn nothing_is_lost_without_a_loss() {
    for phone_first in [true, false] {
        let (carried, requests) = exchange(1, phone_first, |_, _, _| false);
        assert_eq!(requests, 1);
        assert!((8..40).contains(&carried), "{carried}");
    }
}

#[test]
fn a_loss_at_any_place_costs_time_and_nothing_else() {
    for phone_first in [true, false] {
        let (carried, _) = exchange(1, phone_first, |_, _, _| false);
        for lost in 1..=carried + 10 {
            exchange(1, phone_first, move |n, _, _| n == lost);
            exchange(2, phone_first, move |n, _, _| n == lost || n == lost + 2);
        }
    }
}

#[test]
fn a_cut_of_some_length_at_any_place_costs_time_and_nothing_else() {
    for phone_first in [true, false] {
        let (carried, _) = exchange(1, phone_first, |_, _, _| false);
        for lost in 1..=carried + 4 {
            exchange(3, phone_first, move |n, _, _| (lost..lost + 30).contains(&n));
            // Only one direction.
            exchange(4, phone_first, move |n, from, _| (lost..lost + 60).contains(&n) && from == 0);
            exchange(5, phone_first, move |n, from, _| (lost..lost + 60).contains(&n) && from == 1);
        }
    }
}

#[test]
fn a_lossy_bus_is_slow_but_works() {
    for seed in 0..40 {
        let mut state = seed;
        exchange(seed, seed % 2 == 0, move |_, _, _| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % 100 < 7
        });
    }
}
