//! Random commands: whatever comes, in whatever order, the switch's tables stay consistent and nothing is left in the end.

use countersign_core::{
    keys::{CiRoot, DeviceRoot},
    relay::{CloseReason, ErrorCode, Frame, MailboxProof, Nonce, OpenProof, RELAY_CIRCUIT, RelayUrl, Role, Ticket},
    time::Now,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

use super::{ConnId, Output, Switch};
use crate::limits::Limits;

const ORIGIN: &str = "ws://localhost:7700";

/// Everything that happens comes from one generator.
struct Chaos {
    rng: ChaCha8Rng,
    switch: Switch,
    now: Now,
    next: u64,
    conns: Vec<(ConnId, Nonce)>,
}

impl Chaos {
    fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    fn pick(&mut self) -> Option<(ConnId, Nonce)> {
        let count = u32::try_from(self.conns.len()).unwrap();
        (count > 0).then(|| self.below(count)).map(|n| self.conns[n as usize])
    }

    fn circuit(&mut self) -> u32 {
        self.below(6) | if self.below(2) == 0 { RELAY_CIRCUIT } else { 0 }
    }

    fn step(&mut self) {
        let choice = self.below(100);
        let Some((conn, nonce)) = self.pick().filter(|_| choice > 5) else {
            let conn = ConnId(self.next);
            self.next += 1;
            return self.switch.connected(conn, [10, 0, 0, (self.next % 3) as u8].into(), self.now, &mut self.rng);
        };
        let key = DeviceRoot::from_slice(&[1; 32]).unwrap().derive_mailbox(&[(self.below(3)) as u8; 16]);
        let frame = match choice {
            6..15 => {
                let deny = vec![[7; 16]; self.below(2) as usize];
                let signature = MailboxProof { origin: ORIGIN, nonce: &nonce }.sign(&key);
                Frame::Prove { mailbox_public: key.public(), signature, deny: &deny }.encode()
            }
            15..40 => {
                let sender = CiRoot::from_slice(&[2; 32]).unwrap().derive_sender();
                let ticket = Ticket {
                    mailbox_public: key.public(),
                    ticket_id: [7 + (self.below(2)) as u8; 16],
                    sender: Some(sender.public()),
                    max_bytes: 20_000,
                    opens_per_hour: 60,
                    expires: 0,
                    push: Vec::new(),
                }
                .sign(&key);
                let tail = vec![0; self.below(12_000) as usize];
                let circuit = self.below(6);
                let proof = OpenProof { origin: ORIGIN, nonce: &nonce, circuit, ticket: &ticket, tail: &tail };
                Frame::Open { circuit, ticket: &ticket, signature: proof.sign(&sender), tail: &tail }.encode()
            }
            40..50 => {
                let role = if self.below(2) == 0 { Role::Laptop } else { Role::Phone };
                Frame::Meet { circuit: self.below(6), role, rendezvous: [(self.below(4)) as u8; 16] }.encode()
            }
            50..75 => {
                let tail = vec![0; self.below(6_000) as usize];
                Frame::Data { circuit: self.circuit(), tail: &tail }.encode()
            }
            75..88 => Frame::Close { circuit: self.circuit(), reason: CloseReason::Done }.encode(),
            88 => vec![(self.below(256)) as u8; self.below(60) as usize],
            89..95 => {
                let seconds = u64::from(self.below(30));
                self.now = Now { unix: self.now.unix + seconds, mono: self.now.mono + 1000 * seconds };
                return self.switch.tick(self.now);
            }
            _ => {
                self.conns.retain(|(other, _)| *other != conn);
                return self.switch.disconnected(conn);
            }
        };
        let mut frame = frame;
        // As the engine does.
        if let Some(to) = self.switch.forward(conn, &mut frame) {
            assert!(self.conns.iter().any(|(known, _)| *known == to), "data for a connection that is gone");
            return;
        }
        self.switch.frame(conn, &frame, self.now);
    }

    fn listen(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Send { conn, bytes } => {
                    match Frame::parse(&bytes).unwrap() {
                        Frame::Hello { nonce, .. } => self.conns.push((conn, nonce)),
                        // In a drain it comes instead of HELLO.
                        Frame::Error { code: ErrorCode::ShuttingDown } => continue,
                        _ => {}
                    }
                    assert!(self.conns.iter().any(|(known, _)| *known == conn), "a frame for a connection that is gone");
                }
                Output::Disconnect { conn } => self.conns.retain(|(other, _)| *other != conn),
                Output::Wake(_) => panic!("this switch has no keys to wake anybody with"),
                Output::Publish { .. } => panic!("a message to others, of whom there are none"),
            }
        }
    }
}

#[test]
fn the_tables_stay_consistent() {
    for seed in 0..20 {
        let limits = Limits {
            max_circuits_per_mailbox: 3,
            max_circuits_per_connection: 5,
            max_waiting_per_mailbox: 3,
            max_messages_per_circuit: 4,
            max_rendezvous: 3,
            ..Limits::default()
        };
        let switch = Switch::new(&[RelayUrl::parse(ORIGIN).unwrap()], limits);
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let mut chaos = Chaos { rng, switch, now: Now { unix: 1_790_000_000, mono: 0 }, next: 0, conns: Vec::new() };
        for step in 0..400 {
            // Half of the runs end in a drain.
            if step == 350 && seed % 2 == 0 {
                chaos.switch.drain();
                chaos.listen();
            }
            chaos.step();
            chaos.listen();
            chaos.switch.check_tables();
        }
        for (conn, _) in std::mem::take(&mut chaos.conns) {
            chaos.switch.disconnected(conn);
        }
        chaos.switch.check_is_empty();
    }
}
