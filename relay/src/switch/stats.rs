//! What the switch has counted. Plain numbers: the switch alone changes them, the shell reads a copy.

use countersign_core::relay::{CloseReason, ErrorCode, WakeResult};

use super::Switch;

/// Counts since the start, and how much there is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections the switch knows now.
    pub connections: u64,
    /// Mailboxes that are proven now.
    pub mailboxes: u64,
    /// Circuits that are joined now.
    pub circuits: u64,
    /// OPENs that wait for their phone now.
    pub waiting: u64,
    /// Rendezvous in use or burnt now.
    pub rendezvous: u64,
    /// Connections that were given HELLO.
    pub connections_total: u64,
    /// Circuits that were joined.
    pub circuits_total: u64,
    /// OPENs that were delivered to a phone, at once or after a wait.
    pub opens_delivered: u64,
    /// OPENs that had to wait.
    pub opens_waited: u64,
    /// OPENs that were refused.
    pub opens_refused: Reasons,
    /// MEETs that met.
    pub meets_met: u64,
    /// MEETs that were refused.
    pub meets_refused: Reasons,
    /// Circuits that ended.
    pub closes: Reasons,
    /// Connections that were ended with ERROR.
    pub errors: Errors,
    /// DATA frames that were forwarded.
    pub frames_forwarded: u64,
    /// The bytes of their tails, and of those in INCOMING.
    pub bytes_forwarded: u64,
    /// PROVEs that were good.
    pub proofs_good: u64,
    /// PROVEs with a wrong signature, and OPENs with a ticket or signature that is not good.
    pub proofs_failed: u64,
    /// Mailboxes that a newer connection took over.
    pub evictions: u64,
    /// Wake-ups by what came of them.
    pub wakes: Wakes,
    /// Other relays that are heard now; `None` without NATS, or while it is away.
    pub peers: Option<u64>,
}

/// A count for each [`WakeResult`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wakes([u64; 4]);

impl Wakes {
    const NAMES: [&str; 4] = ["sent", "gone", "failed", "limit"];

    /// The names of docs/PROTOCOL.md §7.7 with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::NAMES.into_iter().zip(self.0)
    }

    pub(super) fn count(&mut self, result: WakeResult) {
        let place = usize::from(u8::from(result));
        self.0.get_mut(place).into_iter().for_each(|count| *count += 1);
    }
}

/// A count for each [`CloseReason`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons([u64; 10]);

impl Reasons {
    const NAMES: [&str; 10] = [
        "done",
        "peer_gone",
        "ticket_refused",
        "limit",
        "refused",
        "session_unknown",
        "phone_failed",
        "timeout",
        "rendezvous_taken",
        "other",
    ];

    /// The names of docs/PROTOCOL.md §7.1 with their counts; `other` is what a later version may mean.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::NAMES.into_iter().zip(self.0)
    }

    pub(super) fn count(&mut self, reason: CloseReason) {
        let place = usize::from(u8::from(reason)).min(Self::NAMES.len() - 1);
        self.0.get_mut(place).into_iter().for_each(|count| *count += 1);
    }
}

/// A count for each [`ErrorCode`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Errors([u64; 6]);

impl Errors {
    const NAMES: [&str; 6] = ["malformed", "bad_proof", "limit", "auth_timeout", "shutting_down", "session_over"];

    /// The names of docs/PROTOCOL.md §7.1 with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::NAMES.into_iter().zip(self.0)
    }

    pub(super) fn count(&mut self, code: ErrorCode) {
        // Codes begin with 1.
        let place = usize::from(u8::from(code)).wrapping_sub(1);
        self.0.get_mut(place).into_iter().for_each(|count| *count += 1);
    }
}

impl Switch {
    /// What was counted so far, with what there is at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Stats {
            connections: count(self.connections.len()),
            mailboxes: count(self.homes.len()),
            circuits: count(self.circuits.len()),
            waiting: count(self.waiting.len()),
            rendezvous: count(self.meetings.len()),
            peers: self.peers().map(count),
            ..self.stats
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_name() {
        let mut reasons = Reasons::default();
        let mut errors = Errors::default();
        for byte in 0..=9 {
            reasons.count(CloseReason::from(byte));
        }
        reasons.count(CloseReason::from(255));
        assert!(reasons.iter().all(|(name, count)| count == if name == "other" { 2 } else { 1 }));
        for byte in 0..=7 {
            errors.count(ErrorCode::from(byte));
        }
        assert!(errors.iter().all(|(_, count)| count == 1));
        let named = |reason| {
            let mut counts = Reasons::default();
            counts.count(reason);
            counts.iter().find(|(_, count)| *count == 1).unwrap().0
        };
        assert_eq!(named(CloseReason::Timeout), "timeout");
        assert_eq!(named(CloseReason::RendezvousTaken), "rendezvous_taken");
        errors.count(ErrorCode::SessionOver);
        assert_eq!(errors.iter().last(), Some(("session_over", 2)));
    }
}
