//! The person at the terminal: questions, answers, and what happens meanwhile.
//!
//! A question that is no longer worth an answer is dropped: because the request was withdrawn, or because the program is to end. Each question reads
//! exactly one line of standard input and not a byte more, so that scripts can answer.

mod tty;
mod wanted;

use std::{
    collections::VecDeque,
    fmt::Display,
    io::IsTerminal as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use countersign_mobile::{Event, Observer, ObserverError};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::output;
use tty::{Hidden, read_line};
pub(crate) use wanted::{Wanted, Wanting};

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Standard input ended.
    #[error("standard input ended before the question was answered; nothing was decided")]
    End,
    /// The line is no text.
    #[error("what was given is not UTF-8 text; type it on a terminal that is set to UTF-8, or use other characters")]
    NotText,
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Stopped,
    /// The request that was asked about is gone.
    #[error("the request is gone")]
    Dropped,
}

/// How long a program that ends waits for Enter: what is typed on would be the shell's.
const STRAY: Duration = Duration::from_secs(10);

/// What woke [`Console::wait`].
pub(crate) enum Wake {
    Event(Box<Event>),
    Stopped,
    TimedOut,
}

/// Shared by the asking thread, the engine's thread, the reading thread and the signal thread.
pub(crate) struct Console {
    state: Mutex<State>,
    changed: Condvar,
    terminal: bool,
    /// What Ctrl-Z sends; it stops nothing while what is typed is hidden.
    stop_key: Option<u8>,
}

#[derive(Default)]
struct State {
    /// A thread is reading a line.
    reading: bool,
    /// A line that was read, or the end.
    line: Option<Result<Zeroizing<String>, NoAnswer>>,
    events: VecDeque<Event>,
    stopped: bool,
    /// A question is on the terminal.
    asking: bool,
    /// A hidden question went away under the fingers of whoever was typing: until Enter nothing is shown, and what comes answers nothing.
    stray: Option<Hidden>,
    /// The request that is being asked about.
    watched: Option<String>,
    /// That request is gone.
    dropped: bool,
    /// How the last question went wrong.
    no_answer: Option<NoAnswer>,
}

impl Console {
    pub(crate) fn new() -> Arc<Self> {
        let terminal = std::io::stdin().is_terminal();
        let stop_key = if terminal { tty::stop_key() } else { None };
        Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), terminal, stop_key })
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// From now on Ctrl-C and SIGTERM end questions instead of the process.
    pub(crate) fn catch_signals(self: &Arc<Self>) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime for signals")?;
        let mut signals = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
        };
        let console = self.clone();
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = signals.0.recv() => {}
                    _ = signals.1.recv() => {}
                    _ = signals.2.recv() => {}
                }
            });
            console.lock().stopped = true;
            console.changed.notify_all();
        });
        Ok(())
    }

    /// Blocks until Ctrl-C or SIGTERM.
    pub(crate) fn wait_stopped(&self) {
        let state = self.lock();
        drop(self.changed.wait_while(state, |state| !state.stopped));
    }

    /// Questions from now on are about this request.
    pub(crate) fn watch(&self, request: &str) {
        let mut state = self.lock();
        state.watched = Some(request.to_owned());
        state.dropped = false;
        state.no_answer = None;
    }

    pub(crate) fn unwatch(&self) {
        let mut state = self.lock();
        state.watched = None;
        state.dropped = false;
    }

    /// Whether questions are about a request.
    pub(crate) fn is_watching(&self) -> bool {
        self.lock().watched.is_some()
    }

    /// How the last question went wrong, since [`Console::watch`] or the last call.
    pub(crate) fn take_no_answer(&self) -> Option<NoAnswer> {
        self.lock().no_answer.take()
    }

    /// Waits until whoever was typing for a hidden question that went away is done with it, or has gone away.
    pub(crate) fn end_stray(&self) {
        let state = self.lock();
        let types = |state: &mut State| state.stray.is_some() && !state.stopped;
        let (mut state, _) = self.changed.wait_timeout_while(state, STRAY, types).unwrap_or_else(PoisonError::into_inner);
        if let Some(hidden) = state.stray.take() {
            // Before it could be shown.
            tty::forget_typed();
            drop(hidden);
        }
    }

    /// Asks for a line. `secret`: the terminal shows nothing of it.
    ///
    /// # Errors
    /// Every variant of [`NoAnswer`].
    pub(crate) fn ask(self: &Arc<Self>, text: &str, secret: bool) -> Result<Zeroizing<String>, NoAnswer> {
        self.ask_while(text, secret, &Wanted::default())
    }

    /// Asks as long as somebody wants the answer.
    ///
    /// # Errors
    /// Every variant of [`NoAnswer`].
    pub(crate) fn ask_while(self: &Arc<Self>, text: &str, secret: bool, wanted: &Wanted) -> Result<Zeroizing<String>, NoAnswer> {
        self.answer(text, secret, true, wanted)
    }

    /// On a terminal what went wrong by a slip of the hand is said and done again, until it is right or nobody answers any more: whoever is told to type
    /// again and has no program there types a secret into the shell. The next line of a script answers another question.
    ///
    /// # Errors
    /// Those of `attempt`.
    pub(crate) fn until_right<T, E: Display>(
        &self,
        is_slip: impl Fn(&E) -> bool,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        loop {
            match attempt() {
                Err(error) if self.terminal && is_slip(&error) => output::note(&error.to_string()),
                ended => return ended,
            }
        }
    }

    /// Asks for another line of what may have been pasted at once.
    ///
    /// # Errors
    /// Every variant of [`NoAnswer`].
    pub(crate) fn ask_more(self: &Arc<Self>, text: &str) -> Result<Zeroizing<String>, NoAnswer> {
        self.answer(text, false, false, &Wanted::default())
    }

    /// `afresh`: what was typed before the question was on screen does not answer it.
    fn answer(self: &Arc<Self>, text: &str, secret: bool, afresh: bool, wanted: &Wanted) -> Result<Zeroizing<String>, NoAnswer> {
        self.begin(wanted)?;
        let answer = loop {
            if afresh && self.terminal {
                tty::forget_typed();
            }
            match self.answer_once(text, secret, wanted) {
                // A slip of the hand; a script can't mend it.
                Err(why @ NoAnswer::NotText) if self.terminal => output::note(&why.to_string()),
                answer => break answer,
            }
        };
        let mut state = self.lock();
        state.asking = false;
        if let Err(why) = answer {
            state.note(why);
        }
        self.changed.notify_all();
        answer
    }

    /// The terminal is this question's, as soon as nobody types for another any more.
    fn begin(&self, wanted: &Wanted) -> Result<(), NoAnswer> {
        let mut state = self.lock();
        if state.stray.is_some() {
            output::note("press Enter first: what you type goes nowhere until then");
        }
        loop {
            if let Some(why) = state.end_of(wanted) {
                state.note(why);
                return Err(why);
            }
            if state.stray.is_none() {
                state.asking = true;
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn answer_once(self: &Arc<Self>, text: &str, secret: bool, wanted: &Wanted) -> Result<Zeroizing<String>, NoAnswer> {
        // Before the question is there: from then on nothing that is typed may be shown or lost.
        let mut hidden = (secret && self.terminal).then(Hidden::begin).flatten();
        let is_hidden = hidden.is_some();
        output::question(text);
        let answer = self.line(wanted, &mut hidden);
        if is_hidden || answer.is_err() || !self.terminal {
            // The cursor is still on the line of the question.
            output::note("");
        }
        if is_hidden && hidden.is_none() {
            output::note("what was asked for is gone, and what you type goes nowhere: press Enter");
        } else if answer.is_err() && self.terminal {
            // What was half typed must not answer the next question.
            tty::forget_typed();
        }
        answer
    }

    /// `hidden`: taken if the question went away and somebody may be typing.
    fn line(self: &Arc<Self>, wanted: &Wanted, hidden: &mut Option<Hidden>) -> Result<Zeroizing<String>, NoAnswer> {
        let mut state = self.lock();
        if self.terminal {
            // Typed for a question that was dropped.
            state.line = None;
        }
        loop {
            if let Some(why) = state.end_of(wanted) {
                if why == NoAnswer::Dropped && state.reading {
                    state.stray = hidden.take();
                }
                return Err(why);
            }
            if let Some(line) = state.line.take() {
                return line;
            }
            if !state.reading {
                state.reading = true;
                let console = self.clone();
                std::thread::spawn(move || {
                    let line = read_line(console.stop_key);
                    let mut state = console.lock();
                    state.reading = false;
                    // Whoever typed it on typed it for a question that is gone.
                    if state.stray.take().is_none() {
                        state.line = Some(line);
                    }
                    console.changed.notify_all();
                });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next event, or the end, or nothing for `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Wake {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(event) = state.events.pop_front() {
                return Wake::Event(Box::new(event));
            }
            if state.stopped {
                return Wake::Stopped;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Wake::TimedOut;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How a question went wrong. One that only its asker wants no more says nothing about the request that is watched by now.
    fn note(&mut self, why: NoAnswer) {
        if why != NoAnswer::Dropped || self.dropped {
            self.no_answer = Some(why);
        }
    }

    /// Why a question is to end without an answer.
    fn end_of(&self, wanted: &Wanted) -> Option<NoAnswer> {
        match (self.stopped, self.dropped || wanted.is_over()) {
            (true, _) => Some(NoAnswer::Stopped),
            (false, true) => Some(NoAnswer::Dropped),
            (false, false) => None,
        }
    }
}

/// The engine tells the console.
pub(crate) struct Events(pub(crate) Arc<Console>);

impl Observer for Events {
    fn on_event(&self, event: Event) -> Result<(), ObserverError> {
        let mut state = self.0.lock();
        if let Event::RequestGone { id, .. } = &event
            && state.watched.as_ref() == Some(id)
        {
            state.dropped = true;
        }
        state.events.push_back(event);
        self.0.changed.notify_all();
        Ok(())
    }
}
