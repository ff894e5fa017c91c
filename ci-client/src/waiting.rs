//! What the human sees while a request waits: the match number, what happens, the time left.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use countersign_core::{ci::Failure, relay::WakeResult, request::MatchNumber, text};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    ask::{Note, Progress},
    duration::Left,
    ui::Ui,
};

/// Without a terminal, the time left is said this often.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// [`Progress`] on standard error: a spinner on a terminal, else plain lines.
#[derive(Debug)]
pub struct Waiting {
    ui: Ui,
    spinner: Option<ProgressBar>,
    /// With several phones, each number says whose it is.
    several: bool,
    asked: bool,
    last_line: Instant,
    /// The last one of each phone.
    last_notes: BTreeMap<String, Note>,
}

impl Waiting {
    /// For a request to this many phones.
    #[must_use]
    pub fn new(ui: Ui, phones: usize) -> Self {
        let spinner = ui.terminal.then(|| {
            let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            spinner.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            spinner
        });
        Self { ui, spinner, several: phones > 1, asked: false, last_line: Instant::now(), last_notes: BTreeMap::new() }
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
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

impl Progress for Waiting {
    fn number(&mut self, phone: &str, number: &MatchNumber) {
        let again = std::mem::replace(&mut self.asked, true) && !self.several;
        let whose = if self.several { format!(" on {phone}") } else { String::new() };
        let digits = self.ui.bold(&grouped(number.digits()));
        self.say(|ui| {
            if again {
                ui.say("the request had to be started again; the number is a new one");
            }
            ui.raw("");
            ui.raw(&format!("    match number{whose}:  {digits}"));
            ui.raw("");
            ui.say(&format!("type this number on {phone} to approve; deny there what you do not expect"));
        });
    }

    fn note(&mut self, phone: &str, note: &Note) {
        if !is_news(self.last_notes.get(phone), note) {
            return;
        }
        self.last_notes.insert(phone.to_owned(), note.clone());
        let line = match note {
            Note::RelayLost(why) => format!("{phone}: no connection to the relay ({why}); trying again"),
            Note::PhoneAway => format!("{phone} is not connected; waiting for it"),
            Note::Woken(result) => woken(phone, *result),
            Note::PhoneBusy => format!("{phone} is busy with another request of this pairing; waiting"),
            Note::Resumed => format!("{phone}: connected again; the number stays the same"),
            Note::Failed(Failure::Denied { reason }) if !reason.is_empty() => {
                format!("{phone}: denied: {}; the others are still being asked", text::clean(reason, text::MAX_REASON))
            }
            Note::Failed(failure) => format!("{phone}: {failure}; the others are still being asked"),
        };
        self.say(|ui| ui.say(&line));
    }

    fn waiting(&mut self, left: Duration) {
        let what = if self.asked { "waiting for approval" } else { "reaching the phone" };
        let line = format!("{what}, {} left", Left(left));
        if let Some(spinner) = &self.spinner {
            spinner.set_message(line);
            spinner.tick();
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            self.ui.say(&line);
        }
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
    fn numbers_are_easy_to_read() {
        assert_eq!(super::grouped("482913"), "482 913");
        assert_eq!(super::grouped("48"), "48");
    }
}
