//! The two ends of a relay as the load plays them: phones that prove mailboxes and answer, jobs that open circuits. Real keys,
//! real tickets, real signatures.

use std::time::Duration;

use countersign_core::{
    keys::{CiRoot, DeviceRoot, SigningKey},
    relay::{Circuit, Frame, MailboxProof, Nonce, OpenProof, Ticket},
};
use mio::Events;

use super::net::{ConnId, Event, Net, Target, Wire};

/// Connections that may be on their way at a time; a listener's backlog takes them all.
const DIALING: usize = 32;
const TURN: Duration = Duration::from_millis(100);

/// The mailbox key of the phone with this number.
pub(super) fn mailbox_key(phone: usize) -> SigningKey {
    let mut pairing = [0; 16];
    pairing[..8].copy_from_slice(&(phone as u64).to_le_bytes());
    DeviceRoot::from_slice(&[1; 32]).expect("32 bytes").derive_mailbox(&pairing)
}

/// The key of every job.
pub(super) fn sender_key() -> SigningKey {
    CiRoot::from_slice(&[2; 32]).expect("32 bytes").derive_sender()
}

/// A ticket to that phone's mailbox that allows as much as a ticket can.
pub(super) fn ticket(phone: usize) -> Vec<u8> {
    let key = mailbox_key(phone);
    let ticket = Ticket {
        mailbox_public: key.public(),
        ticket_id: [3; 16],
        sender: Some(sender_key().public()),
        max_bytes: u32::MAX,
        opens_per_hour: u16::MAX,
        expires: 0,
        push: Vec::new(),
    };
    ticket.sign(&key)
}

/// An OPEN with its proof.
pub(super) fn open(target: &Target, sender: &SigningKey, nonce: &Nonce, circuit: Circuit, ticket: &[u8], tail: &[u8]) -> Vec<u8> {
    let signature = OpenProof { origin: &target.origin, nonce, circuit, ticket, tail }.sign(sender);
    Frame::Open { circuit, ticket, signature, tail }.encode()
}

/// A PROVE.
pub(super) fn prove(target: &Target, key: &SigningKey, nonce: &Nonce) -> Vec<u8> {
    let signature = MailboxProof { origin: &target.origin, nonce }.sign(key);
    Frame::Prove { mailbox_public: key.public(), signature, deny: &[] }.encode()
}

/// What is in a message of our relay.
///
/// # Panics
/// If it is no frame, or an ERROR.
pub(super) fn frame(bytes: &[u8]) -> Frame<'_> {
    match Frame::parse(bytes).expect("the relay sends frames") {
        Frame::Error { code } => panic!("the relay ends a connection of the load: {code:?}"),
        frame => frame,
    }
}

/// Phones that have proven their mailboxes and stay.
pub(super) struct Phones {
    target: Target,
    /// Which phone is at which connection.
    numbers: Vec<Option<usize>>,
    dialed: usize,
    proven: usize,
}

impl Phones {
    pub(super) fn new(target: &Target) -> Self {
        Self { target: target.clone(), numbers: Vec::new(), dialed: 0, proven: 0 }
    }

    /// Connects more phones until there are `count`, all of them proven.
    pub(super) fn grow(&mut self, net: &mut Net, events: &mut Events, count: usize) {
        while self.proven < count {
            while self.dialed < count && self.dialed - self.proven < DIALING {
                let id = net.connect(&self.target, Wire::Client, &[]);
                if self.numbers.len() <= id {
                    self.numbers.resize(id + 1, None);
                }
                self.numbers[id] = Some(self.dialed);
                self.dialed += 1;
            }
            net.turn(TURN, events, &mut |net, id, event| {
                self.handle(net, id, event);
            });
        }
    }

    /// Takes an event of a phone's connection; gives back what concerns a circuit. `None` also if the connection is no phone's.
    pub(super) fn handle<'a>(&mut self, net: &mut Net, id: ConnId, event: Event<'a>) -> Option<Frame<'a>> {
        let phone = (*self.numbers.get(id)?)?;
        match event {
            Event::Up => None,
            Event::Down => panic!("the server closed the connection of phone {phone}"),
            Event::Message(bytes) => match frame(bytes) {
                Frame::Hello { nonce, .. } => {
                    net.send(id, &prove(&self.target, &mailbox_key(phone), &nonce));
                    None
                }
                Frame::Proved { .. } => {
                    self.proven += 1;
                    None
                }
                frame => Some(frame),
            },
        }
    }

    /// Whether this connection is a phone's.
    pub(super) fn has(&self, id: ConnId) -> bool {
        self.numbers.get(id).copied().flatten().is_some()
    }
}
