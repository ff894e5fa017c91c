//! What the human sees while a request waits: the match number, what happens, the time left.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use countersign_core::{ci::Failure, relay::WakeResult, request::MatchNumber, text};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    ask::{Note, Progress},
    duration::Left,
    event::{Event, PhoneState, Text},
    notify::{Notifier, Waits},
    ui::Ui,
};

/// Without a terminal, the time left is said this often.
pub(crate) const LINE_EVERY: Duration = Duration::from_secs(20);

/// A moving line, on a terminal.
pub(crate) fn spinner(ui: Ui) -> Option<ProgressBar> {
    ui.terminal.then(|| {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        spinner.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
        spinner
    })
}

/// [`Progress`] on standard error: a spinner on a terminal, else plain lines, or events for a program.
#[derive(Debug)]
pub struct Waiting {
    ui: Ui,
    spinner: Option<ProgressBar>,
    /// With several phones, each number says whose it is.
    several: bool,
    asked: bool,
    /// As on the phone's screen; said again in every line of a log, whose end is what one looks at.
    numbers: BTreeMap<String, String>,
    last_line: Instant,
    /// The last one of each phone.
    last_notes: BTreeMap<String, Note>,
    notifier: Option<Notifier>,
    /// The phones whose connection is gone, and with it perhaps the number.
    lost: BTreeSet<String>,
    /// The phones that others were told are away.
    told_away: BTreeSet<String>,
}

impl Waiting {
    /// For a request to this many phones.
    #[must_use]
    pub fn new(ui: Ui, phones: usize) -> Self {
        Self {
            ui,
            spinner: spinner(ui),
            several: phones > 1,
            asked: false,
            numbers: BTreeMap::new(),
            last_line: Instant::now(),
            last_notes: BTreeMap::new(),
            notifier: None,
            lost: BTreeSet::new(),
            told_away: BTreeSet::new(),
        }
    }

    /// Others are told as well.
    #[must_use]
    pub(crate) fn notifying(mut self, notifier: Notifier) -> Self {
        self.notifier = Some(notifier);
        self
    }

    fn notify(&mut self, waits: &Waits<'_>) {
        if let Some(notifier) = &mut self.notifier {
            notifier.send(waits);
        }
    }

    fn say_failures(&mut self) {
        while let Some(failure) = self.notifier.as_mut().and_then(Notifier::poll_failure) {
            self.say(|ui| ui.say(&failure));
        }
    }

    fn say(&self, show: impl FnOnce(&Ui)) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| show(&self.ui)),
            None => show(&self.ui),
        }
    }
}

/// The terminal is left as it was.
impl Drop for Waiting {
    fn drop(&mut self) {
        self.say_failures();
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

impl Progress for Waiting {
    fn number(&mut self, phone: &str, number: &MatchNumber) {
        let again = std::mem::replace(&mut self.asked, true) && !self.several;
        let whose = if self.several { format!(" on {phone}") } else { String::new() };
        let digits = grouped(number.digits());
        self.numbers.insert(phone.to_owned(), digits.clone());
        self.lost.remove(phone);
        self.notify(&Waits::Number { phone, digits: &digits });
        self.say(|ui| {
            ui.event(&Event::Number { phone, number: number.digits(), again });
            if ui.json {
                return;
            }
            ui.notice("Countersign waits for approval", &format!("approve on {phone}: match number {digits}"));
            if again {
                ui.say("the request had to be started again; the number is a new one");
            }
            ui.raw("");
            ui.raw(&format!("    match number{whose}:  {}", ui.bold(&digits)));
            ui.raw("");
            ui.say(&format!("type this number on {phone} to approve; deny there what you do not expect"));
        });
    }

    fn note(&mut self, phone: &str, note: &Note) {
        if !is_news(self.last_notes.get(phone), note) {
            return;
        }
        self.last_notes.insert(phone.to_owned(), note.clone());
        match note {
            Note::Resumed => drop(self.lost.remove(phone)),
            Note::RelayLost(_) | Note::PhoneAway | Note::Failed(_) => drop(self.lost.insert(phone.to_owned())),
            _ => {}
        }
        let (state, line) = describe(phone, note);
        if matches!(state, PhoneState::Away | PhoneState::Woken | PhoneState::NotWoken) && self.told_away.insert(phone.to_owned()) {
            self.notify(&Waits::Phone { phone });
        }
        self.say(|ui| ui.tell(&Event::Phone { phone, state, text: Text(&line) }, &line));
    }

    fn waiting(&mut self, left: Duration) {
        self.say_failures();
        let what = if self.asked { "waiting for approval" } else { "reaching the phone" };
        if let Some(spinner) = &self.spinner {
            spinner.set_message(format!("{what}, {} left", Left(left)));
            spinner.tick();
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let numbers = self.again();
            self.ui.tell(&Event::Waiting { asked: self.asked, left_s: left.as_secs() }, &format!("{what}{numbers}, {} left", Left(left)));
        }
    }
}

impl Waiting {
    /// ` (number 482 913)`
    fn again(&self) -> String {
        let each = self
            .numbers
            .iter()
            .filter(|(phone, _)| !self.lost.contains(*phone))
            .map(|(phone, digits)| if self.several { format!("{digits} on {phone}") } else { digits.clone() });
        let all = each.collect::<Vec<_>>().join(", ");
        if all.is_empty() { all } else { format!(" (number {all})") }
    }
}

/// A note for programs and for people.
fn describe(phone: &str, note: &Note) -> (PhoneState, String) {
    match note {
        Note::RelayLost(why) => (PhoneState::RelayLost, format!("{phone}: no connection to the relay ({why}); trying again")),
        Note::PhoneAway => (PhoneState::Away, format!("{phone} is not connected; waiting for it")),
        Note::Woken(result) => {
            let state = if *result == WakeResult::Sent { PhoneState::Woken } else { PhoneState::NotWoken };
            (state, woken(phone, *result))
        }
        Note::PhoneBusy => (PhoneState::Busy, format!("{phone} is busy with another request of this pairing; waiting")),
        Note::Resumed => (PhoneState::Resumed, format!("{phone}: connected again; the number stays the same")),
        Note::Failed(Failure::Denied { reason }) if !reason.is_empty() => {
            let reason = text::clean(reason, text::MAX_REASON);
            (PhoneState::Failed, format!("{phone}: denied: {reason}; the others are still being asked"))
        }
        Note::Failed(failure) => (PhoneState::Failed, format!("{phone}: {failure}; the others are still being asked")),
    }
}

/// An attempt every few seconds is no news, nor is a phone still away that was being woken.
fn is_news(last: Option<&Note>, note: &Note) -> bool {
    last != Some(note) && !matches!((last, note), (Some(Note::Woken(_)), Note::PhoneAway))
}

/// What came of a wake-up, and what the human can do. The request goes on waiting in any case.
fn woken(phone: &str, result: WakeResult) -> String {
    match result {
        WakeResult::Sent => format!("{phone} is away; a wake-up was sent to it"),
        WakeResult::Gone => {
            format!(
                "{phone} can't be woken: its wake-up address is gone. Open the app there now; once it is connected, run `countersign renew` on your laptop"
            )
        }
        WakeResult::Limit => format!("{phone} was woken often enough in this hour; open the app there"),
        _ => format!("{phone} is away, and the wake-up did not go through; open the app there"),
    }
}

/// `482913` as `482 913`: blanks do not count when it is typed.
fn grouped(digits: &str) -> String {
    match digits.split_at_checked(3) {
        Some((head, tail)) if tail.len() == 3 => format!("{head} {tail}"),
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_that_stays_away_is_told_once() {
        let sent = Note::Woken(WakeResult::Sent);
        assert!(is_news(None, &Note::PhoneAway) && is_news(Some(&Note::PhoneAway), &sent));
        assert!(!is_news(Some(&sent), &Note::PhoneAway) && !is_news(Some(&sent), &sent));
        assert!(is_news(Some(&sent), &Note::Woken(WakeResult::Gone)));
        assert!(woken("pixel", WakeResult::Gone).contains("countersign renew"));
    }

    #[test]
    fn a_log_says_the_number_again_while_it_counts() {
        let ui = Ui { terminal: false, color: false, json: true, platform: None };
        let mut waiting = Waiting::new(ui, 2);
        assert_eq!(waiting.again(), "");
        waiting.numbers = [("pixel".to_owned(), "482 913".to_owned()), ("tablet".to_owned(), "000 111".to_owned())].into();
        assert_eq!(waiting.again(), " (number 482 913 on pixel, 000 111 on tablet)");
        waiting.note("pixel", &Note::RelayLost("x".into()));
        assert_eq!(waiting.again(), " (number 000 111 on tablet)");
        waiting.note("pixel", &Note::Resumed);
        waiting.note("tablet", &Note::Failed(Failure::PhoneBusy));
        assert_eq!(waiting.again(), " (number 482 913 on pixel)");
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(super::grouped("482913"), "482 913");
        assert_eq!(super::grouped("48"), "48");
    }
}
