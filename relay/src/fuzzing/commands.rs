//! The switch under random commands.

use std::{collections::HashMap, sync::OnceLock};

use countersign_core::{
    keys::{CiRoot, DeviceRoot, SigningKey},
    relay::{CloseReason, Frame, MailboxProof, Nonce, OpenProof, RELAY_CIRCUIT, RelayUrl, Role, Ticket},
    time::Now,
};
use rand_core::{CryptoRng, RngCore, impls};

use crate::{
    limits::Limits,
    switch::{ConnId, Output, Switch},
};

pub(super) const ORIGIN: &str = "ws://localhost:7700";
const CONNECTIONS: usize = 8;

/// Nonces that differ; nobody here guesses them.
pub(super) struct Counter(pub(super) u64);

impl RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        impls::fill_bytes_via_next(self, bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Counter {}

/// Three mailboxes and the sender of all.
pub(super) fn keys() -> &'static ([SigningKey; 3], SigningKey) {
    static KEYS: OnceLock<([SigningKey; 3], SigningKey)> = OnceLock::new();
    KEYS.get_or_init(|| {
        let device = DeviceRoot::from_slice(&[1; 32]).expect("32 bytes");
        ([0, 1, 2].map(|n| device.derive_mailbox(&[n; 16])), CiRoot::from_slice(&[2; 32]).expect("32 bytes").derive_sender())
    })
}

/// Commands are four bytes each.
struct Command([u8; 4]);

struct Play {
    switch: Switch,
    now: Now,
    rng: Counter,
    next: u64,
    /// Those that are connected, with their nonces.
    conns: HashMap<ConnId, Nonce>,
}

impl Play {
    fn run(&mut self, Command([kind, who, a, b]): Command) {
        let mut all: Vec<_> = self.conns.iter().map(|(conn, nonce)| (*conn, *nonce)).collect();
        all.sort_unstable();
        let someone = all.get(usize::from(who) % CONNECTIONS).copied();
        let Some((conn, nonce)) = someone else {
            self.next += 1;
            return self.switch.connected(ConnId(self.next), [10, 0, 0, who % 3].into(), self.now, &mut self.rng);
        };
        let (mailboxes, sender) = keys();
        let Some(key) = mailboxes.get(usize::from(a) % 3) else { return };
        let number = u32::from(b % 6) | if b & 0x80 == 0 { 0 } else { RELAY_CIRCUIT };
        let frame = match kind % 12 {
            0 => {
                let deny = vec![[b % 3; 16]; usize::from(b % 3)];
                let signature = MailboxProof { origin: ORIGIN, nonce: &nonce }.sign(key);
                Frame::Prove { mailbox_public: key.public(), signature, deny: &deny }.encode()
            }
            1..=3 => {
                let ticket = Ticket {
                    mailbox_public: key.public(),
                    ticket_id: [b >> 4 & 3; 16],
                    sender: (b & 0x40 == 0).then(|| sender.public()),
                    max_bytes: 20_000,
                    opens_per_hour: 60,
                    expires: if b & 0x20 == 0 { 0 } else { self.now.unix + 5 },
                    push: Vec::new(),
                };
                let signed = ticket.sign(key);
                let tail = vec![0; usize::from(a) * 64];
                let proof = OpenProof { origin: ORIGIN, nonce: &nonce, circuit: number, ticket: &signed, tail: &tail };
                let signature = if ticket.sender.is_some() { proof.sign(sender) } else { [0; 64] };
                Frame::Open { circuit: number, ticket: &signed, signature, tail: &tail }.encode()
            }
            4 => {
                let role = if a & 0x80 == 0 { Role::Laptop } else { Role::Phone };
                Frame::Meet { circuit: number, role, rendezvous: [a % 4; 16] }.encode()
            }
            5 | 6 => Frame::Data { circuit: number, tail: &vec![0; usize::from(a) * 32] }.encode(),
            7 => Frame::Close { circuit: number, reason: CloseReason::from(a) }.encode(),
            8 => vec![a, b, who, kind],
            9 => {
                let seconds = u64::from(a);
                // The wall clock goes where it likes.
                let unix = if b & 1 == 0 { self.now.unix + seconds } else { self.now.unix.saturating_sub(seconds * 1000) };
                self.now = Now { unix, mono: self.now.mono + 1000 * seconds };
                return self.switch.tick(self.now);
            }
            10 => return self.switch.cut(conn),
            _ => {
                self.conns.remove(&conn);
                return self.switch.disconnected(conn);
            }
        };
        let mut frame = frame;
        // As the engine does.
        if let Some(to) = self.switch.forward(conn, &mut frame) {
            assert!(self.conns.contains_key(&to), "data for a connection that is gone");
            return;
        }
        self.switch.frame(conn, &frame, self.now);
    }

    fn listen(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Send { conn, bytes } => {
                    match Frame::parse(&bytes).expect("the switch sends frames") {
                        Frame::Hello { nonce, .. } => drop(self.conns.insert(conn, nonce)),
                        Frame::Prove { .. } | Frame::Open { .. } | Frame::Meet { .. } => panic!("a frame that only ends send"),
                        _ => {}
                    }
                    assert!(self.conns.contains_key(&conn), "a frame for a connection that is gone");
                }
                Output::Disconnect { conn } => drop(self.conns.remove(&conn).expect("a connection that is there")),
                Output::Wake(_) | Output::Publish { .. } => panic!("this switch has neither keys nor other relays"),
            }
        }
        self.switch.check_tables();
    }
}

/// The tables stay consistent and within their limits whatever comes, nobody who is gone is sent anything, and in the end nothing
/// is left.
pub fn switch(data: &[u8]) {
    let limits = Limits {
        max_circuits_per_mailbox: 3,
        max_circuits_per_connection: 5,
        max_waiting_per_mailbox: 3,
        max_waiting: 4,
        max_messages_per_circuit: 4,
        max_rendezvous: 3,
        max_denied: 6,
        max_denied_per_ip: 4,
        max_mailboxes_per_connection: 2,
        ..Limits::default()
    };
    let origin = RelayUrl::parse(ORIGIN).expect("a URL");
    let switch = Switch::new(&[origin], limits);
    let mut play = Play { switch, now: Now { unix: 1_790_000_000, mono: 0 }, rng: Counter(0), next: 0, conns: HashMap::new() };
    for command in data.as_chunks::<4>().0 {
        play.run(Command(*command));
        play.listen();
    }
    for conn in std::mem::take(&mut play.conns).into_keys() {
        play.switch.disconnected(conn);
    }
    play.switch.check_is_empty();
}
