//! The numbered messages between two relays.
//!
//! NATS delivers at most once. Each direction of a link numbers its messages from 1 within an *epoch*. A message that is missing ends
//! everything that the two relays share; the relay that missed it begins a new epoch of its own, from which the other one learns that
//! it has to do the same. Nothing is sent again: ci and phone resume by themselves (docs/PROTOCOL.md §5.6).

use std::collections::BTreeMap;

use countersign_core::relay::{Mailbox, Rendezvous};

use super::super::circuit::{CircuitId, End};

/// What a circuit number of a link stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Shared {
    /// A circuit with one end at the other relay.
    Circuit(CircuitId),
    /// An OPEN of this end was given to the other relay at this time; it waits for the answer.
    Opening { mailbox: Mailbox, end: End, since: u64 },
    /// A JOIN was sent at this time.
    Joining { rendezvous: Rendezvous, since: u64 },
}

/// What this relay knows of another one.
pub(in super::super) struct Peer {
    /// When anything of it was heard last.
    pub(super) heard: u64,
    /// When a numbered message or PING of it was heard last, or sharing began.
    pub(super) linked: u64,
    pub(super) out_epoch: u64,
    pub(super) out_number: u64,
    /// The epoch of the other relay that is followed.
    in_epoch: Option<u64>,
    in_number: u64,
    pub(in super::super) shared: BTreeMap<u64, Shared>,
}

/// What a number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// Nothing was missed.
    Good,
    /// The other relay began anew: it has forgotten what was shared.
    Restarted,
    /// Something was missed.
    Lost,
    /// It came before: to be ignored.
    Old,
}

impl Peer {
    pub(super) fn new(out_epoch: u64, mono: u64) -> Self {
        Self { heard: mono, linked: mono, out_epoch, out_number: 0, in_epoch: None, in_number: 0, shared: BTreeMap::new() }
    }

    /// The epoch of the other relay that is followed; 0: none.
    pub(super) fn follows(&self) -> u64 {
        self.in_epoch.unwrap_or(0)
    }

    /// A numbered message came in.
    pub(super) fn follow(&mut self, epoch: u64, number: u64) -> Followed {
        match self.in_epoch {
            Some(known) if known == epoch && number <= self.in_number => Followed::Old,
            known => {
                let expected = if known == Some(epoch) { self.in_number.saturating_add(1) } else { 1 };
                self.went(known, epoch, number, expected)
            }
        }
    }

    /// A PING says that this was the last number.
    pub(super) fn follow_ping(&mut self, epoch: u64, last: u64) -> Followed {
        match self.in_epoch {
            Some(known) if known == epoch && last < self.in_number => Followed::Old,
            known => {
                let expected = if known == Some(epoch) { self.in_number } else { 0 };
                self.went(known, epoch, last, expected)
            }
        }
    }

    fn went(&mut self, known: Option<u64>, epoch: u64, number: u64, expected: u64) -> Followed {
        self.in_epoch = Some(epoch);
        self.in_number = number;
        match known {
            // The first that is heard: what was before is of no concern, because the other relay is told that nothing of it is known.
            None => Followed::Good,
            Some(_) if number != expected => Followed::Lost,
            Some(known) if known != epoch => Followed::Restarted,
            Some(_) => Followed::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_what_was_lost() {
        let mut peer = Peer::new(1, 0);
        assert_eq!(peer.follows(), 0);
        assert_eq!(peer.follow(7, 40), Followed::Good);
        assert_eq!(peer.follow(7, 41), Followed::Good);
        assert_eq!(peer.follow_ping(7, 41), Followed::Good);
        assert_eq!(peer.follow(7, 41), Followed::Old);
        assert_eq!(peer.follow_ping(7, 40), Followed::Old);
        assert_eq!(peer.follow(7, 43), Followed::Lost);
        assert_eq!(peer.follow(7, 44), Followed::Good);
        assert_eq!(peer.follow_ping(7, 45), Followed::Lost);
        assert_eq!(peer.follow(8, 1), Followed::Restarted);
        assert_eq!(peer.follow(9, 2), Followed::Lost);
        assert_eq!(peer.follow_ping(10, 0), Followed::Restarted);
        assert_eq!(peer.follow_ping(11, 1), Followed::Lost);
        assert_eq!(peer.follow(11, u64::MAX), Followed::Lost);
        assert_eq!(peer.follow(11, u64::MAX), Followed::Old);
        assert_eq!(peer.follows(), 11);
    }
}
