//! The only place that prints, besides the log.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the output module of the program")]

use std::io::Write as _;

/// The one line on standard output of a relay that runs, for scripts.
pub(super) fn listening(url: &str) {
    println!("listening on {url}");
    // A script that reads a pipe waits for it.
    let _ = std::io::stdout().flush();
}

/// What `check` answers.
pub(super) fn answer(text: &str) {
    println!("{text}");
}

/// A line for the operator, where there is no log yet.
pub(super) fn line(text: &str) {
    eprintln!("countersign-relay: {text}");
}
