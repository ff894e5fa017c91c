//! What an exchange tells its shell.

use crate::{
    relay::{ErrorCode, WakeResult},
    request::{MatchNumber, RequestResult, StepCode},
};

/// Something worth showing while waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The relay could not be reached, or the connection was lost; it is tried again.
    RelayLost,
    /// The relay has the request, the phone is away.
    PhoneAway,
    /// The relay woke the phone, or could not.
    Woken(WakeResult),
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
    /// The codes that are not over yet, of consecutive steps; empty when enrolling.
    pub codes: Vec<StepCode>,
    /// Seconds a step lasts.
    pub period: u64,
    /// The phone's time when the answer came, Unix milliseconds, and our monotonic time then.
    clock: (u64, u64),
    /// The seed.
    pub seed_id: [u8; 16],
    /// The new sealed seed when enrolling.
    pub sealed: Vec<u8>,
    /// The new seed's label when enrolling.
    pub label: String,
}

impl Approval {
    /// `at_ack`: the phone's time in M2 (milliseconds) and ours when it came. An answer may have waited for its delivery, so the later of the two
    /// clocks counts: that of M4, or that of M2 carried on by ours.
    pub(super) fn new(result: RequestResult, at_ack: (u64, u64), mono: u64) -> Self {
        let carried = at_ack.0.saturating_add(mono.saturating_sub(at_ack.1));
        let mut approval = Self {
            codes: result.codes,
            period: result.period,
            clock: (carried.max(result.now.saturating_mul(1000)), mono),
            seed_id: result.seed_id.into_array(),
            sealed: result.sealed.into_vec(),
            label: result.label,
        };
        let codes = std::mem::take(&mut approval.codes);
        approval.codes = codes.into_iter().filter(|code| approval.ends_in(code.0, mono) > 0).collect();
        approval
    }

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
        self.clock.0.saturating_add(mono.saturating_sub(self.clock.1))
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
    /// The phone's newest ticket, which is ours to use.
    Ticket(Vec<u8>),
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
    /// The relay turned us away, or kept us waiting at a limit.
    #[error("the relay turned the request away: {code}")]
    RelayRefused {
        /// What it said.
        code: ErrorCode,
    },
    /// The codes of the approval were over before they came.
    #[error("the approval came back so late that its codes are over")]
    TooLate,
    /// Codes already issued reach too far ahead.
    #[error("the phone has issued codes too far ahead already; it can give no more for now")]
    CodesAhead,
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
    #[error("the phone's clock is {} seconds {} this machine's", difference.unsigned_abs(), if *difference < 0 { "behind" } else { "ahead of" })]
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
    use crate::request::{CodeText, Status};

    #[test]
    fn steps_open_by_the_phones_clock() {
        let code = |step| StepCode(step, CodeText::new("123456"));
        let result = RequestResult { codes: vec![code(2), code(3)], period: 30, ..RequestResult::without_codes(Status::Approved, "", 65) };
        let approval = Approval::new(result.clone(), (65_000, 1_000), 1_000);
        assert_eq!(approval.codes.len(), 2);
        assert_eq!(approval.opens_in(2, 1_000), 0);
        assert_eq!(approval.opens_in(3, 1_000), 25_000);
        assert_eq!(approval.opens_in(3, 2_500), 23_500);
        assert_eq!(approval.ends_in(2, 26_500), 0);
        // The same answer, half a minute under way: M2's clock says so.
        let late = Approval::new(result, (65_000, 1_000), 31_000);
        assert_eq!(late.codes.len(), 1);
        assert_eq!(late.opens_in(3, 31_000), 0);
    }
}
