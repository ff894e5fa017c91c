//! What is on screen, and what a key does. Pure: keys and news in, actions out.

use std::collections::VecDeque;

use countersign_mobile::{Connection, HistoryEntry, PendingRequest};
use zeroize::Zeroizing;

/// Longest line that can be typed, bytes. The buffer never grows, so that nothing is left behind when it is wiped.
const MAX_INPUT: usize = 2048;
/// Notices that stay on screen.
const MAX_NOTICES: usize = 4;
/// Rows that PageUp and PageDown scroll.
const ROWS_A_PAGE: u16 = 5;

/// A key, as far as it means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    /// Ctrl-C.
    Interrupt,
}

/// What the engine shows at one moment.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) name: String,
    pub(crate) requests: Vec<PendingRequest>,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) connections: Vec<Connection>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    Reconnect,
    Approve {
        id: String,
        number: String,
        codes: Option<u8>,
        grant: bool,
        seed: Option<Secret>,
    },
    Deny {
        id: String,
        reason: String,
    },
    Block {
        id: String,
    },
    /// The passphrase that was asked for; nothing: not now.
    Passphrase(Option<Secret>),
}

/// What was typed and is wiped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Which page is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    Requests,
    /// One request, by its id.
    Request(String),
    History,
}

/// What is being asked at the bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Grant,
    Number,
    Codes,
    Seed,
    Reason,
    Block,
    Passphrase,
    /// Whether to leave while requests wait.
    Quit,
}

impl Question {
    /// Whether it ends with the request that is open. The passphrase has a request of its own.
    fn is_of_a_request(self) -> bool {
        !matches!(self, Self::Passphrase | Self::Quit)
    }

    /// Whether what is typed stays hidden.
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::Seed | Self::Passphrase)
    }
}

/// Answers that were given for an approval so far.
#[derive(Debug, Default)]
struct Answers {
    grant: bool,
    number: String,
    codes: Option<u8>,
    seed: Option<Secret>,
}

/// The screen.
pub(crate) struct Model {
    pub(crate) news: News,
    pub(crate) page: Page,
    pub(crate) selected: usize,
    pub(crate) question: Option<Question>,
    pub(crate) input: Zeroizing<String>,
    pub(crate) notices: VecDeque<String>,
    /// What was wrong with the last answer to this question.
    pub(crate) slip: Option<String>,
    /// A question went away under the fingers of whoever was typing: until Enter or Escape, letters are still meant for it and no commands.
    pub(crate) stray: bool,
    /// Rows of the open request that have been scrolled away.
    pub(crate) scrolled: u16,
    /// Whether the window shows at least who asks, and for what.
    pub(crate) fits: bool,
    /// Why the passphrase is wanted.
    pub(crate) reason: String,
    /// An answer is on its way; keys wait.
    pub(crate) busy: bool,
    /// Keys came meanwhile: somebody is typing ahead.
    typed_ahead: bool,
    /// The request that is being approved, by its id: what the passphrase is for.
    approving: Option<String>,
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
            approving: None,
            answers: Answers::default(),
        }
    }

    /// The request that is open.
    pub(crate) fn open(&self) -> Option<&PendingRequest> {
        let Page::Request(id) = &self.page else { return None };
        self.news.requests.iter().find(|request| request.id == *id)
    }

    pub(crate) fn notice(&mut self, text: String) {
        self.notices.push_back(text);
        while self.notices.len() > MAX_NOTICES {
            self.notices.pop_front();
        }
    }

    /// The engine shows something else now.
    pub(crate) fn update(&mut self, news: News) -> Option<Action> {
        let before = self.news.requests.len();
        self.news = news;
        self.selected = self.selected.min(self.news.requests.len().saturating_sub(1));
        if matches!(self.page, Page::Request(_)) && self.open().is_none() {
            self.show(Page::Requests);
            if self.question.is_some_and(|question| question.is_of_a_request()) {
                self.lose_question();
            }
        }
        let refused = self.refuse_passphrase();
        // The only request there is needs no choosing.
        if before == 0
            && self.question.is_none()
            && self.page == Page::Requests
            && let [only] = self.news.requests.as_slice()
        {
            self.show(Page::Request(only.id.clone()));
        }
        refused
    }

    /// The keychain wants the passphrase.
    pub(crate) fn ask_passphrase(&mut self, reason: String) -> Option<Action> {
        self.reason = reason;
        self.begin(Question::Passphrase);
        self.refuse_passphrase()
    }

    /// Nobody has to unlock for a request that is gone. The engine waits for the answer, whatever has become of the request.
    fn refuse_passphrase(&mut self) -> Option<Action> {
        let gone = |id: &String| self.news.requests.iter().all(|request| request.id != *id);
        if self.question != Some(Question::Passphrase) || !self.approving.as_ref().is_some_and(gone) {
            return None;
        }
        self.lose_question();
        Some(Action::Passphrase(None))
    }

    /// What was to be done is done, or not.
    pub(crate) fn done(&mut self, told: String) {
        self.busy = false;
        self.approving = None;
        self.stray |= std::mem::take(&mut self.typed_ahead);
        self.notice(told);
    }

    /// The keychain does not want it any more.
    pub(crate) fn drop_passphrase(&mut self) {
        if self.question == Some(Question::Passphrase) {
            self.lose_question();
        }
    }

    pub(crate) fn key(&mut self, key: Key) -> Option<Action> {
        if key == Key::Interrupt {
            return Some(Action::Quit);
        }
        if self.scroll(key) {
            return None;
        }
        match self.question {
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

    /// Moves the open request, also while something is asked about it.
    fn scroll(&mut self, key: Key) -> bool {
        let rows = match key {
            Key::Up | Key::Down => 1,
            Key::PageUp | Key::PageDown => ROWS_A_PAGE,
            _ => return false,
        };
        if !matches!(self.page, Page::Request(_)) {
            return false;
        }
        self.scrolled = match key {
            Key::Up | Key::PageUp => self.scrolled.saturating_sub(rows),
            // No further than the end: whoever draws knows where that is.
            _ => self.scrolled.saturating_add(rows),
        };
        true
    }

    fn show(&mut self, page: Page) {
        self.page = page;
        self.scrolled = 0;
    }

    /// Pasted text: typed in one go, where something is asked. A line break in it answers nothing, and no letter of it is a command.
    pub(crate) fn paste(&mut self, text: &str) {
        if let Some(question) = self.question {
            text.chars().filter(|c| !c.is_control()).for_each(|c| drop(self.type_key(question, Key::Char(c))));
        }
    }

    fn command(&mut self, key: Key) -> Option<Action> {
        match (self.page.clone(), key) {
            (_, Key::Char('q')) if self.news.requests.is_empty() => return Some(Action::Quit),
            (_, Key::Char('q')) => self.begin(Question::Quit),
            (_, Key::Char('r')) => return Some(Action::Reconnect),
            (Page::Requests, Key::Char('h')) => self.show(Page::History),
            (Page::Requests, Key::Down | Key::Char('j')) => {
                self.selected = (self.selected + 1).min(self.news.requests.len().saturating_sub(1));
            }
            (Page::Requests, Key::Up | Key::Char('k')) => self.selected = self.selected.saturating_sub(1),
            (Page::Requests, Key::Enter) => {
                if let Some(request) = self.news.requests.get(self.selected) {
                    self.show(Page::Request(request.id.clone()));
                }
            }
            (Page::Request(_) | Page::History, Key::Escape) => self.show(Page::Requests),
            (Page::Request(_), Key::Char('a')) if !self.fits => {
                self.notice("this window is too small to show what is asked for: make it larger first".into());
            }
            (Page::Request(_), Key::Char('a')) => {
                self.answers = Answers::default();
                let first_use = self.open().is_some_and(|request| request.verified.first_use);
                self.begin(if first_use { Question::Grant } else { Question::Number });
            }
            (Page::Request(_), Key::Char('d')) => self.begin(Question::Reason),
            (Page::Request(_), Key::Char('b')) => self.begin(Question::Block),
            _ => {}
        }
        None
    }

    fn type_key(&mut self, question: Question, key: Key) -> Option<Action> {
        match key {
            Key::Escape => {
                self.end_question();
                return (question == Question::Passphrase).then_some(Action::Passphrase(None));
            }
            Key::Backspace => drop(self.input.pop()),
            Key::Char(c) if self.input.len() + c.len_utf8() <= MAX_INPUT => self.input.push(c),
            Key::Enter => return self.answer(question),
            _ => {}
        }
        None
    }

    /// What was typed answers the question; the next one follows, or the deed.
    fn answer(&mut self, question: Question) -> Option<Action> {
        let typed = Zeroizing::new(self.input.trim().to_owned());
        if question == Question::Passphrase {
            let typed = Secret(Zeroizing::new(self.input.as_str().to_owned()));
            self.end_question();
            return Some(Action::Passphrase(Some(typed)));
        }
        let yes_or_no = match typed.to_ascii_lowercase().as_str() {
            "y" | "yes" => Some(true),
            "n" | "no" => Some(false),
            _ => None,
        };
        if question == Question::Quit {
            match yes_or_no {
                Some(true) => return Some(Action::Quit),
                Some(false) => self.end_question(),
                None => self.again("answer yes or no"),
            }
            return None;
        }
        let request = self.open()?;
        let (id, digits, most) = (request.id.clone(), usize::from(request.digits), request.verified.codes);
        match question {
            Question::Passphrase | Question::Quit => return None,
            Question::Grant => match yes_or_no {
                Some(grant) => {
                    let enrolls = request.verified.kind == countersign_mobile::RequestKind::Enroll;
                    if !grant && !enrolls {
                        self.end_question();
                        return self.act(Action::Deny { id, reason: "not allowed to use this seed".into() });
                    }
                    self.answers.grant = grant;
                    self.begin(Question::Number);
                }
                None => self.again("answer yes or no"),
            },
            Question::Number => {
                let number: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
                // What is no number at all is a slip, not a guess.
                if number.len() != digits || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                    self.again(&format!("type the {digits} digits that the job's log shows"));
                    return None;
                }
                self.answers.number = number;
                return self.after(Question::Number);
            }
            Question::Codes => match typed.parse::<u8>() {
                _ if typed.is_empty() => return self.after(Question::Codes),
                Ok(codes) if (1..=most).contains(&codes) => {
                    self.answers.codes = Some(codes);
                    return self.after(Question::Codes);
                }
                _ => self.again(&format!("a number from 1 to {most}")),
            },
            Question::Seed => {
                self.answers.seed = Some(Secret(typed));
                return self.after(Question::Seed);
            }
            Question::Reason => {
                let reason = typed.to_string();
                self.end_question();
                return self.act(Action::Deny { id, reason });
            }
            Question::Block => match yes_or_no {
                Some(true) => {
                    self.end_question();
                    return self.act(Action::Block { id });
                }
                Some(false) => self.end_question(),
                None => self.again("answer yes or no"),
            },
        }
        None
    }

    /// The next question of an approval after this one, or the approval.
    fn after(&mut self, question: Question) -> Option<Action> {
        let request = self.open()?;
        let (id, several, needs_seed) = (request.id.clone(), request.verified.codes > 1, request.needs_seed);
        if question == Question::Number && several {
            self.begin(Question::Codes);
            return None;
        }
        if question != Question::Seed && needs_seed {
            self.begin(Question::Seed);
            return None;
        }
        self.end_question();
        let Answers { grant, number, codes, seed } = std::mem::take(&mut self.answers);
        self.act(Action::Approve { id, number, codes, grant, seed })
    }

    fn act(&mut self, action: Action) -> Option<Action> {
        self.busy = true;
        if let Action::Approve { id, .. } = &action {
            self.approving = Some(id.clone());
        }
        Some(action)
    }

    fn begin(&mut self, question: Question) {
        self.wipe();
        self.slip = None;
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
