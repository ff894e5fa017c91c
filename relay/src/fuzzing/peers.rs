//! Messages of other relays, which may be anybody's who can publish at NATS.

use countersign_core::{
    relay::{Frame, MailboxProof, Nonce, OpenProof, RelayUrl, Role, Ticket},
    time::Now,
};

use super::commands::{Counter, ORIGIN, keys};
use crate::{
    limits::{Limits, MAX_NODE_MESSAGE, MAX_NODES},
    switch::{ConnId, NodeId, Output, Switch, read_again},
};

const PHONE: ConnId = ConnId(1);
const JOB: ConnId = ConnId(2);
const LAPTOP: ConnId = ConnId(3);

struct Relay {
    switch: Switch,
    now: Now,
    nonces: Vec<(ConnId, Nonce)>,
}

impl Relay {
    /// One of a cluster, with a phone, a job whose phone is elsewhere, and a laptop that waits at a rendezvous.
    fn new() -> Self {
        let origin = RelayUrl::parse(ORIGIN).expect("a URL");
        let switch = Switch::new(&[origin], Limits::default());
        let mut relay = Self { switch, now: Now { unix: 1_790_000_000, mono: 0 }, nonces: Vec::new() };
        relay.switch.join_cluster(NodeId::from_bytes([9; 16]));
        relay.switch.nats_up(relay.now);
        let mut rng = Counter(0);
        for conn in [PHONE, JOB, LAPTOP] {
            relay.switch.connected(conn, [10, 0, 0, 1].into(), relay.now, &mut rng);
            relay.listen();
        }
        let ([own, elsewhere, _], sender) = keys();
        let nonce = |conn| relay.nonces.iter().find(|(other, _)| *other == conn).expect("HELLO was sent").1;
        let signature = MailboxProof { origin: ORIGIN, nonce: &nonce(PHONE) }.sign(own);
        let prove = Frame::Prove { mailbox_public: own.public(), signature, deny: &[] }.encode();
        let ticket = Ticket {
            mailbox_public: elsewhere.public(),
            ticket_id: [7; 16],
            sender: Some(sender.public()),
            max_bytes: 20_000,
            opens_per_hour: 60,
            expires: 0,
            push: Vec::new(),
        }
        .sign(elsewhere);
        let signature = OpenProof { origin: ORIGIN, nonce: &nonce(JOB), circuit: 1, ticket: &ticket, tail: b"m1" }.sign(sender);
        let open = Frame::Open { circuit: 1, ticket: &ticket, signature, tail: b"m1" }.encode();
        let meet = Frame::Meet { circuit: 1, role: Role::Laptop, rendezvous: [6; 16] }.encode();
        for (conn, frame) in [(PHONE, prove), (JOB, open), (LAPTOP, meet)] {
            relay.switch.frame(conn, &frame, relay.now);
        }
        relay.listen();
        relay
    }

    /// What the switch says can be read, by those it is for.
    fn listen(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Send { conn, bytes } => {
                    if let Frame::Hello { nonce, .. } = Frame::parse(&bytes).expect("the switch sends frames") {
                        self.nonces.push((conn, nonce));
                    }
                }
                Output::Publish { bytes, .. } => {
                    assert!(bytes.len() <= MAX_NODE_MESSAGE, "NATS may not take it");
                    assert_eq!(read_again(&bytes).as_ref(), Some(&bytes), "others cannot read it");
                }
                Output::Disconnect { .. } => panic!("other relays end no connection"),
                Output::Wake(_) => panic!("this switch has no keys"),
            }
        }
    }
}

/// Messages, each behind the tenths of a second that pass before it (one byte) and its length (two). One that is read is written back
/// to the same bytes; whatever they say, the tables stay consistent and what the relay answers can be read. `data` is also read as
/// one message.
pub fn peers(data: &[u8]) {
    assert!(read_again(data).is_none_or(|again| again == data), "not the same bytes");
    let mut relay = Relay::new();
    let mut rest = data;
    while let Some((&[tenths, high, low], after)) = rest.split_first_chunk() {
        let (message, after) = after.split_at(usize::from(u16::from_be_bytes([high, low])).min(after.len()));
        rest = after;
        assert!(read_again(message).is_none_or(|again| again == message), "not the same bytes");
        relay.now.mono += 100 * u64::from(tenths);
        relay.switch.cluster_tick(relay.now);
        relay.switch.peer(message, relay.now);
        relay.listen();
        relay.switch.check_tables();
        assert!(relay.switch.peers().is_some_and(|peers| peers <= MAX_NODES));
    }
    relay.switch.nats_down(relay.now);
    for conn in [PHONE, JOB, LAPTOP] {
        relay.switch.disconnected(conn);
    }
    relay.switch.check_is_empty();
}
