//! Wake-ups in virtual time.

use std::sync::Arc;

use countersign_core::relay::{CloseReason, ErrorCode, Frame, PushStatus, Subscription, Ticket, WakeResult};
use p256::{SecretKey, elliptic_curve::sec1::ToEncodedPoint as _};

use super::tests::{ORIGINS, World, address, close, incoming, mailbox_key, open, prove, ticket};
use crate::{limits::Limits, push::PushKeys};

fn world(limits: Limits) -> World {
    let mut world = World::new(limits.clone());
    world.switch.seals_with(Arc::new(PushKeys::fixed(1)));
    world
}

fn subscription() -> Subscription<'static> {
    let public = SecretKey::from_slice(&[5; 32]).unwrap().public_key().to_encoded_point(false);
    Subscription { p256dh: public.as_bytes().try_into().unwrap(), auth: [9; 16], endpoint: b"https://push.example.org/abc" }
}

/// A ticket with the push address of the phone with mailbox 1.
fn ticket_with_push() -> Ticket {
    let sealed = PushKeys::fixed(1).seal(&address(&mailbox_key(1)), Some(&subscription())).1;
    Ticket { push: sealed, ..ticket() }
}

fn wake(circuit: u32, result: WakeResult) -> Frame<'static> {
    Frame::Wake { circuit, result }
}

#[test]
fn a_phone_has_its_push_address_sealed() {
    let mut world = world(Limits::default());
    let phone = world.phone(&mailbox_key(1));
    let (mailbox, key) = (address(&mailbox_key(1)), *PushKeys::fixed(1).vapid.public());
    let sealed = ticket_with_push().push;
    let ask = |subscription| Frame::Push { mailbox, subscription };
    let answer = |status, sealed| Frame::PushSealed { mailbox, status, key, sealed };
    world.send(phone, &ask(None), &[(phone, answer(PushStatus::Ok, &[]))]);
    world.send(phone, &ask(Some(subscription())), &[(phone, answer(PushStatus::Ok, &sealed))]);
    let inner = Subscription { endpoint: b"https://127.0.0.1/", ..subscription() };
    world.send(phone, &ask(Some(inner)), &[(phone, answer(PushStatus::Refused, &[]))]);
    // Another phone's mailbox: nothing. Nobody's phone: an error.
    let other = world.phone(&mailbox_key(2));
    world.send(other, &ask(Some(subscription())), &[]);
    let (stranger, _) = world.connect();
    world.send(stranger, &ask(None), &[(stranger, Frame::Error { code: ErrorCode::Malformed })]);
}

#[test]
fn push_addresses_are_bounded_as_proofs_are() {
    let mut world = world(Limits { max_proofs_per_connection: 2, ..Limits::default() });
    let phone = world.phone(&mailbox_key(1));
    let mailbox = address(&mailbox_key(1));
    let key = *PushKeys::fixed(1).vapid.public();
    let ask = Frame::Push { mailbox, subscription: None };
    world.send(phone, &ask, &[(phone, Frame::PushSealed { mailbox, status: PushStatus::Ok, key, sealed: &[] })]);
    world.send(phone, &ask, &[(phone, Frame::Error { code: ErrorCode::Limit })]);
}

#[test]
fn a_relay_without_keys_says_so_and_wakes_nobody() {
    let mut world = World::new(Limits::default());
    let ci = world.connect();
    open(&mut world, ci, 1, &ticket_with_push(), b"m1", &[(ci.0, Frame::Waiting { circuit: 1 })]);
    assert!(world.wakes.is_empty());
    world.send(ci.0, &close(1, CloseReason::Done), &[]);
    let phone = world.phone(&mailbox_key(1));
    let mailbox = address(&mailbox_key(1));
    let off = Frame::PushSealed { mailbox, status: PushStatus::Off, key: [0; 65], sealed: &[] };
    world.send(phone, &Frame::Push { mailbox, subscription: Some(subscription()) }, &[(phone, off)]);
}

#[test]
fn an_open_that_waits_wakes_the_phone() {
    let mut world = world(Limits::default());
    let ci = world.connect();
    open(&mut world, ci, 1, &ticket_with_push(), b"m1", &[(ci.0, Frame::Waiting { circuit: 1 })]);
    let [due] = world.wakes.as_slice() else { panic!("{:?}", world.wakes) };
    assert_eq!((due.conn, due.circuit, due.target.subscription()), (ci.0, 1, subscription()));
    let asker = due.asker;
    world.switch.woken(ci.0, 1, asker, WakeResult::Sent);
    world.expect(&[(ci.0, wake(1, WakeResult::Sent))]);
    // Renewed after 25 s: it rests. After the rest: once more.
    world.tick(25);
    world.send(ci.0, &close(1, CloseReason::Done), &[]);
    open(&mut world, ci, 2, &ticket_with_push(), b"m1", &[(ci.0, Frame::Waiting { circuit: 2 })]);
    assert_eq!(world.wakes.len(), 1);
    world.tick(100);
    world.send(ci.0, &close(2, CloseReason::Done), &[]);
    open(&mut world, ci, 3, &ticket_with_push(), b"m1", &[(ci.0, Frame::Waiting { circuit: 3 })]);
    assert_eq!(world.wakes.len(), 2);
    // The phone comes before the push service has answered: nothing more to say.
    let (phone, nonce) = world.connect();
    let proof = prove(&mailbox_key(1), &nonce, ORIGINS[0], &[]);
    let proved = Frame::Proved { mailbox: address(&mailbox_key(1)) };
    world.send(phone, &proof.frame(), &[(phone, proved), (phone, incoming(0x8000_0000, b"m1")), (ci.0, Frame::Opened { circuit: 3 })]);
    world.switch.woken(ci.0, 3, asker, WakeResult::Sent);
    world.switch.woken(ci.0, 99, asker, WakeResult::Sent);
    world.expect(&[]);
    // And while it is there it is not woken.
    open(&mut world, ci, 4, &ticket_with_push(), b"m1", &[(phone, incoming(0x8000_0001, b"m1")), (ci.0, Frame::Opened { circuit: 4 })]);
    assert_eq!(world.wakes.len(), 2);
}

#[test]
fn a_phone_that_is_there_and_has_had_enough_is_not_woken() {
    let mut world = world(Limits::default());
    world.phone(&mailbox_key(1));
    let ci = world.connect();
    // Of MAX_INCOMING_PER_SECOND, less than this is left after two of them.
    let part = &[0; 12_000];
    for circuit in 1..=2 {
        let number = 0x8000_0000 + circuit - 1;
        let phone = super::ConnId(0);
        open(&mut world, ci, circuit, &ticket_with_push(), part, &[(phone, incoming(number, part)), (ci.0, Frame::Opened { circuit })]);
    }
    open(&mut world, ci, 3, &ticket_with_push(), part, &[(ci.0, Frame::Waiting { circuit: 3 })]);
    assert!(world.wakes.is_empty());
}

#[test]
fn often_enough_in_an_hour() {
    let mut world = world(Limits { max_wakes_per_ticket_per_hour: 2, ..Limits::default() });
    let ci = world.connect();
    for circuit in 1..=2 {
        open(&mut world, ci, circuit, &ticket_with_push(), b"m1", &[(ci.0, Frame::Waiting { circuit })]);
        world.tick(120);
    }
    let told = [(ci.0, Frame::Waiting { circuit: 3 }), (ci.0, wake(3, WakeResult::Limit))];
    open(&mut world, ci, 3, &ticket_with_push(), b"m1", &told);
    assert_eq!(world.wakes.len(), 2);
}

#[test]
fn an_address_that_can_not_be_read_is_gone() {
    let mut world = world(Limits::default());
    let ci = world.connect();
    let for_another = PushKeys::fixed(1).seal(&address(&mailbox_key(2)), Some(&subscription())).1;
    let of_another_relay = PushKeys::fixed(2).seal(&address(&mailbox_key(1)), Some(&subscription())).1;
    for (circuit, push) in [(1, for_another), (2, of_another_relay), (3, vec![7; 100])] {
        let told = [(ci.0, Frame::Waiting { circuit }), (ci.0, wake(circuit, WakeResult::Gone))];
        open(&mut world, ci, circuit, &Ticket { push, ..ticket() }, b"m1", &told);
    }
    open(&mut world, ci, 4, &ticket(), b"m1", &[(ci.0, Frame::Waiting { circuit: 4 })]);
    assert!(world.wakes.is_empty());
}
