//! What a command tells the human when it fails: what, what to do next, and the exit code.

use countersign_core::{ci::Failure, pairing::PairingError, text};

use crate::{ask::AskFailure, exit::Exit, pair::PairFailure};

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// For scripts.
    pub exit: Exit,
    /// What went wrong; lower case, no full stop. Never holds a secret.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Bad configuration, arguments or files.
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(Exit::BadConfig, message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<AskFailure> for Problem {
    fn from(failed: AskFailure) -> Self {
        let AskFailure { phone, failure, detail } = failed;
        if failure == Failure::Cancelled {
            return Self::interrupted();
        }
        let mut message = format!("{phone}: {failure}");
        if let Failure::Denied { reason } = &failure
            && !reason.is_empty()
        {
            // The phone's text: it must not play tricks with the terminal.
            message = format!("{message}: {}", text::clean(reason, text::MAX_REASON));
        }
        if let Some(detail) = detail {
            message = format!("{message} ({detail})");
        }
        let problem = Self::new(exit_of(&failure), message);
        match hint_for(&failure) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

fn exit_of(failure: &Failure) -> Exit {
    match failure {
        Failure::Denied { .. } => Exit::Denied,
        Failure::TimedOut | Failure::TooLate => Exit::TimedOut,
        Failure::WrongNumber => Exit::WrongNumber,
        Failure::PhoneNotReached | Failure::PhoneBusy => Exit::PhoneNotReached,
        Failure::RelayNotReached | Failure::RelayRefused { .. } => Exit::RelayNotReached,
        Failure::TicketRefused | Failure::Policy | Failure::UnknownSeed => Exit::Refused,
        Failure::Clock { .. } => Exit::Clock,
        Failure::PhoneFailed | Failure::CodesAhead => Exit::PhoneFailed,
        Failure::Cancelled => Exit::Interrupted,
        // Refused, Protocol, and what a later core adds.
        _ => Exit::Protocol,
    }
}

fn hint_for(failure: &Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::TimedOut => "run the job again when the maintainer has the phone at hand, or give a longer --timeout (at most 10m)",
        Failure::WrongNumber => {
            "if nobody meant to approve this job, look at who started it; else run it again and type the number from its log"
        }
        Failure::TooLate => "run the job again; no code of this approval was handed out",
        Failure::CodesAhead => "wait until the codes issued before are over, then run this again; check that the phone's clock is right",
        Failure::RelayRefused { code: countersign_core::relay::ErrorCode::ShuttingDown } => {
            "the relay was stopped and did not come back in time: run this again later, or ask its operator"
        }
        Failure::RelayRefused { .. } => {
            "run this again later; if it goes on, ask the relay's operator, and check that its --origin is the URL you use"
        }
        Failure::PhoneNotReached => "open the app on the phone and check that it is online",
        Failure::PhoneBusy => "answer or dismiss the other request on the phone, then run this again",
        Failure::RelayNotReached => "`countersign doctor` tells what is in the way",
        Failure::TicketRefused => {
            "the phone's owner took this pairing back, or it expired: run `countersign pair` again; if that works and this goes on, ask the \
             relay's operator whether its --origin is the URL you use"
        }
        Failure::Policy => "grant this pairing the seed on the phone",
        Failure::UnknownSeed => "import the sealed seed on this phone, or enroll it again with `countersign enroll`",
        Failure::Clock { .. } => "set the clock that is wrong: turn on automatic time on the phone, or NTP on this machine",
        Failure::PhoneFailed => "look at the phone: it shows what went wrong",
        Failure::Refused => "this pairing may have been removed on the phone, or its storage reset: run `countersign pair` again",
        Failure::Protocol => "update this program and the app on the phone; if it goes on, pair again",
        _ => return None,
    })
}

impl From<PairFailure> for Problem {
    fn from(failed: PairFailure) -> Self {
        let (exit, hint) = match &failed {
            PairFailure::Relay(_) => (Exit::RelayNotReached, "check --relay and this machine's network"),
            PairFailure::Lost(_) => (Exit::RelayNotReached, "run `countersign pair` again; each attempt shows a new code"),
            PairFailure::LostAtTheEnd => {
                (Exit::RelayNotReached, "if the phone already lists this pairing, remove it there; then run `countersign pair` again")
            }
            PairFailure::TimedOut => (Exit::TimedOut, "run `countersign pair` again; a code lives for five minutes"),
            PairFailure::Taken => {
                (Exit::Protocol, "somebody else may have used this code; run `countersign pair` again and let nobody see it")
            }
            PairFailure::PhoneLeft => (Exit::PhoneNotReached, "run `countersign pair` again"),
            PairFailure::Pairing(PairingError::WrongDigits) => (Exit::WrongNumber, "run `countersign pair` again"),
            PairFailure::Pairing(_) => (Exit::Protocol, "update this program and the app on the phone, then run `countersign pair` again"),
            PairFailure::Input(_) => (Exit::BadConfig, "type the six digits that the phone shows and press Enter"),
        };
        Self::new(exit, failed.to_string()).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask_failure(failure: Failure) -> Problem {
        AskFailure { phone: "pixel".into(), failure, detail: None }.into()
    }

    #[test]
    fn a_denial_can_not_play_tricks_with_the_terminal() {
        let problem = ask_failure(Failure::Denied { reason: "no\u{1b}[2J".into() });
        assert_eq!(problem.exit, Exit::Denied);
        assert_eq!(problem.message, "pixel: the maintainer denied the request: no\u{fffd}[2J");
    }

    /// Denied, nobody there, wrong number, phone away: a script and a reader can tell them apart.
    #[test]
    fn every_failure_has_its_words_and_its_code() {
        let failures = [
            (Failure::Denied { reason: String::new() }, 200),
            (Failure::TimedOut, 201),
            (Failure::TooLate, 201),
            (Failure::WrongNumber, 202),
            (Failure::PhoneNotReached, 203),
            (Failure::PhoneBusy, 203),
            (Failure::RelayNotReached, 204),
            (Failure::RelayRefused { code: countersign_core::relay::ErrorCode::Limit }, 204),
            (Failure::TicketRefused, 205),
            (Failure::Policy, 205),
            (Failure::UnknownSeed, 205),
            (Failure::Refused, 206),
            (Failure::Protocol, 206),
            (Failure::Clock { difference: 100 }, 208),
            (Failure::CodesAhead, 209),
            (Failure::PhoneFailed, 209),
            (Failure::Cancelled, 130),
        ];
        let mut words = std::collections::BTreeSet::new();
        for (failure, code) in failures {
            let problem = ask_failure(failure.clone());
            assert_eq!(problem.exit.code(), code, "{failure:?}");
            // Only who said no, or interrupted, knows what to do next.
            let needs_no_hint = matches!(failure, Failure::Denied { .. } | Failure::Cancelled);
            assert_eq!(problem.hint.is_none(), needs_no_hint, "{failure:?}");
            assert!(words.insert(problem.message), "{failure:?}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_by_its_side() {
        let told = |difference| ask_failure(Failure::Clock { difference }).message;
        assert!(told(-120).contains("the phone's clock is 120 seconds behind this machine's"), "{}", told(-120));
        assert!(told(95).contains("the phone's clock is 95 seconds ahead of this machine's"), "{}", told(95));
    }

    #[test]
    fn failures_differ() {
        assert_eq!(ask_failure(Failure::PhoneBusy).exit, Exit::PhoneNotReached);
        assert_eq!(ask_failure(Failure::UnknownSeed).exit, Exit::Refused);
        assert_eq!(ask_failure(Failure::Refused).exit, Exit::Protocol);
    }
}
