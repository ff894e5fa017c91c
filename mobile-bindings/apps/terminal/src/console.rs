//! The person at the terminal: questions, answers, and what happens meanwhile.
//!
//! A question that is no longer worth an answer is dropped: because the request was withdrawn, or because the program is to end. Each question reads
//! exactly one line of standard input and not a byte more, so that scripts can answer.

use std::{
    collections::VecDeque,
    io::IsTerminal as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use countersign_mobile::{Attention, Event, Gone, Observer, ObserverError};
use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::{Zeroize as _, Zeroizing};

use crate::output;

/// Longest line that is read.
const MAX_LINE: usize = 16 * 1024;

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
}

#[derive(Default)]
struct State {
    /// A thread is reading a line.
    reading: bool,
    /// A line that was read, or the end.
    line: Option<Result<Zeroizing<String>, NoAnswer>>,
    events: VecDeque<Event>,
    stopped: bool,
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
        Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), terminal })
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

    /// Whether there was a Ctrl-C or SIGTERM.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
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

    /// How the last question went wrong, since [`Console::watch`] or the last call.
    pub(crate) fn take_no_answer(&self) -> Option<NoAnswer> {
        self.lock().no_answer.take()
    }

    /// Asks for a line. `secret`: the terminal shows nothing of it.
    ///
    /// # Errors
    /// Every variant of [`NoAnswer`].
    pub(crate) fn ask(self: &Arc<Self>, text: &str, secret: bool) -> Result<Zeroizing<String>, NoAnswer> {
        if self.terminal {
            // What was typed before the question was on screen does not answer it.
            let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
        }
        self.answer(text, secret)
    }

    /// Asks for another line of what may have been pasted at once.
    ///
    /// # Errors
    /// Every variant of [`NoAnswer`].
    pub(crate) fn ask_more(self: &Arc<Self>, text: &str) -> Result<Zeroizing<String>, NoAnswer> {
        self.answer(text, false)
    }

    fn answer(self: &Arc<Self>, text: &str, secret: bool) -> Result<Zeroizing<String>, NoAnswer> {
        loop {
            match self.answer_once(text, secret) {
                // A slip of the hand; a script can't mend it.
                Err(why @ NoAnswer::NotText) if self.terminal => output::note(&why.to_string()),
                answer => return answer,
            }
        }
    }

    fn answer_once(self: &Arc<Self>, text: &str, secret: bool) -> Result<Zeroizing<String>, NoAnswer> {
        // Before the question is there: from then on nothing that is typed may be shown or lost.
        let hidden = (secret && self.terminal).then(Hidden::begin).flatten();
        output::question(text);
        let answer = self.line();
        if hidden.is_some() || answer.is_err() || !self.terminal {
            // The cursor is still on the line of the question.
            output::note("");
        }
        drop(hidden);
        if let Err(why) = answer {
            self.lock().no_answer = Some(why);
            if self.terminal {
                // What was half typed must not answer the next question.
                let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
            }
        }
        answer
    }

    fn line(self: &Arc<Self>) -> Result<Zeroizing<String>, NoAnswer> {
        let mut state = self.lock();
        if self.terminal {
            // Typed for a question that was dropped.
            state.line = None;
        }
        loop {
            if state.stopped {
                return Err(NoAnswer::Stopped);
            }
            if state.dropped {
                return Err(NoAnswer::Dropped);
            }
            if let Some(line) = state.line.take() {
                return line;
            }
            if !state.reading {
                state.reading = true;
                let console = self.clone();
                std::thread::spawn(move || {
                    let line = read_line();
                    let mut state = console.lock();
                    state.reading = false;
                    state.line = Some(line);
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

/// The engine tells the console.
pub(crate) struct Events(pub(crate) Arc<Console>);

impl Observer for Events {
    fn on_event(&self, event: Event) -> Result<(), ObserverError> {
        // Said when the phone was opened, whatever the command.
        if matches!(event, Event::AttentionNeeded { attention: Attention::Lost { .. } }) {
            return Ok(());
        }
        let mut state = self.0.lock();
        if let Event::RequestGone { id, why: Gone::Withdrawn } = &event
            && state.watched.as_ref() == Some(id)
        {
            state.dropped = true;
        }
        state.events.push_back(event);
        self.0.changed.notify_all();
        Ok(())
    }
}

/// Byte by byte: what follows the line belongs to the next question, and no buffer keeps a copy of a passphrase.
fn read_line() -> Result<Zeroizing<String>, NoAnswer> {
    let stdin = std::io::stdin();
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    loop {
        let mut byte = [0_u8; 1];
        match rustix::io::read(&stdin, &mut byte) {
            Ok(0) if line.is_empty() => return Err(NoAnswer::End),
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if line.len() < MAX_LINE => line.extend_from_slice(&byte),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(NoAnswer::End),
        }
        byte.zeroize();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    std::str::from_utf8(&line).map(|line| Zeroizing::new(line.to_owned())).map_err(|_| NoAnswer::NotText)
}

/// The terminal shows nothing of what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent).ok()?;
        Some(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is no better state to bring the terminal to.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
