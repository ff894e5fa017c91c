//! The one place that prints: everything on standard error, except what a command was asked for.

use std::io::{self, IsTerminal as _, Write as _};

use crate::{problem::Problem, redact::redact};

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// Standard error is a terminal.
    pub terminal: bool,
    /// It is, and `NO_COLOR` is not set.
    pub color: bool,
}

impl Ui {
    /// Looks at standard error and `NO_COLOR`.
    #[must_use]
    pub fn detect() -> Self {
        let terminal = io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { terminal, color: terminal && !no_color }
    }

    /// `countersign: text`
    pub fn say(&self, text: &str) {
        self.raw(&format!("countersign: {text}"));
    }

    /// `hint: text`
    pub fn hint(&self, text: &str) {
        self.raw(&format!("hint: {text}"));
    }

    /// A problem and its hint.
    pub fn problem(&self, problem: &Problem) {
        self.say(&problem.message);
        if let Some(hint) = &problem.hint {
            self.hint(hint);
        }
    }

    /// A line as it is.
    pub fn raw(&self, line: &str) {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{}", redact(line));
    }

    /// A question; the answer is typed on the same line.
    pub fn ask(&self, question: &str) {
        let _ = write!(io::stderr().lock(), "countersign: {question} ").and_then(|()| io::stderr().flush());
    }

    /// `text`, emphasised where that is possible.
    #[must_use]
    pub fn bold(&self, text: &str) -> String {
        if self.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Refuses a standard output that is closed or thrown away: what it is for would be lost after a human was asked for it.
    ///
    /// # Errors
    /// [`Problem`].
    pub(crate) fn check_stdout(&self) -> Result<(), Problem> {
        #[cfg(unix)]
        {
            // A closed standard output is opened as /dev/null before main.
            let null = std::fs::File::open("/dev/null").ok().and_then(|null| rustix::fs::fstat(null).ok());
            let own = rustix::fs::fstat(io::stdout()).ok();
            if let (Some(null), Some(own)) = (null, own)
                && null.st_rdev == own.st_rdev
            {
                return Err(Problem::config("standard output is closed or /dev/null: the result would be lost; nobody was asked")
                    .hint("let standard output go where the result is wanted"));
            }
        }
        Ok(())
    }

    /// A line of what the command was asked for, on standard output.
    ///
    /// # Errors
    /// [`Problem`] if standard output is closed or full.
    pub fn print(&self, line: &str) -> Result<(), Problem> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(|error| Problem::config(format!("cannot write to standard output: {error}")))
    }
}
