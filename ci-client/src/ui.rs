//! The one place that prints: everything on standard error, except what a command was asked for.

use std::io::{self, IsTerminal as _, Write as _};

use countersign_link::Clock;
use zeroize::Zeroizing;

use crate::{
    event::{Event, Text},
    platform::{Platform, append_summary, is_ci},
    problem::Problem,
    redact::redact,
};

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    /// Standard error is a terminal that shows a moving line.
    pub terminal: bool,
    /// It is, and `NO_COLOR` is not set.
    pub color: bool,
    /// Standard error is for a program: an object a line.
    pub json: bool,
    /// Whose log standard error is.
    pub platform: Option<&'static Platform>,
}

impl Ui {
    /// Looks at standard error, `NO_COLOR`, `CI` and the platform's variables.
    #[must_use]
    pub fn detect() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let platform = Platform::of_this_process();
        // Some platforms give a job a terminal (Buildkite does); its log still keeps every turn of a spinner.
        let terminal = io::stderr().is_terminal()
            && platform.is_none()
            && !is_ci(std::env::var_os("CI").as_deref())
            && !is_dumb(std::env::var_os("TERM").as_deref());
        Self { terminal, color: terminal && !is_set("NO_COLOR"), json: false, platform }
    }

    /// The same, for a program to read if `json`.
    #[must_use]
    pub fn for_program(self, json: bool) -> Self {
        if json { Self { terminal: false, color: false, json, ..self } } else { self }
    }

    /// `countersign: text`
    pub fn say(&self, text: &str) {
        if self.json {
            self.write(&Event::Note { text: Text(text) });
        } else {
            self.raw(&format!("countersign: {}", visible(text)));
        }
    }

    /// `hint: text`
    pub fn hint(&self, text: &str) {
        if self.json {
            self.write(&Event::Note { text: Text(text) });
        } else {
            self.raw(&format!("hint: {}", visible(text)));
        }
    }

    /// The end of the program by this problem. The one place that makes a `failed` event, and what it gives is the exit code that the event
    /// names: so the two can't differ.
    #[must_use]
    pub fn fail(&self, problem: &Problem) -> std::process::ExitCode {
        let exit = problem.exit.code();
        if self.json {
            let hint = problem.hint.as_deref().map(Text);
            self.write(&Event::Failed { exit, kind: problem.exit, message: Text(&problem.message), hint });
        } else {
            self.problem(problem);
        }
        exit.into()
    }

    /// A problem and its hint, which does not end the program; for a program two notes.
    pub fn problem(&self, problem: &Problem) {
        self.say(&problem.message);
        if let Some(hint) = &problem.hint {
            self.hint(hint);
        }
    }

    /// An event for a program, or else `countersign: text` for a human.
    pub(crate) fn tell(&self, event: &Event<'_>, text: &str) {
        if self.json { self.write(event) } else { self.say(text) }
    }

    /// An event, if that is what standard error is for.
    pub(crate) fn event(&self, event: &Event<'_>) {
        if self.json {
            self.write(event);
        }
    }

    /// A line as it is, but for secrets and for what the platform would take for a command.
    pub fn raw(&self, line: &str) {
        if self.json {
            if !line.is_empty() {
                self.write(&Event::Note { text: Text(line) });
            }
            return;
        }
        let line = redact(line);
        let line = self.platform.map_or_else(|| line.clone(), |platform| platform.dialect.harmless(&line));
        write_line(&line);
    }

    /// A line that the platform shall take for a command.
    pub(crate) fn command(&self, line: &str) {
        write_line(line);
    }

    /// These lines, folded where the platform's log can do that.
    pub(crate) fn folded(&self, title: &str, lines: &[String]) {
        if self.json || lines.is_empty() {
            return;
        }
        let dialect = self.platform.map(|platform| platform.dialect);
        match dialect.and_then(|dialect| dialect.fold(title, Clock::start().now().unix)) {
            Some(fold) => self.command(&fold),
            None => self.say(title),
        }
        lines.iter().for_each(|line| self.raw(&format!("    {}", visible(line))));
        if let Some(end) = dialect.and_then(|dialect| dialect.end_fold(Clock::start().now().unix)) {
            self.command(&end);
        }
    }

    /// Points something out where the platform has a way to; stands beside ordinary lines.
    pub(crate) fn notice(&self, title: &str, text: &str) {
        if let Some(notice) = self.platform.filter(|_| !self.json).and_then(|platform| platform.dialect.notice(title, text)) {
            self.command(&notice);
        }
    }

    /// A line on the page of the job, where there is one.
    pub(crate) fn summary(&self, text: &str) {
        if self.platform.is_some() {
            append_summary(&redact(text));
        }
    }

    fn write(&self, event: &Event<'_>) {
        write_line(&event_line(event));
    }

    /// A question; the answer is typed on the same line.
    pub fn ask(&self, question: &str) {
        if self.json {
            return self.say(question);
        }
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
                return Err(Problem::config(
                    "standard output is closed or /dev/null, where what this prints would be lost; nothing was done",
                )
                .hint("let it go where the code is wanted, as in `otp=$(countersign next npm)`; the log is on standard error"));
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

    /// What the command was asked for as JSON, on standard output.
    ///
    /// # Errors
    /// As [`Ui::print`].
    pub(crate) fn print_json(&self, value: &serde_json::Value) -> Result<(), Problem> {
        self.print(&value.to_string())
    }
}

/// A terminal that knows no escape sequences; one without `TERM` says nothing of that.
fn is_dumb(term: Option<&std::ffi::OsStr>) -> bool {
    term.is_some_and(|term| term == "dumb")
}

/// In one piece, so that nothing of another process comes between a line and its end. It may hold a code that is to be masked.
fn write_line(line: &str) {
    let mut whole = Zeroizing::new(String::with_capacity(line.len() + 1));
    whole.push_str(line);
    whole.push('\n');
    // Nobody is left to tell when standard error is gone.
    let _ = io::stderr().lock().write_all(whole.as_bytes());
}

/// The JSON of an event. Two `#` stand only in its texts, where a platform could take them for the beginning of a command: the second is escaped.
fn event_line(event: &Event<'_>) -> String {
    event.to_line().replace("##", "#\\u0023")
}

/// Control characters could hide a line, or make the log's platform see one of its own markers; so could what begins a line of its own.
fn visible(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect();
    shown.replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(visible("a\r\u{1b}[0Kb\n\tc"), "a\u{fffd}\u{fffd}[0Kb\n    \tc");
    }

    #[test]
    fn events_hold_no_command() {
        let text = "##[stop-commands]x ###vso[a]";
        let line = event_line(&Event::Note { text: Text(text) });
        assert_eq!(line, "{\"event\":\"note\",\"text\":\"#\\u0023[stop-commands]x #\\u0023#vso[a]\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["text"], text);
    }

    #[test]
    fn a_dumb_terminal_gets_neither_colours_nor_a_moving_line() {
        assert!(is_dumb(Some("dumb".as_ref())) && !is_dumb(Some("xterm-256color".as_ref())) && !is_dumb(None));
    }

    #[test]
    fn a_program_gets_no_colours() {
        let ui = Ui { terminal: true, color: true, json: false, platform: None }.for_program(true);
        assert!(ui.json && !ui.terminal && !ui.color);
    }
}
