//! Phone on one relay, job on another: what each is told, and how it heals.

use countersign_core::relay::{CloseReason, Frame, RELAY_CIRCUIT, Ticket};

use super::{
    super::{
        super::tests::{ORIGINS, address, mailbox_key, prove, ticket},
        NodeId,
        wire::{Body, Message},
    },
    net::{At, Net},
};
use crate::limits::Limits;

fn proved() -> Frame<'static> {
    Frame::Proved { mailbox: address(&mailbox_key(1)) }
}

fn evicted() -> Frame<'static> {
    Frame::Evicted { mailbox: address(&mailbox_key(1)) }
}

fn incoming(circuit: u32, tail: &[u8]) -> Frame<'_> {
    Frame::Incoming { circuit: RELAY_CIRCUIT + circuit, mailbox: address(&mailbox_key(1)), ticket_id: [7; 16], tail }
}

fn close(circuit: u32, reason: CloseReason) -> Frame<'static> {
    Frame::Close { circuit, reason }
}

/// A phone at relay 0 and a job at relay 1 with a circuit between them.
fn joined(net: &mut Net) -> (At, At) {
    let phone = net.prove(0, 1);
    let ci = net.connect(1);
    net.open(ci, 5, &ticket(), &mailbox_key(1), b"m1");
    net.carry();
    net.expect(phone, &[proved(), incoming(0, b"m1")]);
    net.expect(ci.0, &[Frame::Opened { circuit: 5 }]);
    (phone, ci.0)
}

#[test]
fn a_job_reaches_a_phone_at_another_relay() {
    let mut net = Net::new(3, 1, Limits::default());
    let (phone, ci) = joined(&mut net);
    for n in 0..10_u8 {
        net.send(phone, &Frame::Data { circuit: RELAY_CIRCUIT, tail: &[n; 1000] });
        net.send(ci, &Frame::Data { circuit: 5, tail: &[n + 100; 1000] });
    }
    net.carry();
    for n in 0..10_u8 {
        assert_eq!(net.take(ci).unwrap(), Frame::Data { circuit: 5, tail: &[n; 1000] }.encode());
        assert_eq!(net.take(phone).unwrap(), Frame::Data { circuit: RELAY_CIRCUIT, tail: &[n + 100; 1000] }.encode());
    }
    net.run(30_000);
    net.check();
    net.send(phone, &close(RELAY_CIRCUIT, CloseReason::Refused));
    net.carry();
    net.expect(ci, &[close(5, CloseReason::Refused)]);
    net.check();
    assert!(net.nodes.iter().all(|node| node.switch.shared_circuits() == 0));
}

#[test]
fn an_end_that_goes_is_told_to_the_other() {
    let mut net = Net::new(2, 1, Limits::default());
    let (phone, ci) = joined(&mut net);
    net.disconnect(phone);
    net.carry();
    net.expect(ci, &[close(5, CloseReason::PeerGone)]);
    let (phone, ci) = joined(&mut net);
    net.disconnect(ci);
    net.carry();
    net.expect(phone, &[close(RELAY_CIRCUIT, CloseReason::PeerGone)]);
    net.check();
}

#[test]
fn the_phones_relay_keeps_deny_list_rate_and_limits() {
    let mut net = Net::new(2, 1, Limits { max_circuits_per_mailbox: 2, ..Limits::default() });
    let (phone, nonce) = net.connect(0);
    net.send(phone, &prove(&mailbox_key(1), &nonce, ORIGINS[0], &[[9; 16]]).frame());
    let ci = net.connect(1);
    let mut ask = |circuit, ticket: &Ticket, tail: &[u8]| {
        net.open(ci, circuit, ticket, &mailbox_key(1), tail);
        net.carry();
        let told = net.take(ci.0).unwrap();
        assert!(net.take(ci.0).is_none());
        told
    };
    assert_eq!(ask(1, &Ticket { ticket_id: [9; 16], ..ticket() }, b""), close(1, CloseReason::TicketRefused).encode());
    let once = Ticket { ticket_id: [8; 16], opens_per_hour: 1, ..ticket() };
    assert_eq!(ask(2, &once, b""), Frame::Opened { circuit: 2 }.encode());
    assert_eq!(ask(3, &once, b""), close(3, CloseReason::Limit).encode());
    assert_eq!(ask(4, &Ticket { max_bytes: 3, ..ticket() }, b"1234"), close(4, CloseReason::Limit).encode());
    assert_eq!(ask(5, &Ticket { max_bytes: 5, ..ticket() }, b"1234"), Frame::Opened { circuit: 5 }.encode());
    assert_eq!(ask(6, &ticket(), b""), close(6, CloseReason::Limit).encode());
    // The bytes of a circuit are counted at both relays.
    net.send(ci.0, &Frame::Data { circuit: 5, tail: b"12" });
    net.carry();
    net.expect(ci.0, &[close(5, CloseReason::Limit)]);
    while let Some(frame) = net.take(phone) {
        assert!(!matches!(Frame::parse(&frame).unwrap(), Frame::Data { .. }));
    }
    net.check();
}

#[test]
fn an_open_waits_and_is_delivered_wherever_the_phone_comes() {
    let mut net = Net::new(3, 1, Limits::default());
    let ci = net.connect(1);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
    net.open(ci, 2, &ticket(), &mailbox_key(1), b"m2");
    assert!(net.take(ci.0).is_none(), "nothing is said before the others have answered");
    net.carry();
    net.expect(ci.0, &[Frame::Waiting { circuit: 1 }, Frame::Waiting { circuit: 2 }]);
    net.run(60_000);
    net.expect(ci.0, &[]);
    net.send(ci.0, &close(2, CloseReason::Done));
    let phone = net.prove(2, 1);
    net.carry();
    net.expect(phone, &[proved(), incoming(0, b"m1")]);
    net.expect(ci.0, &[Frame::Opened { circuit: 1 }]);
    net.check();
}

#[test]
fn a_wait_ends_in_a_cluster_too() {
    let mut net = Net::new(2, 1, Limits::default());
    let ci = net.connect(1);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
    net.run(601_000);
    net.expect(ci.0, &[Frame::Waiting { circuit: 1 }, close(1, CloseReason::Timeout)]);
}

#[test]
fn a_phone_that_is_given_too_much_gets_the_rest_later() {
    let mut net = Net::new(2, 1, Limits::default());
    let ci = net.connect(1);
    let tail = [1; 12_000];
    for circuit in 1..=5 {
        net.open(ci, circuit, &ticket(), &mailbox_key(1), &tail);
    }
    net.carry();
    let phone = net.prove(0, 1);
    net.run(10_000);
    let count = |net: &mut Net, at| {
        std::iter::from_fn(|| net.take(at))
            .filter(|frame| matches!(Frame::parse(frame), Ok(Frame::Incoming { .. } | Frame::Opened { .. })))
            .count()
    };
    assert_eq!((count(&mut net, phone), count(&mut net, ci.0)), (5, 5));
    net.check();
}

#[test]
fn the_newest_connection_of_the_cluster_has_the_mailbox() {
    let mut net = Net::new(3, 1, Limits::default());
    let (old, ci) = joined(&mut net);
    let new = net.prove(2, 1);
    net.carry();
    net.expect(new, &[proved()]);
    net.expect(old, &[close(RELAY_CIRCUIT, CloseReason::PeerGone), evicted()]);
    net.expect(ci, &[close(5, CloseReason::PeerGone)]);
    // The old one's end does not take it away, and jobs reach the new one.
    net.disconnect(old);
    let ci = net.connect(0);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"again");
    net.carry();
    net.expect(new, &[incoming(0, b"again")]);
    net.check();
}

#[test]
fn two_that_prove_at_the_same_time_agree_on_one() {
    for seed in 0..20 {
        let mut net = Net::new(3, seed, Limits::default());
        let phones = [net.prove(0, 1), net.prove(1, 1)];
        net.carry();
        let told = phones.map(|phone| std::iter::from_fn(|| net.take(phone)).last().unwrap());
        assert_eq!(told.iter().filter(|last| **last == evicted().encode()).count(), 1);
        let winner = phones[usize::from(told[1] != evicted().encode())];
        let ci = net.connect(2);
        net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
        net.carry();
        net.expect(winner, &[incoming(0, b"m1")]);
    }
}

#[test]
fn two_that_do_not_know_of_each_other_are_told_by_who_asks() {
    let mut net = Net::new(3, 1, Limits::default());
    // Every UP between relays 0 and 1 is lost.
    net.loses = Box::new(|_, from, to| from + to == 1);
    let old = net.prove(0, 1);
    net.run(1_000);
    let new = net.prove(1, 1);
    net.carry();
    net.expect(old, &[proved()]);
    let ci = net.connect(2);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
    net.carry();
    net.expect(old, &[evicted()]);
    net.expect(new, &[proved(), incoming(0, b"m1")]);
}

#[test]
fn a_relay_that_dies_ends_its_circuits_and_no_others() {
    let mut net = Net::new(3, 1, Limits::default());
    let (phone, ci) = joined(&mut net);
    let other = net.connect(2);
    net.open(other, 1, &ticket(), &mailbox_key(1), b"m1");
    net.carry();
    net.expect(phone, &[incoming(1, b"m1")]);
    net.expect(other.0, &[Frame::Opened { circuit: 1 }]);
    net.kill(1);
    let _ = ci;
    net.run(8_000);
    net.expect(phone, &[close(RELAY_CIRCUIT, CloseReason::PeerGone)]);
    net.expect(other.0, &[]);
    // The phone's relay dies: the job is told, asks again, and waits.
    net.kill(0);
    net.run(8_000);
    net.expect(other.0, &[close(1, CloseReason::PeerGone)]);
    net.open(other, 2, &ticket(), &mailbox_key(1), b"m1");
    net.run(1_000);
    net.expect(other.0, &[Frame::Waiting { circuit: 2 }]);
    net.up(0);
    net.up(1);
    let phone = net.prove(1, 1);
    net.carry();
    net.expect(phone, &[proved(), incoming(0, b"m1")]);
    net.expect(other.0, &[Frame::Opened { circuit: 2 }]);
    net.check();
}

#[test]
fn a_relay_that_says_goodbye_is_gone_at_once() {
    let mut net = Net::new(2, 1, Limits::default());
    let (phone, ci) = joined(&mut net);
    net.nodes[0].switch.shut_down();
    net.carry();
    net.expect(ci, &[close(5, CloseReason::PeerGone)]);
    assert!(net.seen[&phone].ended);
    assert_eq!(net.nodes[1].switch.peers(), Some(0));
    let ci = net.connect(1);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
    net.carry();
    net.expect(ci.0, &[Frame::Waiting { circuit: 1 }]);
}

#[test]
fn without_nats_every_relay_serves_its_own_and_the_rest_waits() {
    let mut net = Net::new(2, 1, Limits::default());
    let (phone, far) = joined(&mut net);
    let near = net.connect(0);
    net.open(near, 1, &ticket(), &mailbox_key(1), b"near");
    net.carry();
    net.expect(phone, &[incoming(1, b"near")]);
    net.expect(near.0, &[Frame::Opened { circuit: 1 }]);
    for node in [0, 1] {
        net.down(node);
    }
    net.expect(far, &[close(5, CloseReason::PeerGone)]);
    net.expect(phone, &[close(RELAY_CIRCUIT, CloseReason::PeerGone)]);
    net.send(phone, &Frame::Data { circuit: RELAY_CIRCUIT + 1, tail: b"still" });
    net.expect(near.0, &[Frame::Data { circuit: 1, tail: b"still" }]);
    let waiting = net.connect(1);
    net.open(waiting, 1, &ticket(), &mailbox_key(1), b"m1");
    net.expect(waiting.0, &[Frame::Waiting { circuit: 1 }]);
    net.run(30_000);
    net.expect(waiting.0, &[]);
    for node in [0, 1] {
        net.up(node);
    }
    net.carry();
    net.expect(waiting.0, &[Frame::Opened { circuit: 1 }]);
    net.expect(phone, &[incoming(2, b"m1")]);
    net.check();
}

#[test]
fn what_moved_without_nats_is_found_at_its_new_place() {
    let mut net = Net::new(3, 1, Limits::default());
    // Relay 0 is busy, so its count of what happens is far ahead.
    for n in 2..30 {
        net.prove(0, n);
    }
    let old = net.prove(0, 1);
    net.down(0);
    net.run(2_000);
    let new = net.prove(1, 1);
    net.run(1_000);
    net.up(0);
    net.run(1_000);
    let ci = net.connect(2);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
    net.carry();
    net.expect(new, &[proved(), incoming(0, b"m1")]);
    net.expect(old, &[proved(), evicted()]);
}

#[test]
fn a_relay_that_is_not_heard_is_asked_for_a_second_at_most() {
    let mut net = Net::new(3, 1, Limits::default());
    let phone = net.prove(0, 1);
    net.carry();
    net.loses = Box::new(|_, from, _| from == 2);
    let ci = net.connect(1);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
    net.open(ci, 2, &Ticket { mailbox_public: mailbox_key(2).public(), ..ticket() }, &mailbox_key(2), b"m1");
    net.run(300);
    net.expect(ci.0, &[Frame::Opened { circuit: 1 }]);
    net.run(800);
    net.expect(ci.0, &[Frame::Waiting { circuit: 2 }]);
    net.expect(phone, &[proved(), incoming(0, b"m1")]);
}

#[test]
fn one_way_silence_ends_what_is_shared() {
    let mut net = Net::new(2, 1, Limits::default());
    let (phone, ci) = joined(&mut net);
    net.loses = Box::new(|_, from, _| from == 0);
    net.run(9_000);
    net.expect(ci, &[close(5, CloseReason::PeerGone)]);
    net.run(9_000);
    net.expect(phone, &[close(RELAY_CIRCUIT, CloseReason::PeerGone)]);
    net.loses = Box::new(|_, _, _| false);
    net.run(5_000);
    net.check();
}

#[test]
fn what_is_no_message_does_nothing() {
    let mut net = Net::new(2, 1, Limits::default());
    let (phone, ci) = joined(&mut net);
    for length in 0..80 {
        for byte in [0, 9, 0x44, 0xff] {
            let mut bytes = vec![byte; length];
            for kind in 0..=0x46 {
                if let [version, second, ..] = bytes.as_mut_slice() {
                    (*version, *second) = (1, kind);
                }
                let node = if length % 2 == 0 { 0 } else { 1 };
                // Whatever the other relays then say to one that does not exist is lost.
                net.nodes[node].switch.peer(&bytes, net.now);
                net.carry();
                net.nodes[node].switch.check_tables();
            }
        }
    }
    net.send(ci, &Frame::Data { circuit: 5, tail: b"m3" });
    net.carry();
    net.expect(phone, &[Frame::Data { circuit: RELAY_CIRCUIT, tail: b"m3" }]);
    let many = crate::limits::MAX_NODES + 50;
    for n in 0..many {
        let mut bytes = vec![1, 1];
        bytes.extend_from_slice(&u128::try_from(n).unwrap().to_be_bytes());
        bytes.extend_from_slice(&[0; 8]);
        net.nodes[0].switch.peer(&bytes, net.now);
    }
    assert_eq!(net.nodes[0].switch.peers(), Some(crate::limits::MAX_NODES));
}

#[test]
fn a_relay_that_missed_something_says_so_until_it_is_heard() {
    let mut net = Net::new(2, 1, Limits::default());
    let (phone, ci) = joined(&mut net);
    // The answer is lost, and so is what relay 1 says when the next one shows it.
    let mut lost = [false; 2];
    net.loses = Box::new(move |_, from, _| !std::mem::replace(&mut lost[from], true));
    net.send(phone, &Frame::Data { circuit: RELAY_CIRCUIT, tail: b"lost" });
    net.send(phone, &Frame::Data { circuit: RELAY_CIRCUIT, tail: b"too late" });
    net.carry();
    net.expect(ci, &[close(5, CloseReason::PeerGone)]);
    net.expect(phone, &[]);
    net.run(2_500);
    net.expect(phone, &[close(RELAY_CIRCUIT, CloseReason::PeerGone)]);
    net.check();
}

#[test]
fn a_relay_that_does_not_answer_is_not_waited_for() {
    let mut net = Net::new(1, 1, Limits::default());
    let ci = net.connect(0);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
    net.run(1_000);
    net.expect(ci.0, &[Frame::Waiting { circuit: 1 }]);
    // It is there and has the phone, and takes no OPEN.
    let from = NodeId::from_bytes([9; 16]);
    let says = |net: &mut Net, body| {
        net.nodes[0].switch.peer(&Message { from, stamp: 1, body }.encode(), net.now);
        net.carry();
    };
    says(&mut net, Body::Up { mailbox: address(&mailbox_key(1)), stamp: 1, holder: from });
    let mut passed = 0;
    while net.seen[&ci.0].frames.is_empty() {
        says(&mut net, Body::Ping { epoch: 1, last: 0, follows: 1 });
        net.run(1_000);
        passed += 1;
        assert!(passed < 10);
    }
    net.expect(ci.0, &[close(1, CloseReason::PeerGone)]);
    assert!(passed >= 5);
    assert_eq!(net.nodes[0].switch.shared_with(from), [0; 0]);
}
