//! Random commands at three relays, random losses, deaths and returns: the tables stay consistent, and in the end everybody agrees.

use countersign_core::relay::{CloseReason, Frame, Nonce, RELAY_CIRCUIT, Role, Ticket};

use super::{
    super::super::tests::{ORIGINS, mailbox_key, prove, ticket},
    net::{At, Net},
};
use crate::limits::Limits;

const NODES: usize = 3;

struct Chaos {
    net: Net,
    conns: Vec<(At, Nonce)>,
}

impl Chaos {
    fn step(&mut self) {
        let choice = self.net.below(100);
        let node = self.net.below(NODES as u32) as usize;
        let count = u32::try_from(self.conns.len()).unwrap();
        if count == 0 || choice < 8 {
            let conn = self.net.connect(node);
            return self.conns.push(conn);
        }
        let (at, nonce) = self.conns[self.net.below(count) as usize];
        let n = 1 + u8::try_from(self.net.below(3)).unwrap();
        let circuit = self.net.below(6);
        let any = circuit | if self.net.below(2) == 0 { RELAY_CIRCUIT } else { 0 };
        match choice {
            8..20 => {
                let deny = vec![[7; 16]; usize::from(self.net.below(4) == 0)];
                self.net.send(at, &prove(&mailbox_key(n), &nonce, ORIGINS[0], &deny).frame());
            }
            20..45 => {
                let tail = vec![0; self.net.below(12_000) as usize];
                let ticket = Ticket { mailbox_public: mailbox_key(n).public(), ..ticket() };
                self.net.open((at, nonce), circuit, &ticket, &mailbox_key(n), &tail);
            }
            45..53 => {
                let role = if self.net.below(2) == 0 { Role::Laptop } else { Role::Phone };
                self.net.send(at, &Frame::Meet { circuit, role, rendezvous: [n; 16] });
            }
            53..70 => {
                let tail = vec![0; self.net.below(4_000) as usize];
                self.net.send(at, &Frame::Data { circuit: any, tail: &tail });
            }
            70..80 => self.net.send(at, &Frame::Close { circuit: any, reason: CloseReason::Done }),
            80..92 => {
                let time = 100 * (1 + u64::from(self.net.below(30)));
                self.net.run(time);
            }
            92..96 => self.net.disconnect(at),
            96 => self.net.kill(node),
            97 => self.net.down(node),
            _ => self.net.up(node),
        }
        if self.net.below(3) > 0 {
            self.net.carry();
        }
    }

    fn listen(&mut self) {
        let seen = &mut self.net.seen;
        self.conns.retain(|(at, _)| seen.get(at).is_some_and(|seen| !seen.ended));
        for seen in seen.values_mut() {
            for frame in seen.frames.drain(..) {
                Frame::parse(&frame).unwrap();
            }
        }
    }
}

#[test]
fn the_tables_stay_consistent() {
    let mut far = 0;
    for seed in 0..30 {
        let limits = Limits {
            max_circuits_per_mailbox: 3,
            max_circuits_per_connection: 5,
            max_waiting_per_mailbox: 3,
            max_messages_per_circuit: 4,
            max_rendezvous: 3,
            ..Limits::default()
        };
        let mut chaos = Chaos { net: Net::new(NODES, seed, limits), conns: Vec::new() };
        let mut state = seed;
        chaos.net.loses = Box::new(move |_, _, _| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % 100 < seed % 4
        });
        for _ in 0..400 {
            chaos.step();
            chaos.listen();
            for node in &chaos.net.nodes {
                node.switch.check_tables();
            }
            far += chaos.net.nodes.iter().map(|node| node.switch.shared_circuits()).sum::<usize>();
        }
        chaos.net.loses = Box::new(|_, _, _| false);
        for node in 0..NODES {
            chaos.net.up(node);
        }
        chaos.net.run(30_000);
        chaos.net.check();
        for (at, _) in std::mem::take(&mut chaos.conns) {
            chaos.net.disconnect(at);
        }
        chaos.net.carry();
        chaos.net.check();
        for node in &chaos.net.nodes {
            assert_eq!((node.switch.shared_circuits(), node.switch.circuits.len(), node.switch.waiting.len()), (0, 0, 0));
        }
    }
    assert!(far > 1_000, "circuits between relays came about: {far}");
}
