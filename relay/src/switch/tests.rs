//! The switch in virtual time.

mod attacks;
mod drain;

use std::net::IpAddr;

use countersign_core::{
    keys::{CiRoot, DeviceRoot, SigningKey},
    relay::{Circuit, CloseReason, ErrorCode, Frame, Mailbox, MailboxProof, Nonce, OpenProof, RelayUrl, Role, Ticket, mailbox_address},
    time::Now,
};
use rand_chacha::rand_core::SeedableRng as _;

use super::{ConnId, Output, Switch, Wake};
use crate::limits::{Limits, MAX_WAIT};

pub(super) const ORIGINS: [&str; 2] = ["wss://relay.example.org", "ws://localhost:7700"];
pub(super) const START: u64 = 1_790_000_000;

pub(super) struct World {
    pub(super) switch: Switch,
    pub(super) wakes: Vec<Wake>,
    /// What was passed on without an output.
    passed: Vec<Seen>,
    now: Now,
    next: u64,
}

/// What one end sees: frames as bytes, `None` for a disconnect.
type Seen = (ConnId, Option<Vec<u8>>);

impl World {
    pub(super) fn new(limits: Limits) -> Self {
        let origins = ORIGINS.map(|url| RelayUrl::parse(url).unwrap());
        Self { switch: Switch::new(&origins, limits), wakes: Vec::new(), passed: Vec::new(), now: Now { unix: START, mono: 0 }, next: 0 }
    }

    pub(super) fn connect(&mut self) -> (ConnId, Nonce) {
        self.connect_from([10, 0, 0, 1].into())
    }

    fn connect_from(&mut self, ip: IpAddr) -> (ConnId, Nonce) {
        let conn = ConnId(self.next);
        self.next += 1;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(conn.0);
        self.switch.connected(conn, ip, self.now, &mut rng);
        let seen = self.seen();
        let [(to, Some(bytes))] = seen.as_slice() else { panic!("{seen:?}") };
        let Frame::Hello { version: 1, nonce, time: START.. } = Frame::parse(bytes).unwrap() else { panic!() };
        assert_eq!(*to, conn);
        (conn, nonce)
    }

    fn seen(&mut self) -> Vec<Seen> {
        let mut seen = std::mem::take(&mut self.passed);
        let outputs = std::iter::from_fn(|| self.switch.poll_output());
        seen.extend(outputs.filter_map(|output| match output {
            Output::Send { conn, bytes } => Some((conn, Some(bytes))),
            Output::Disconnect { conn } => Some((conn, None)),
            Output::Wake(wake) => {
                self.wakes.push(*wake);
                None
            }
            Output::Publish { .. } => panic!("a message to others, of whom there are none"),
        }));
        seen
    }

    #[track_caller]
    pub(super) fn send(&mut self, conn: ConnId, frame: &Frame<'_>, expected: &[(ConnId, Frame<'_>)]) {
        // As the engine does.
        let mut bytes = frame.encode();
        match self.switch.forward(conn, &mut bytes) {
            Some(to) => self.passed.push((to, Some(bytes))),
            None => self.switch.frame(conn, &bytes, self.now),
        }
        self.expect(expected);
    }

    #[track_caller]
    pub(super) fn expect(&mut self, expected: &[(ConnId, Frame<'_>)]) {
        let seen = self.seen();
        let mut frames = Vec::new();
        let mut ended = Vec::new();
        for (conn, bytes) in &seen {
            match bytes {
                Some(bytes) => frames.push((*conn, Frame::parse(bytes).unwrap())),
                None => ended.push(*conn),
            }
        }
        assert_eq!(frames, expected);
        let failed: Vec<_> = expected.iter().filter(|(_, frame)| matches!(frame, Frame::Error { .. })).map(|(conn, _)| *conn).collect();
        assert_eq!(ended, failed, "an ERROR ends the connection, and nothing else does");
    }

    pub(super) fn tick(&mut self, seconds: u64) {
        self.now.unix += seconds;
        self.now.mono += seconds * 1000;
        self.switch.tick(self.now);
    }

    /// A phone that proved the mailbox of `key`.
    #[track_caller]
    pub(super) fn phone(&mut self, key: &SigningKey) -> ConnId {
        let (conn, nonce) = self.connect();
        self.send(conn, &prove(key, &nonce, ORIGINS[1], &[]).frame(), &[(conn, Frame::Proved { mailbox: address(key) })]);
        conn
    }
}

pub(super) struct Prove<'a>(Frame<'a>);

impl<'a> Prove<'a> {
    pub(super) fn frame(&self) -> Frame<'a> {
        self.0
    }
}

pub(super) fn prove<'a>(key: &SigningKey, nonce: &Nonce, origin: &str, deny: &'a [[u8; 16]]) -> Prove<'a> {
    let signature = MailboxProof { origin, nonce }.sign(key);
    Prove(Frame::Prove { mailbox_public: key.public(), signature, deny })
}

pub(super) fn mailbox_key(n: u8) -> SigningKey {
    DeviceRoot::from_slice(&[n; 32]).unwrap().derive_mailbox(&[n; 16])
}

pub(super) fn sender_key(n: u8) -> SigningKey {
    CiRoot::from_slice(&[n; 32]).unwrap().derive_sender()
}

pub(super) fn address(key: &SigningKey) -> Mailbox {
    mailbox_address(&key.public())
}

pub(super) fn ticket() -> Ticket {
    Ticket {
        mailbox_public: mailbox_key(1).public(),
        ticket_id: [7; 16],
        sender: Some(sender_key(1).public()),
        max_bytes: 65_536,
        opens_per_hour: 120,
        expires: 0,
        push: Vec::new(),
    }
}

/// Sends an OPEN signed by sender 1.
#[track_caller]
pub(super) fn open(
    world: &mut World,
    (conn, nonce): (ConnId, Nonce),
    circuit: Circuit,
    ticket: &Ticket,
    tail: &[u8],
    expected: &[(ConnId, Frame<'_>)],
) {
    let ticket = ticket.sign(&mailbox_key(1));
    let proof = OpenProof { origin: ORIGINS[0], nonce: &nonce, circuit, ticket: &ticket, tail };
    let signature = proof.sign(&sender_key(1));
    world.send(conn, &Frame::Open { circuit, ticket: &ticket, signature, tail }, expected);
}

const N: Circuit = 0x8000_0000;

pub(super) fn incoming(circuit: Circuit, tail: &[u8]) -> Frame<'_> {
    Frame::Incoming { circuit, mailbox: address(&mailbox_key(1)), ticket_id: [7; 16], tail }
}

pub(super) fn close(circuit: Circuit, reason: CloseReason) -> Frame<'static> {
    Frame::Close { circuit, reason }
}

/// A phone and a ci with a circuit between them.
fn joined(limits: Limits) -> (World, ConnId, (ConnId, Nonce)) {
    let mut world = World::new(limits);
    let phone = world.phone(&mailbox_key(1));
    let ci = world.connect();
    open(&mut world, ci, 5, &ticket(), b"m1", &[(phone, incoming(N, b"m1")), (ci.0, Frame::Opened { circuit: 5 })]);
    (world, phone, ci)
}

#[test]
fn messages_go_both_ways_until_one_end_closes() {
    let (mut world, phone, (ci, _)) = joined(Limits::default());
    world.send(phone, &Frame::Data { circuit: N, tail: b"m2" }, &[(ci, Frame::Data { circuit: 5, tail: b"m2" })]);
    world.send(ci, &Frame::Data { circuit: 5, tail: b"m3" }, &[(phone, Frame::Data { circuit: N, tail: b"m3" })]);
    world.send(phone, &close(N, CloseReason::Refused), &[(ci, close(5, CloseReason::Refused))]);
    world.send(ci, &Frame::Data { circuit: 5, tail: b"late" }, &[]);
    world.send(ci, &close(5, CloseReason::Done), &[]);
    assert!(world.switch.connections.values().all(|connection| connection.slots.is_empty()));
}

#[test]
fn an_open_waits_for_the_phone() {
    let mut world = World::new(Limits::default());
    let ci = world.connect();
    open(&mut world, ci, 1, &ticket(), b"m1", &[(ci.0, Frame::Waiting { circuit: 1 })]);
    let (phone, nonce) = world.connect();
    let frame = prove(&mailbox_key(1), &nonce, ORIGINS[0], &[]).frame();
    let proved = Frame::Proved { mailbox: address(&mailbox_key(1)) };
    world.send(phone, &frame, &[(phone, proved), (phone, incoming(N, b"m1")), (ci.0, Frame::Opened { circuit: 1 })]);
    // Denied, expired or withdrawn meanwhile: not delivered.
    world.switch.disconnected(phone);
    world.expect(&[(ci.0, close(1, CloseReason::PeerGone))]);
    let short = Ticket { expires: START + 10, ..ticket() };
    open(&mut world, ci, 2, &ticket(), b"m1", &[(ci.0, Frame::Waiting { circuit: 2 })]);
    open(&mut world, ci, 3, &Ticket { ticket_id: [8; 16], ..short }, b"m1", &[(ci.0, Frame::Waiting { circuit: 3 })]);
    open(&mut world, ci, 4, &ticket(), b"m1", &[(ci.0, Frame::Waiting { circuit: 4 })]);
    world.send(ci.0, &close(4, CloseReason::Done), &[]);
    world.tick(10);
    world.expect(&[]);
    let (phone, nonce) = world.connect();
    let frame = prove(&mailbox_key(1), &nonce, ORIGINS[0], &[[7; 16]]).frame();
    let refused = |circuit| (ci.0, close(circuit, CloseReason::TicketRefused));
    world.send(phone, &frame, &[(phone, proved), refused(2), refused(3)]);
}

#[test]
fn a_wait_ends() {
    let mut world = World::new(Limits { max_waiting_per_mailbox: 2, ..Limits::default() });
    let ci = world.connect();
    open(&mut world, ci, 1, &ticket(), b"m1", &[(ci.0, Frame::Waiting { circuit: 1 })]);
    open(&mut world, ci, 2, &ticket(), b"m1", &[(ci.0, Frame::Waiting { circuit: 2 })]);
    open(&mut world, ci, 3, &ticket(), b"m1", &[(ci.0, close(3, CloseReason::Limit))]);
    world.tick(MAX_WAIT.as_secs() - 1);
    world.expect(&[]);
    world.tick(1);
    world.expect(&[(ci.0, close(1, CloseReason::Timeout)), (ci.0, close(2, CloseReason::Timeout))]);
    open(&mut world, ci, 4, &ticket(), b"m1", &[(ci.0, Frame::Waiting { circuit: 4 })]);
    world.switch.disconnected(ci.0);
    world.expect(&[]);
    assert_eq!(world.switch.waiting.mailboxes().count(), 0);
}

#[test]
fn tickets_and_signatures_are_checked() {
    let (mut world, phone, ci) = joined(Limits::default());
    let refused = |circuit| [(ci.0, close(circuit, CloseReason::TicketRefused))];
    open(&mut world, ci, 6, &Ticket { expires: START, ..ticket() }, b"", &refused(6));
    open(&mut world, ci, 6, &Ticket { sender: Some(sender_key(2).public()), ..ticket() }, b"", &refused(6));
    open(&mut world, ci, 6, &Ticket { mailbox_public: mailbox_key(2).public(), ..ticket() }, b"", &refused(6));
    // A signature made for another connection.
    let (other, other_nonce) = world.connect();
    open(&mut world, (ci.0, other_nonce), 6, &ticket(), b"", &refused(6));
    assert_ne!(other, ci.0);
    // Keyless: the signature must be zeros.
    let keyless = Ticket { sender: None, ..ticket() };
    open(&mut world, ci, 6, &keyless, b"", &refused(6));
    let bytes = keyless.sign(&mailbox_key(1));
    let frame = Frame::Open { circuit: 6, ticket: &bytes, signature: [0; 64], tail: b"k" };
    world.send(ci.0, &frame, &[(phone, incoming(N + 1, b"k")), (ci.0, Frame::Opened { circuit: 6 })]);
}

#[test]
fn a_wrong_mailbox_proof_ends_the_connection() {
    let mut world = World::new(Limits::default());
    for (origin, with_nonce) in [("wss://other.example.org", true), (ORIGINS[0], false)] {
        let (conn, nonce) = world.connect();
        let nonce = if with_nonce { nonce } else { [0; 32] };
        let expected = [(conn, Frame::Error { code: ErrorCode::BadProof })];
        world.send(conn, &prove(&mailbox_key(1), &nonce, origin, &[]).frame(), &expected);
        world.send(conn, &Frame::Data { circuit: 1, tail: b"after the end" }, &[]);
    }
    assert!(world.switch.connections.is_empty() && world.switch.homes.is_empty());
}

#[test]
fn the_newest_connection_has_the_mailbox() {
    let (mut world, old, (ci, ci_nonce)) = joined(Limits::default());
    let mailbox = address(&mailbox_key(1));
    let (new, nonce) = world.connect();
    let gone = CloseReason::PeerGone;
    world.send(
        new,
        &prove(&mailbox_key(1), &nonce, ORIGINS[0], &[]).frame(),
        &[(ci, close(5, gone)), (old, close(N, gone)), (old, Frame::Evicted { mailbox }), (new, Frame::Proved { mailbox })],
    );
    // The old one's end does not take the mailbox away from the new one.
    world.switch.disconnected(old);
    open(&mut world, (ci, ci_nonce), 6, &ticket(), b"", &[(new, incoming(N, b"")), (ci, Frame::Opened { circuit: 6 })]);
}

#[test]
fn a_denied_ticket_loses_its_circuits() {
    let mut world = World::new(Limits::default());
    let (phone, nonce) = world.connect();
    let proved = (phone, Frame::Proved { mailbox: address(&mailbox_key(1)) });
    world.send(phone, &prove(&mailbox_key(1), &nonce, ORIGINS[0], &[[9; 16]]).frame(), &[proved]);
    let ci = world.connect();
    open(&mut world, ci, 1, &ticket(), b"", &[(phone, incoming(N, b"")), (ci.0, Frame::Opened { circuit: 1 })]);
    let refused = CloseReason::TicketRefused;
    let frame = prove(&mailbox_key(1), &nonce, ORIGINS[0], &[[7; 16]]).frame();
    // Which end is told first is of no meaning; the table of circuits says ci.
    world.send(phone, &frame, &[(ci.0, close(1, refused)), (phone, close(N, refused)), proved]);
    open(&mut world, ci, 2, &ticket(), b"", &[(ci.0, close(2, refused))]);
    world.send(phone, &prove(&mailbox_key(1), &nonce, ORIGINS[0], &[]).frame(), &[proved]);
    open(&mut world, ci, 3, &ticket(), b"", &[(phone, incoming(N + 1, b"")), (ci.0, Frame::Opened { circuit: 3 })]);
}

#[test]
fn a_circuit_has_limits() {
    let (mut world, phone, (ci, _)) = joined(Limits { max_messages_per_circuit: 2, ..Limits::default() });
    world.send(phone, &Frame::Data { circuit: N, tail: b"m2" }, &[(ci, Frame::Data { circuit: 5, tail: b"m2" })]);
    let over = [(ci, close(5, CloseReason::Limit)), (phone, close(N, CloseReason::Limit))];
    world.send(ci, &Frame::Data { circuit: 5, tail: b"m3" }, &over);

    let (mut world, phone, ci) = joined(Limits::default());
    let small = Ticket { max_bytes: 6, ..ticket() };
    open(&mut world, ci, 6, &small, b"1234567", &[(ci.0, close(6, CloseReason::Limit))]);
    open(&mut world, ci, 6, &small, b"123", &[(phone, incoming(N + 1, b"123")), (ci.0, Frame::Opened { circuit: 6 })]);
    world.send(phone, &Frame::Data { circuit: N + 1, tail: b"456" }, &[(ci.0, Frame::Data { circuit: 6, tail: b"456" })]);
    let over = [(ci.0, close(6, CloseReason::Limit)), (phone, close(N + 1, CloseReason::Limit))];
    world.send(phone, &Frame::Data { circuit: N + 1, tail: b"7" }, &over);
}

#[test]
fn mailboxes_connections_and_tickets_have_limits() {
    let (mut world, phone, ci) = joined(Limits { max_circuits_per_mailbox: 2, max_circuits_per_connection: 3, ..Limits::default() });
    open(&mut world, ci, 6, &ticket(), b"", &[(phone, incoming(N + 1, b"")), (ci.0, Frame::Opened { circuit: 6 })]);
    open(&mut world, ci, 7, &ticket(), b"", &[(ci.0, close(7, CloseReason::Limit))]);
    world.send(ci.0, &close(6, CloseReason::Done), &[(phone, close(N + 1, CloseReason::Done))]);
    let once = Ticket { ticket_id: [8; 16], opens_per_hour: 1, ..ticket() };
    let seen = Frame::Incoming { circuit: N + 2, mailbox: address(&mailbox_key(1)), ticket_id: [8; 16], tail: b"" };
    open(&mut world, ci, 8, &once, b"", &[(phone, seen), (ci.0, Frame::Opened { circuit: 8 })]);
    world.send(phone, &close(N + 2, CloseReason::Done), &[(ci.0, close(8, CloseReason::Done))]);
    open(&mut world, ci, 9, &once, b"", &[(ci.0, close(9, CloseReason::Limit))]);

    let mut world = World::new(Limits { max_proofs_per_connection: 2, max_mailboxes_per_connection: 1, ..Limits::default() });
    let limit = |conn| [(conn, Frame::Error { code: ErrorCode::Limit })];
    let (conn, nonce) = world.connect();
    for n in 1..=2 {
        let proved = [(conn, Frame::Proved { mailbox: address(&mailbox_key(1)) })];
        let expected = if n == 1 { &proved[..] } else { &limit(conn)[..] };
        world.send(conn, &prove(&mailbox_key(n), &nonce, ORIGINS[0], &[]).frame(), expected);
    }
    let ci = world.connect();
    open(&mut world, ci, 1, &ticket(), b"", &[(ci.0, Frame::Waiting { circuit: 1 })]);
    open(&mut world, ci, 2, &ticket(), b"", &[(ci.0, Frame::Waiting { circuit: 2 })]);
    open(&mut world, ci, 3, &ticket(), b"", &limit(ci.0));
}

#[test]
fn a_phone_that_comes_back_is_given_a_little_at_a_time() {
    let mut world = World::new(Limits::default());
    let ci = world.connect();
    let tail = [1; 12_000];
    for circuit in 1..=5 {
        open(&mut world, ci, circuit, &ticket(), &tail, &[(ci.0, Frame::Waiting { circuit })]);
    }
    let (phone, nonce) = world.connect();
    let opened = |circuit| (ci.0, Frame::Opened { circuit });
    world.send(
        phone,
        &prove(&mailbox_key(1), &nonce, ORIGINS[0], &[]).frame(),
        &[
            (phone, Frame::Proved { mailbox: address(&mailbox_key(1)) }),
            (phone, incoming(N, &tail)),
            opened(1),
            (phone, incoming(N + 1, &tail)),
            opened(2),
        ],
    );
    open(&mut world, ci, 6, &ticket(), &tail, &[(ci.0, Frame::Waiting { circuit: 6 })]);
    world.tick(1);
    world.expect(&[(phone, incoming(N + 2, &tail)), opened(3), (phone, incoming(N + 3, &tail)), opened(4)]);
    world.tick(1);
    world.expect(&[(phone, incoming(N + 4, &tail)), opened(5), (phone, incoming(N + 5, &tail)), opened(6)]);
}

#[test]
fn strangers_meet_once() {
    let mut world = World::new(Limits { max_rendezvous_per_ip: 1, ..Limits::default() });
    let ((laptop, _), (phone, _), (third, _)) = (world.connect(), world.connect(), world.connect());
    let meet = |circuit, role| Frame::Meet { circuit, role, rendezvous: [3; 16] };
    world.send(laptop, &meet(1, Role::Laptop), &[]);
    world.send(third, &meet(1, Role::Laptop), &[(third, close(1, CloseReason::RendezvousTaken))]);
    let elsewhere = Frame::Meet { circuit: 1, role: Role::Laptop, rendezvous: [4; 16] };
    world.send(third, &elsewhere, &[(third, close(1, CloseReason::Limit))]);
    let met = [(laptop, Frame::Met { circuit: 1 }), (phone, Frame::Met { circuit: 2 })];
    world.send(phone, &meet(2, Role::Phone), &met);
    world.send(phone, &Frame::Data { circuit: 2, tail: b"p1" }, &[(laptop, Frame::Data { circuit: 1, tail: b"p1" })]);
    world.send(third, &meet(1, Role::Phone), &[(third, close(1, CloseReason::RendezvousTaken))]);
    world.switch.disconnected(phone);
    world.expect(&[(laptop, close(1, CloseReason::PeerGone))]);
    world.send(laptop, &meet(3, Role::Laptop), &[(laptop, close(3, CloseReason::RendezvousTaken))]);
    world.tick(300);
    // Being refused is not enough to stay.
    world.expect(&[(third, Frame::Error { code: ErrorCode::AuthTimeout })]);
    let (third, _) = world.connect();
    world.send(third, &elsewhere, &[]);
    world.tick(300);
    world.expect(&[(third, close(1, CloseReason::Timeout))]);
    world.send(third, &elsewhere, &[]);
    world.switch.disconnected(third);
    world.send(laptop, &meet(4, Role::Laptop), &[]);
}

#[test]
fn what_the_protocol_does_not_allow_ends_the_connection() {
    let mailbox = address(&mailbox_key(1));
    let rendezvous = [3; 16];
    let frames = [
        vec![],
        vec![0x99],
        vec![0x30, 0],
        Frame::Hello { version: 1, nonce: [0; 32], time: 0 }.encode(),
        Frame::Proved { mailbox }.encode(),
        incoming(N, b"x").encode(),
        Frame::Opened { circuit: 1 }.encode(),
        Frame::Error { code: ErrorCode::Limit }.encode(),
        Frame::Meet { circuit: N, role: Role::Phone, rendezvous }.encode(),
    ];
    let mut world = World::new(Limits::default());
    for frame in frames {
        let (conn, _) = world.connect();
        world.switch.frame(conn, &frame, world.now);
        world.expect(&[(conn, Frame::Error { code: ErrorCode::Malformed })]);
    }
    // A number that is in use, and data before anybody is there.
    for second in [Frame::Meet { circuit: 1, role: Role::Phone, rendezvous: [4; 16] }, Frame::Data { circuit: 1, tail: b"x" }] {
        let (conn, _) = world.connect();
        world.send(conn, &Frame::Meet { circuit: 1, role: Role::Phone, rendezvous }, &[]);
        world.send(conn, &second, &[(conn, Frame::Error { code: ErrorCode::Malformed })]);
    }
    let (conn, _) = world.connect();
    world.switch.not_a_frame(conn);
    world.expect(&[(conn, Frame::Error { code: ErrorCode::Malformed })]);
}

#[test]
fn connections_have_their_time() {
    let mut world = World::new(Limits::default());
    let (idle, _) = world.connect();
    let phone = world.phone(&mailbox_key(1));
    world.tick(9);
    world.expect(&[]);
    world.tick(1);
    world.expect(&[(idle, Frame::Error { code: ErrorCode::AuthTimeout })]);
    let ci = world.connect();
    open(&mut world, ci, 1, &ticket(), b"", &[(phone, incoming(N, b"")), (ci.0, Frame::Opened { circuit: 1 })]);
    world.tick(24 * 60 * 60 - 10);
    world.expect(&[(phone, Frame::Error { code: ErrorCode::SessionOver }), (ci.0, close(1, CloseReason::PeerGone))]);
}

#[test]
fn a_shutdown_is_told_to_everybody() {
    let (mut world, phone, (ci, _)) = joined(Limits::default());
    world.switch.shut_down();
    let mut ended: Vec<_> = world.seen();
    ended.sort();
    let error = Some(Frame::Error { code: ErrorCode::ShuttingDown }.encode());
    assert_eq!(ended, [(phone, None), (phone, error.clone()), (ci, None), (ci, error.clone())]);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    world.switch.connected(ConnId(99), [10, 0, 0, 1].into(), world.now, &mut rng);
    assert_eq!(world.seen(), [(ConnId(99), error), (ConnId(99), None)]);
}

#[test]
fn nothing_is_left_of_who_is_gone() {
    let (mut world, phone, ci) = joined(Limits::default());
    open(
        &mut world,
        ci,
        6,
        &Ticket { max_bytes: 9, ..ticket() },
        b"",
        &[(phone, incoming(N + 1, b"")), (ci.0, Frame::Opened { circuit: 6 })],
    );
    world.send(ci.0, &Frame::Meet { circuit: 7, role: Role::Laptop, rendezvous: [1; 16] }, &[]);
    world.switch.disconnected(ci.0);
    let mut closed = world.seen();
    closed.sort();
    let gone = |circuit| (phone, Some(close(circuit, CloseReason::PeerGone).encode()));
    assert_eq!(closed, [gone(N), gone(N + 1)]);
    world.switch.disconnected(phone);
    assert!(world.seen().is_empty());
    assert!(world.switch.connections.is_empty() && world.switch.homes.is_empty());
    assert_eq!(world.switch.circuits.len(), 0);
    assert_eq!(world.switch.denied.total(), 0);
}
