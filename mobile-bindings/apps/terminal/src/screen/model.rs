//! What is on screen, and what a key does. Pure: keys and news in, actions out.

mod action;
mod answers;
mod deeds;
mod notices;
mod pages;
mod question;

use std::collections::VecDeque;

use countersign_mobile::{Connection, HistoryEntry, LostPart, Pairing, PendingRequest, Seed};
use zeroize::Zeroizing;

use super::keys::Key;
pub(crate) use action::{Action, Secret};
use answers::Answers;
pub(crate) use deeds::{Deed, Right, Thing};
use notices::Notice;
pub(crate) use question::Question;

/// Longest line that can be typed, bytes. The buffer never grows, so that nothing is left behind when it is wiped.
const MAX_INPUT: usize = 2048;

/// Why nothing is approved in this window.
const TOO_SMALL: &str = "too small a window to show what is asked for: make it larger first";

/// What the engine shows at one moment.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) name: String,
    pub(crate) requests: Vec<PendingRequest>,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) seeds: Vec<Seed>,
    pub(crate) pairings: Vec<Pairing>,
    pub(crate) lost: Vec<LostPart>,
    /// The key that opens seeds is missing.
    pub(crate) no_unlock_key: bool,
}

/// Which page is open. One request, seed or pairing is named by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    Requests,
    Request(String),
    History,
    Seeds,
    Seed(String),
    Pairings,
    Pairing(String),
}

/// The screen.
pub(crate) struct Model {
    pub(crate) news: News,
    pub(crate) page: Page,
    /// The row of a list that the keys are about.
    pub(crate) selected: usize,
    pub(crate) question: Option<Question>,
    pub(crate) input: Zeroizing<String>,
    pub(crate) notices: VecDeque<Notice>,
    /// What was wrong with the last answer to this question.
    pub(crate) slip: Option<String>,
    /// A question went away under the fingers of whoever was typing: until Enter or Escape, letters are still meant for it and no commands.
    pub(crate) stray: bool,
    /// Rows of the open request that have been scrolled away.
    pub(crate) scrolled: u16,
    /// Whether the window shows at least what nobody may say yes to without having seen it, and all of the question.
    pub(crate) fits: bool,
    /// Why the passphrase is wanted.
    pub(crate) reason: String,
    /// An answer is on its way; keys wait.
    pub(crate) busy: bool,
    /// Keys came meanwhile: somebody is typing ahead.
    typed_ahead: bool,
    answers: Answers,
}

impl Model {
    pub(crate) fn new(news: News) -> Self {
        Self {
            news,
            page: Page::Requests,
            selected: 0,
            question: None,
            input: Zeroizing::new(String::with_capacity(MAX_INPUT)),
            notices: VecDeque::new(),
            slip: None,
            stray: false,
            scrolled: 0,
            fits: true,
            reason: String::new(),
            busy: false,
            typed_ahead: false,
            answers: Answers::default(),
        }
    }

    /// The request that is open.
    pub(crate) fn open(&self) -> Option<&PendingRequest> {
        let Page::Request(id) = &self.page else { return None };
        self.news.requests.iter().find(|request| request.id == *id)
    }

    /// Requests that wait and are not on the page.
    pub(crate) fn out_of_sight(&self) -> usize {
        match self.page {
            Page::Requests => 0,
            _ => self.news.requests.len().saturating_sub(usize::from(self.open().is_some())),
        }
    }

    /// It was drawn; `fits`: with all that has to be seen.
    pub(crate) fn seen(&mut self, fits: bool) {
        self.fits = fits;
        if fits {
            self.forget_too_small();
        } else if self.question.as_ref().is_some_and(Question::is_of_an_approval) {
            // Said before the answer is refused: of the question nothing may be left.
            self.slip = Some(TOO_SMALL.into());
        }
    }

    /// The engine shows something else now.
    pub(crate) fn update(&mut self, news: News) {
        let before = self.news.requests.len();
        self.news = news;
        self.leave_what_is_gone();
        self.keep_in_list();
        // The only request there is needs no choosing.
        if before == 0
            && self.question.is_none()
            && self.page == Page::Requests
            && let [only] = self.news.requests.as_slice()
        {
            self.show(Page::Request(only.id.clone()));
        }
    }

    fn leave_what_is_gone(&mut self) {
        let is_there = match &self.page {
            Page::Request(_) => self.open().is_some(),
            Page::Seed(_) | Page::Pairing(_) => !self.rows().is_empty(),
            _ => true,
        };
        if !is_there {
            self.leave();
        }
        let is_gone = match &self.question {
            Some(Question::Sure(deed)) => !deed.is_possible(&self.news),
            Some(question) => question.is_of_a_request() && !is_there,
            None => false,
        };
        if is_gone {
            self.lose_question();
        }
    }

    /// The keychain wants the passphrase.
    pub(crate) fn ask_passphrase(&mut self, reason: String) {
        self.reason = reason;
        self.begin(Question::Passphrase);
    }

    /// The keychain does not want it any more.
    pub(crate) fn drop_passphrase(&mut self) {
        if self.question == Some(Question::Passphrase) {
            self.lose_question();
        }
    }

    /// What was to be done, to the request `about` if it was to one, is done, or not.
    pub(crate) fn done(&mut self, about: Option<String>, told: String) {
        self.busy = false;
        self.stray |= std::mem::take(&mut self.typed_ahead);
        self.notice_about(about, told);
    }

    pub(crate) fn key(&mut self, key: Key) -> Option<Action> {
        if key == Key::Interrupt {
            return Some(Action::Quit);
        }
        if self.scroll(key) {
            return None;
        }
        match self.question.clone() {
            Some(question) => self.type_key(question, key),
            None if self.stray => {
                self.stray = !matches!(key, Key::Enter | Key::Escape);
                None
            }
            None if self.busy => {
                self.typed_ahead = true;
                None
            }
            None => self.command(key),
        }
    }

    /// Pasted text: typed in one go, where something is asked. A line break in it answers nothing, and no letter of it is a command.
    pub(crate) fn paste(&mut self, text: &str) {
        if self.question.is_some() {
            text.chars().filter(|c| !c.is_control()).for_each(|c| self.type_char(c));
        }
    }

    fn command(&mut self, key: Key) -> Option<Action> {
        match (&self.page, key) {
            (_, Key::Char('q')) if self.news.requests.is_empty() => return Some(Action::Quit),
            (_, Key::Char('q')) => self.begin(Question::Quit),
            (_, Key::Char('r')) => return self.act(Action::Reconnect),
            (_, Key::Escape) => self.leave(),
            (Page::Request(_), Key::Char('a')) if !self.fits => {
                self.notice_about(self.open().map(|request| request.id.clone()), TOO_SMALL.into());
            }
            (Page::Request(_), Key::Char('a')) => {
                self.answers = Answers::default();
                self.scrolled = 0;
                self.begin(self.first_question());
            }
            (Page::Request(_), Key::Char('d')) => self.begin(Question::Reason),
            (Page::Request(_), Key::Char('b')) => self.begin(Question::Block),
            (Page::Request(_), _) => {}
            (_, Key::Char('w')) => self.show_waiting(),
            (_, Key::Char('h')) => self.show(Page::History),
            (_, Key::Char('s')) => self.show(Page::Seeds),
            (_, Key::Char('p')) => self.show(Page::Pairings),
            (_, Key::Enter) => self.enter(),
            (_, Key::Up | Key::Down | Key::PageUp | Key::PageDown | Key::Char('j' | 'k')) => self.select(key),
            (_, Key::Char(c)) => self.consider(c),
            _ => {}
        }
        None
    }

    /// What is asked first if the open request is to be approved.
    pub(crate) fn first_question(&self) -> Question {
        let first_use = self.open().is_some_and(|request| request.verified.first_use);
        if first_use { Question::Grant } else { Question::Number }
    }

    fn type_key(&mut self, question: Question, key: Key) -> Option<Action> {
        match key {
            Key::Escape => {
                self.end_question();
                return (question == Question::Passphrase).then_some(Action::Passphrase(None));
            }
            Key::Backspace => drop(self.input.pop()),
            Key::Char(c) => self.type_char(c),
            Key::Enter => return self.answer(question),
            _ => {}
        }
        None
    }

    fn type_char(&mut self, c: char) {
        if self.input.len() + c.len_utf8() <= MAX_INPUT {
            self.input.push(c);
        }
    }

    fn act(&mut self, action: Action) -> Option<Action> {
        self.busy = true;
        Some(action)
    }

    fn begin(&mut self, question: Question) {
        self.end_question();
        self.stray = false;
        self.typed_ahead = false;
        self.question = Some(question);
    }

    fn again(&mut self, why: &str) {
        self.wipe();
        self.slip = Some(why.to_owned());
    }

    fn end_question(&mut self) {
        self.wipe();
        self.slip = None;
        self.question = None;
    }

    /// The question goes, and not because of who is asked.
    fn lose_question(&mut self) {
        self.end_question();
        self.stray = true;
    }

    fn wipe(&mut self) {
        use zeroize::Zeroize as _;
        // Leaves the room that there is.
        self.input.as_mut_str().zeroize();
        self.input.clear();
    }
}

#[cfg(test)]
mod tests;
