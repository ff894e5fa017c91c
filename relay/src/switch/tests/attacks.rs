//! Who takes too much, and clocks that jump.

use super::*;

const ATTACKER: [u8; 4] = [10, 9, 9, 9];
const OTHER: [u8; 4] = [10, 8, 8, 8];

fn waits(world: &mut World, from: [u8; 4], mailbox: u8, expected: &[(ConnId, Frame<'_>)]) -> ConnId {
    let (conn, nonce) = world.connect_from(from.into());
    let key = mailbox_key(mailbox);
    let ticket = Ticket { mailbox_public: key.public(), ..ticket() }.sign(&key);
    let proof = OpenProof { origin: ORIGINS[0], nonce: &nonce, circuit: 1, ticket: &ticket, tail: b"m1" };
    let frame = Frame::Open { circuit: 1, ticket: &ticket, signature: proof.sign(&sender_key(1)), tail: b"m1" };
    let mine: Vec<_> = expected.iter().copied().chain([(conn, Frame::Waiting { circuit: 1 })]).collect();
    world.send(conn, &frame, &mine);
    conn
}

#[test]
fn one_address_does_not_keep_the_others_from_waiting() {
    let mut world = World::new(Limits { max_waiting: 3, max_waiting_per_ip: 3, ..Limits::default() });
    let first = waits(&mut world, ATTACKER, 2, &[]);
    let second = waits(&mut world, ATTACKER, 3, &[]);
    waits(&mut world, ATTACKER, 4, &[]);
    // Whose turn it is among the attacker's is not said.
    let (honest, nonce) = world.connect();
    let signed = ticket().sign(&mailbox_key(1));
    let proof = OpenProof { origin: ORIGINS[0], nonce: &nonce, circuit: 1, ticket: &signed, tail: b"" };
    let frame = Frame::Open { circuit: 1, ticket: &signed, signature: proof.sign(&sender_key(1)), tail: b"" };
    world.switch.frame(honest, &frame.encode(), world.now);
    let seen = world.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].1, Some(close(1, CloseReason::Limit).encode()));
    assert!(seen[0].0 == first || seen[0].0 == second || seen[0].0.0 == second.0 + 1);
    assert_eq!(seen[1], (honest, Some(Frame::Waiting { circuit: 1 }.encode())));
    world.switch.check_tables();
    // With shares that are equal nobody gives way.
    let (third, nonce) = world.connect_from(OTHER.into());
    let proof = OpenProof { origin: ORIGINS[0], nonce: &nonce, circuit: 1, ticket: &signed, tail: b"" };
    let frame = Frame::Open { circuit: 1, ticket: &signed, signature: proof.sign(&sender_key(1)), tail: b"" };
    world.switch.frame(third, &frame.encode(), world.now);
    assert_eq!(world.seen().len(), 2);
    let (fourth, nonce) = world.connect_from([10, 7, 7, 7].into());
    let proof = OpenProof { origin: ORIGINS[0], nonce: &nonce, circuit: 1, ticket: &signed, tail: b"" };
    let frame = Frame::Open { circuit: 1, ticket: &signed, signature: proof.sign(&sender_key(1)), tail: b"" };
    world.send(fourth, &frame, &[(fourth, close(1, CloseReason::Limit))]);
}

#[test]
fn one_address_does_not_keep_the_others_from_pairing() {
    let mut world = World::new(Limits { max_rendezvous: 3, max_rendezvous_per_ip: 3, ..Limits::default() });
    let meet = |n: u8, role| Frame::Meet { circuit: 1, role, rendezvous: [n; 16] };
    let ends: Vec<_> = (1..4).map(|_| world.connect_from(ATTACKER.into()).0).collect();
    world.send(ends[0], &meet(1, Role::Laptop), &[]);
    world.tick(1);
    world.send(ends[1], &meet(2, Role::Laptop), &[]);
    world.send(ends[2], &meet(3, Role::Laptop), &[]);
    // The one that has waited for the longest gives way.
    let (laptop, _) = world.connect();
    world.send(laptop, &meet(9, Role::Laptop), &[(ends[0], close(1, CloseReason::Limit))]);
    let (phone, _) = world.connect_from(OTHER.into());
    world.send(phone, &meet(9, Role::Phone), &[(laptop, Frame::Met { circuit: 1 }), (phone, Frame::Met { circuit: 1 })]);
    world.switch.check_tables();
}

#[test]
fn one_address_does_not_fill_the_deny_lists() {
    let mut world = World::new(Limits { max_denied_per_ip: 3, ..Limits::default() });
    let lists = [[1; 16], [2; 16], [3; 16]];
    let phone = |world: &mut World, from: [u8; 4], key: u8, deny: usize, fails: bool| {
        let (conn, nonce) = world.connect_from(from.into());
        let key = mailbox_key(key);
        let frame = prove(&key, &nonce, ORIGINS[0], &lists[..deny]).frame();
        let answer = if fails { Frame::Error { code: ErrorCode::Limit } } else { Frame::Proved { mailbox: address(&key) } };
        world.send(conn, &frame, &[(conn, answer)]);
        (conn, nonce)
    };
    let (first, nonce) = phone(&mut world, ATTACKER, 2, 2, false);
    phone(&mut world, ATTACKER, 3, 2, true);
    phone(&mut world, OTHER, 4, 3, false);
    // A list that is replaced does not count twice, and one that is gone not at all.
    let frame = prove(&mailbox_key(2), &nonce, ORIGINS[0], &lists).frame();
    world.send(first, &frame, &[(first, Frame::Proved { mailbox: address(&mailbox_key(2)) })]);
    phone(&mut world, ATTACKER, 3, 1, true);
    world.switch.disconnected(first);
    phone(&mut world, ATTACKER, 3, 3, false);
    world.switch.check_tables();
}

#[test]
fn a_refused_ticket_does_not_make_anybody_known() {
    let mut world = World::new(Limits::default());
    let ci = world.connect();
    let forged = Ticket { mailbox_public: sender_key(1).public(), ..ticket() };
    open(&mut world, ci, 1, &forged, b"", &[(ci.0, close(1, CloseReason::TicketRefused))]);
    assert!(!world.switch.knows(ci.0));
    world.tick(10);
    world.expect(&[(ci.0, Frame::Error { code: ErrorCode::AuthTimeout })]);
    let good = world.connect();
    open(&mut world, good, 1, &ticket(), b"", &[(good.0, Frame::Waiting { circuit: 1 })]);
    assert!(world.switch.knows(good.0));
}

#[test]
fn a_place_that_is_needed_is_taken() {
    let (mut world, phone, ci) = joined(Limits::default());
    world.switch.cut(phone);
    world.expect(&[(phone, Frame::Error { code: ErrorCode::Limit }), (ci.0, close(5, CloseReason::PeerGone))]);
    world.switch.cut(phone);
    world.expect(&[]);
}

#[test]
fn the_wall_clock_leaps() {
    let (mut world, phone, ci) = joined(Limits::default());
    let (other, _) = world.connect();
    world.send(other, &Frame::Meet { circuit: 1, role: Role::Laptop, rendezvous: [1; 16] }, &[]);
    let year = 365 * 24 * 60 * 60;
    for unix in [START + 50 * year, 0, u64::MAX, START] {
        // Only the wall clock moves: no connection, wait or count ends by it.
        world.now.unix = unix;
        world.switch.tick(world.now);
        world.expect(&[]);
        world.send(ci.0, &Frame::Data { circuit: 5, tail: b"" }, &[(phone, Frame::Data { circuit: N, tail: b"" })]);
    }
    // What is dated follows it, and nothing else.
    let dated = Ticket { expires: START + 10, ..ticket() };
    world.now.unix = START + 10;
    open(&mut world, ci, 6, &dated, b"", &[(ci.0, close(6, CloseReason::TicketRefused))]);
    world.now.unix = START + 9;
    open(&mut world, ci, 6, &dated, b"", &[(phone, incoming(N + 1, b"")), (ci.0, Frame::Opened { circuit: 6 })]);
}

#[test]
fn time_stands_still_or_leaps_ahead() {
    let (mut world, phone, ci) = joined(Limits::default());
    for _ in 0..100 {
        world.tick(0);
    }
    world.expect(&[]);
    // A machine that slept for a week: everything that has a time is over, and nothing is left.
    world.now.mono += 7 * 24 * 60 * 60 * 1000;
    world.switch.tick(world.now);
    let mut seen = world.seen();
    seen.retain(|(_, frame)| *frame == Some(Frame::Error { code: ErrorCode::SessionOver }.encode()));
    seen.sort();
    assert_eq!(seen.iter().map(|(conn, _)| *conn).collect::<Vec<_>>(), [phone, ci.0]);
    assert!(world.switch.connections.is_empty());
    assert_eq!(world.switch.circuits.len(), 0);
    // Time that goes back is no time.
    world.now.mono = 0;
    let phone = world.phone(&mailbox_key(1));
    world.switch.tick(world.now);
    world.expect(&[]);
    assert!(world.switch.knows(phone));
}
