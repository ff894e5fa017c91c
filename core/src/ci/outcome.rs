//! What an exchange tells its shell.

use crate::request::{MatchNumber, StepCode};

/// Something worth showing while waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The relay could not be reached, or the connection was lost; it is tried again.
    RelayLost,
    /// The relay has the request, the phone is away.
    PhoneAway,
    /// The phone is looking at another request of this pairing; ours is tried again.
    PhoneBusy,
    /// The human is being asked and must type this number. Comes again, with another number, when the request had to be started afresh.
    Number(MatchNumber),
    /// The connection came back and the same request goes on; the number stays.
    Resumed,
}

/// A request that was answered with yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The codes, of consecutive steps; empty when enrolling.
    pub codes: Vec<StepCode>,
    /// Seconds a step lasts.
    pub period: u64,
    /// The phone's time when the answer came, Unix seconds; never ahead of it.
    pub phone_now: u64,
    /// Our monotonic time when the answer came, milliseconds.
    pub received_mono: u64,
    /// The seed.
    pub seed_id: [u8; 16],
    /// The new sealed seed when enrolling.
    pub sealed: Vec<u8>,
    /// The new seed's label when enrolling.
    pub label: String,
}

impl Approval {
    /// Milliseconds of monotonic time from `mono` until `step` opens on the phone's clock; 0 once it is open.
    #[must_use]
    pub fn opens_in(&self, step: u64, mono: u64) -> u64 {
        let start = step.saturating_mul(self.period).saturating_mul(1000);
        start.saturating_sub(self.phone_ms(mono))
    }

    /// Milliseconds until `step` ends on the phone's clock; 0 once it is over.
    #[must_use]
    pub fn ends_in(&self, step: u64, mono: u64) -> u64 {
        self.opens_in(step.saturating_add(1), mono)
    }

    fn phone_ms(&self, mono: u64) -> u64 {
        self.phone_now.saturating_mul(1000).saturating_add(mono.saturating_sub(self.received_mono))
    }
}

/// How an exchange ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// The human said yes.
    Approved(Approval),
    /// The answer to a ping: the phone's time, Unix seconds.
    Pong {
        /// The phone's time, Unix seconds.
        phone_now: u64,
    },
}

/// How an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The human said no.
    #[error("the maintainer denied the request")]
    Denied {
        /// In their words; may be empty.
        reason: String,
    },
    /// Nobody answered in time.
    #[error("nobody approved the request in time")]
    TimedOut,
    /// The number typed on the phone was not ours.
    #[error("a wrong match number was typed on the phone")]
    WrongNumber,
    /// The phone never connected.
    #[error("the phone could not be reached")]
    PhoneNotReached,
    /// The phone was busy all the time.
    #[error("the phone was busy with another request all the time")]
    PhoneBusy,
    /// The relay could not be reached.
    #[error("the relay could not be reached")]
    RelayNotReached,
    /// The relay refused the ticket: the phone took the pairing back.
    #[error("the relay refused this pairing's ticket")]
    TicketRefused,
    /// The pairing has no right to the seed.
    #[error("the phone's policy refuses this pairing the seed")]
    Policy,
    /// The phone does not know the sealed seed.
    #[error("the phone does not know this sealed seed")]
    UnknownSeed,
    /// The clocks are more than 90 s apart.
    #[error("the clocks of this machine and of the phone are {difference} seconds apart")]
    Clock {
        /// Phone's time minus ours, seconds.
        difference: i64,
    },
    /// The phone could not open the seed or save its state.
    #[error("the phone could not do it; it shows why")]
    PhoneFailed,
    /// The phone refused to authenticate us: the key is not that of this pairing any more.
    #[error("the phone did not accept this key")]
    Refused,
    /// A message could not be authenticated or was not what the protocol allows.
    #[error("a message from the phone could not be authenticated, or breaks the protocol")]
    Protocol,
    /// We gave up ourselves.
    #[error("interrupted")]
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_open_by_the_phones_clock() {
        let approval = Approval {
            codes: vec![],
            period: 30,
            phone_now: 65,
            received_mono: 1_000,
            seed_id: [0; 16],
            sealed: vec![],
            label: String::new(),
        };
        assert_eq!(approval.opens_in(2, 1_000), 0);
        assert_eq!(approval.opens_in(3, 1_000), 25_000);
        assert_eq!(approval.opens_in(3, 2_500), 23_500);
        assert_eq!(approval.ends_in(2, 26_500), 0);
    }
}
