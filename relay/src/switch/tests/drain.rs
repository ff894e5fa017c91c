//! The switch on its way to the end, and what it counted.

use super::*;

fn shutting_down(conn: ConnId) -> (ConnId, Frame<'static>) {
    (conn, Frame::Error { code: ErrorCode::ShuttingDown })
}

#[test]
fn who_has_no_circuit_is_sent_elsewhere_at_once() {
    let (mut world, phone, (ci, _)) = joined(Limits::default());
    let idle_phone = world.phone(&mailbox_key(2));
    let waiting = world.connect();
    let away = Ticket { mailbox_public: mailbox_key(3).public(), ..ticket() };
    let bytes = away.sign(&mailbox_key(3));
    let proof = OpenProof { origin: ORIGINS[0], nonce: &waiting.1, circuit: 1, ticket: &bytes, tail: b"" };
    let frame = Frame::Open { circuit: 1, ticket: &bytes, signature: proof.sign(&sender_key(1)), tail: b"" };
    world.send(waiting.0, &frame, &[(waiting.0, Frame::Waiting { circuit: 1 })]);
    let (alone, _) = world.connect();
    world.send(alone, &Frame::Meet { circuit: 1, role: Role::Laptop, rendezvous: [3; 16] }, &[]);
    world.switch.drain();
    assert!(!world.switch.is_drained());
    world.expect(&[shutting_down(idle_phone), shutting_down(waiting.0), shutting_down(alone)]);
    world.switch.drain();
    world.expect(&[]);
    // The circuit goes on to its end, and then both of its ends are sent elsewhere, after they know how it ended.
    world.send(phone, &Frame::Data { circuit: N, tail: b"m4" }, &[(ci, Frame::Data { circuit: 5, tail: b"m4" })]);
    let ended = [(phone, close(N, CloseReason::Done)), shutting_down(phone), shutting_down(ci)];
    world.send(ci, &close(5, CloseReason::Done), &ended);
    assert!(world.switch.is_drained());
}

#[test]
fn nothing_new_begins_in_a_drain() {
    let (mut world, phone, ci) = joined(Limits::default());
    let (late, nonce) = world.connect();
    world.send(ci.0, &Frame::Meet { circuit: 6, role: Role::Laptop, rendezvous: [3; 16] }, &[]);
    world.switch.drain();
    world.expect(&[(ci.0, close(6, CloseReason::Limit)), shutting_down(late)]);
    open(&mut world, ci, 7, &ticket(), b"m1", &[(ci.0, close(7, CloseReason::Limit))]);
    let meet = Frame::Meet { circuit: 8, role: Role::Phone, rendezvous: [3; 16] };
    world.send(phone, &Frame::Meet { circuit: 1, role: Role::Phone, rendezvous: [3; 16] }, &[(phone, close(1, CloseReason::Limit))]);
    world.send(ci.0, &meet, &[(ci.0, close(8, CloseReason::Limit))]);
    world.send(late, &prove(&mailbox_key(2), &nonce, ORIGINS[0], &[]).frame(), &[]);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    world.switch.connected(ConnId(99), [10, 0, 0, 1].into(), world.now, &mut rng);
    world.expect(&[shutting_down(ConnId(99))]);
    // One end breaks off: the other one has no circuit left.
    world.switch.disconnected(ci.0);
    world.expect(&[(phone, close(N, CloseReason::PeerGone)), shutting_down(phone)]);
    assert!(world.switch.is_drained());
}

#[test]
fn a_connection_stays_until_its_last_circuit_ends() {
    let (mut world, phone, ci) = joined(Limits::default());
    let other = world.connect();
    open(&mut world, other, 1, &ticket(), b"", &[(phone, incoming(N + 1, b"")), (other.0, Frame::Opened { circuit: 1 })]);
    world.switch.drain();
    world.expect(&[]);
    world.send(phone, &close(N, CloseReason::Done), &[(ci.0, close(5, CloseReason::Done)), shutting_down(ci.0)]);
    world.send(other.0, &Frame::Data { circuit: 1, tail: b"m3" }, &[(phone, Frame::Data { circuit: N + 1, tail: b"m3" })]);
    // At the deadline nobody is waited for any more.
    world.switch.shut_down();
    let mut told = world.seen();
    told.sort();
    let error = Some(shutting_down(phone).1.encode());
    assert_eq!(told, [(phone, None), (phone, error.clone()), (other.0, None), (other.0, error)]);
    assert!(world.switch.is_drained());
}

#[test]
fn a_rendezvous_withdrawn_by_a_drain_is_free() {
    let (mut world, _, ci) = joined(Limits::default());
    world.send(ci.0, &Frame::Meet { circuit: 6, role: Role::Laptop, rendezvous: [3; 16] }, &[]);
    assert_eq!(world.switch.stats().rendezvous, 1);
    world.switch.drain();
    assert_eq!(world.switch.stats().rendezvous, 0);
    assert_eq!(count(world.switch.stats().meets_refused, "limit"), 1);
}

fn count(reasons: crate::switch::Reasons, name: &str) -> u64 {
    reasons.iter().find(|(reason, _)| *reason == name).unwrap().1
}

#[test]
fn everything_is_counted() {
    let (mut world, phone, ci) = joined(Limits::default());
    let now = world.switch.stats();
    assert_eq!((now.connections, now.mailboxes, now.circuits, now.waiting), (2, 1, 1, 0));
    assert_eq!((now.connections_total, now.circuits_total, now.opens_delivered, now.proofs_good), (2, 1, 1, 1));
    world.send(phone, &Frame::Data { circuit: N, tail: b"m2" }, &[(ci.0, Frame::Data { circuit: 5, tail: b"m2" })]);
    world.send(phone, &close(N, CloseReason::Refused), &[(ci.0, close(5, CloseReason::Refused))]);
    open(&mut world, ci, 6, &Ticket { expires: 1, ..ticket() }, b"", &[(ci.0, close(6, CloseReason::TicketRefused))]);
    world.switch.disconnected(phone);
    open(&mut world, ci, 7, &ticket(), b"m1", &[(ci.0, Frame::Waiting { circuit: 7 })]);
    assert_eq!(world.switch.stats().waiting, 1);
    world.tick(MAX_WAIT.as_secs());
    world.expect(&[(ci.0, close(7, CloseReason::Timeout))]);
    let (liar, nonce) = world.connect();
    let wrong = prove(&mailbox_key(1), &nonce, "wss://other.example.org", &[]).frame();
    world.send(liar, &wrong, &[(liar, Frame::Error { code: ErrorCode::BadProof })]);
    let then = world.switch.stats();
    assert_eq!((then.connections, then.mailboxes, then.circuits, then.waiting), (1, 0, 0, 0));
    assert_eq!((then.frames_forwarded, then.bytes_forwarded), (1, 4));
    assert_eq!((count(then.closes, "refused"), then.opens_waited, then.proofs_failed), (1, 1, 2));
    assert_eq!((count(then.opens_refused, "ticket_refused"), count(then.opens_refused, "timeout")), (1, 1));
    assert_eq!(then.errors.iter().find(|(_, count)| *count > 0), Some(("bad_proof", 1)));
}
