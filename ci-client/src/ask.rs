//! Asking one or more phones: the first yes wins.

use std::{future::Future, time::Duration};

use countersign_core::{
    ci::{Approval, Ask, CiPairing, Event, Failure, Finished},
    keys::CiKey,
    relay::WakeResult,
    request::{CancelReason, MatchNumber, Outcome, StepCode},
};
use countersign_link::Clock;
use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{interval, sleep, timeout},
};

use crate::driver::{Driver, News};

/// How often [`Progress::waiting`] is called.
const TICK: Duration = Duration::from_millis(250);

/// A phone and the key for it. The key is wiped on drop.
#[derive(Debug)]
pub struct Phone {
    /// The public part, from `countersign.toml`.
    pub pairing: CiPairing,
    /// The secret part.
    pub key: CiKey,
}

/// Where the human is told what goes on.
pub trait Progress: Send {
    /// The human is to type this number on this phone. May come again with another number, which replaces it.
    fn number(&mut self, phone: &str, number: &MatchNumber);
    /// Something happened.
    fn note(&mut self, phone: &str, note: &Note);
    /// Called a few times a second.
    fn waiting(&mut self, left: Duration);
}

/// Something that happened while waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// No connection to the relay, for this reason; it is tried again.
    RelayLost(String),
    /// The relay has the request, the phone is away.
    PhoneAway,
    /// The relay woke the phone, or could not.
    Woken(WakeResult),
    /// The phone is looking at another request.
    PhoneBusy,
    /// The connection came back; the number stays.
    Resumed,
    /// This phone is out; others are still being asked.
    Failed(Failure),
}

/// Nobody said yes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{phone}: {failure}")]
pub struct AskFailure {
    /// The phone whose failure this is, the most telling of all.
    pub phone: String,
    /// What happened.
    pub failure: Failure,
    /// Why there was no connection, if that is what happened.
    pub detail: Option<String>,
}

/// Somebody said yes, or answered a ping. Tell the phone what became of the code with [`Answer::report`].
#[must_use]
pub struct Answer {
    /// Whose answer it is.
    pub phone: String,
    /// The answer.
    pub finished: Finished,
    driver: Driver,
    clock: Clock,
    others: JoinHandle<()>,
}

/// Sends `ask` to all `phones` at once and returns the first yes; the others are cancelled. Ends early, with [`Failure::Cancelled`], when
/// `interrupt` does: phones that were asked already are told.
///
/// # Errors
/// [`AskFailure`] when every phone failed, or none was given.
pub async fn ask(
    phones: Vec<Phone>,
    ask: Ask,
    progress: &mut dyn Progress,
    interrupt: impl Future<Output = ()>,
) -> Result<Answer, AskFailure> {
    let clock = Clock::start();
    let names: Vec<String> = phones.iter().map(|phone| phone.pairing.phone_name.clone()).collect();
    let timeout_ms = ask.timeout_ms;
    let mut drivers: Vec<Driver> = phones.into_iter().map(|phone| Driver::new(phone, ask.clone(), clock)).collect();
    match race(&mut drivers, &names, timeout_ms, clock, progress, interrupt).await {
        End::Won(index, finished) => {
            let driver = drivers.swap_remove(index);
            // The code must not wait for the other phones.
            let others = tokio::spawn(async move {
                join_all(drivers.into_iter().map(|driver| driver.cancel(CancelReason::Superseded))).await;
            });
            let phone = names.get(index).cloned().unwrap_or_default();
            Ok(Answer { phone, finished, driver, clock, others })
        }
        End::Lost(index, failure) => {
            let detail = drivers.get(index).filter(|_| failure == Failure::RelayNotReached).and_then(|driver| driver.lost.clone());
            join_all(drivers.into_iter().map(Driver::finish)).await;
            Err(AskFailure { phone: names.get(index).cloned().unwrap_or_default(), failure, detail })
        }
        End::Interrupted => {
            join_all(drivers.into_iter().map(|driver| driver.cancel(CancelReason::Interrupted))).await;
            Err(AskFailure { phone: names.join(", "), failure: Failure::Cancelled, detail: None })
        }
    }
}

enum End {
    Won(usize, Finished),
    Lost(usize, Failure),
    Interrupted,
}

async fn race(
    drivers: &mut [Driver],
    names: &[String],
    timeout_ms: u64,
    clock: Clock,
    progress: &mut dyn Progress,
    interrupt: impl Future<Output = ()>,
) -> End {
    let (sender, mut news) = mpsc::unbounded_channel();
    let mut running: FuturesUnordered<_> = drivers
        .iter_mut()
        .enumerate()
        .map(|(index, driver)| {
            let sender = sender.clone();
            async move {
                let send = |news| {
                    // The receiver lives as long as this future.
                    let _ = sender.send((index, news));
                };
                (index, driver.run(send).await)
            }
        })
        .collect();
    let tell = |progress: &mut dyn Progress, (index, news): (usize, News)| {
        let name = names.get(index).map(String::as_str).unwrap_or_default();
        if let News::Event(Event::Number(number)) = &news {
            progress.number(name, number);
        } else if let Some(note) = news.into_note() {
            progress.note(name, &note);
        }
    };
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    let mut ticks = interval(TICK);
    tokio::pin!(interrupt);
    loop {
        tokio::select! {
            biased;
            () = &mut interrupt => return End::Interrupted,
            Some(one) = news.recv() => tell(progress, one),
            Some((index, end)) = running.next() => {
                // What led to the end is told first.
                while let Ok(one) = news.try_recv() {
                    tell(progress, one);
                }
                match end {
                    Ok(finished) => return End::Won(index, finished),
                    Err(failure) if running.is_empty() => {
                        failures.push((index, failure));
                        let worst = failures.into_iter().min_by_key(|(_, failure)| rank(failure));
                        return worst.map_or(End::Lost(0, Failure::PhoneNotReached), |(index, failure)| End::Lost(index, failure));
                    }
                    Err(failure) => {
                        let name = names.get(index).map(String::as_str).unwrap_or_default();
                        progress.note(name, &Note::Failed(failure.clone()));
                        failures.push((index, failure));
                    }
                }
            }
            _ = ticks.tick() => {
                if running.is_empty() {
                    return End::Lost(0, Failure::PhoneNotReached);
                }
                progress.waiting(Duration::from_millis(timeout_ms.saturating_sub(clock.now().mono)));
            }
        }
    }
}

/// The most telling failure comes first.
fn rank(failure: &Failure) -> u8 {
    match failure {
        Failure::Denied { .. } => 0,
        Failure::WrongNumber => 1,
        Failure::Policy => 2,
        Failure::PhoneFailed | Failure::CodesAhead => 3,
        Failure::UnknownSeed => 4,
        Failure::Protocol | Failure::Refused => 5,
        Failure::TicketRefused => 6,
        Failure::Clock { .. } => 7,
        Failure::TimedOut | Failure::TooLate => 8,
        Failure::PhoneBusy => 9,
        Failure::PhoneNotReached => 10,
        Failure::RelayNotReached | Failure::RelayRefused { .. } => 11,
        _ => 12,
    }
}

impl Answer {
    /// The approval; `None` after a ping or for a ticket.
    #[must_use]
    pub fn approval(&self) -> Option<&Approval> {
        match &self.finished {
            Finished::Approved(approval) => Some(approval),
            Finished::Pong { .. } | Finished::Ticket(_) => None,
        }
    }

    /// Takes the codes away, so that no copy of them stays here.
    pub(crate) fn take_codes(&mut self) -> Vec<StepCode> {
        match &mut self.finished {
            Finished::Approved(approval) => std::mem::take(&mut approval.codes),
            Finished::Pong { .. } | Finished::Ticket(_) => Vec::new(),
        }
    }

    /// The step of the first code, as long as the codes are here.
    pub(crate) fn first_step(&self) -> Option<u64> {
        self.approval()?.codes.first().map(|StepCode(step, _)| *step)
    }

    /// How long until the code of `step` is valid by the phone's clock.
    #[must_use]
    pub fn opens_in(&self, step: u64) -> Duration {
        Duration::from_millis(self.approval().map_or(0, |approval| approval.opens_in(step, self.clock.now().mono)))
    }

    /// How long the code of `step` is still valid by the phone's clock; zero if the answer came too late.
    #[must_use]
    pub fn ends_in(&self, step: u64) -> Duration {
        Duration::from_millis(self.approval().map_or(0, |approval| approval.ends_in(step, self.clock.now().mono)))
    }

    /// Waits until the code of `step` is valid by the phone's clock. Cancel-safe.
    pub async fn wait_until_open(&mut self, step: u64) {
        self.wait_until_opens_in(step, Duration::ZERO).await;
    }

    /// Waits until `before` that. Cancel-safe.
    pub(crate) async fn wait_until_opens_in(&mut self, step: u64, before: Duration) {
        loop {
            let left = self.opens_in(step).saturating_sub(before);
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = sleep(left) => {}
                () = self.driver.keep_alive() => {}
            }
        }
    }

    /// Keeps the connection to the phone alive while the code is being used; never ends. Cancel-safe.
    pub async fn keep_alive(&mut self) {
        self.driver.keep_alive().await;
    }

    /// Ends the connection without a word about the code: what becomes of it is not known here. Takes a few seconds at most.
    pub async fn leave(self) {
        self.driver.finish().await;
        let _ = timeout(Duration::from_secs(2), self.others).await;
    }

    /// Tells the phone what became of the code and ends the connection; takes a few seconds at most. Best effort.
    pub async fn report(self, outcome: Outcome) {
        self.driver.report(outcome).await;
        // The other phones have had all that time already.
        let _ = timeout(Duration::from_secs(2), self.others).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_human_tells_more_than_a_network() {
        let mut failures = [Failure::RelayNotReached, Failure::TimedOut, Failure::Denied { reason: String::new() }, Failure::WrongNumber];
        failures.sort_by_key(rank);
        assert_eq!(failures[0], Failure::Denied { reason: String::new() });
        assert_eq!(failures[3], Failure::RelayNotReached);
    }
}
