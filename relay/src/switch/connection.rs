//! What the switch knows about one connection.

use countersign_core::relay::{Circuit, ErrorCode, Mailbox, Nonce, RELAY_CIRCUIT, Rendezvous};

use super::{circuit::CircuitId, milliseconds};
use crate::{
    limits::{Limits, MAX_INCOMING_PER_SECOND},
    network::Network,
};

/// What a circuit number of a connection stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Joined to another end.
    Joined(CircuitId),
    /// An OPEN that waits for this mailbox.
    Waiting(Mailbox),
    /// A MEET that waits for the other end.
    Meeting(Rendezvous),
}

/// The circuits of one connection; at most `max_circuits_per_connection`, so a search through all is quick.
#[derive(Default)]
pub(super) struct Slots(Vec<(Circuit, Slot)>);

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn at(&self, number: Circuit) -> Option<Slot> {
        self.0.iter().find(|(other, _)| *other == number).map(|(_, slot)| *slot)
    }

    /// Takes a number that is not in use, or gives one that is another meaning.
    pub(super) fn set(&mut self, number: Circuit, slot: Slot) {
        self.remove(number);
        self.0.push((number, slot));
    }

    pub(super) fn remove(&mut self, number: Circuit) {
        self.0.retain(|(other, _)| *other != number);
        if self.0.is_empty() {
            // An idle phone keeps no memory of busier times.
            self.0 = Vec::new();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Circuit, Slot)> {
        self.0.iter().copied()
    }
}

pub(super) struct Connection {
    pub(super) network: Network,
    pub(super) nonce: Nonce,
    /// Usually one: an idle phone is to cost little.
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) slots: Slots,
    /// Bytes of INCOMING that it may still be given in this second.
    pub(super) budget: usize,
    /// Whether it has proven a mailbox, used a good ticket or begun a rendezvous.
    pub(super) known: bool,
    since: u64,
    proofs: u32,
    next: Circuit,
}

impl Connection {
    pub(super) fn new(network: Network, nonce: Nonce, since: u64) -> Self {
        Self {
            network,
            nonce,
            budget: MAX_INCOMING_PER_SECOND,
            known: false,
            since,
            mailboxes: Vec::new(),
            slots: Slots::default(),
            proofs: 0,
            next: RELAY_CIRCUIT,
        }
    }

    /// Counts a PROVE, OPEN or MEET.
    pub(super) fn count_proof(&mut self, limits: &Limits) -> Result<(), ErrorCode> {
        if self.proofs >= limits.max_proofs_per_connection {
            return Err(ErrorCode::Limit);
        }
        self.proofs += 1;
        Ok(())
    }

    /// Checks a number chosen by the end: without the relay's bit, and not in use.
    pub(super) fn check_number(&self, number: Circuit) -> Result<(), ErrorCode> {
        if number & RELAY_CIRCUIT != 0 || self.slots.at(number).is_some() { Err(ErrorCode::Malformed) } else { Ok(()) }
    }

    /// A number for INCOMING, not in use.
    pub(super) fn next_number(&mut self) -> Circuit {
        loop {
            let number = self.next;
            self.next = self.next.wrapping_add(1) | RELAY_CIRCUIT;
            if self.slots.at(number).is_none() {
                return number;
            }
        }
    }

    /// Whether its time is up.
    pub(super) fn over(&self, limits: &Limits, mono: u64) -> Option<ErrorCode> {
        let age = mono.saturating_sub(self.since);
        if !self.known && age >= milliseconds(limits.auth_timeout) {
            return Some(ErrorCode::AuthTimeout);
        }
        (age >= milliseconds(limits.max_session)).then_some(ErrorCode::SessionOver)
    }
}
