//! The only place that prints, besides the log.

use std::io::Write as _;

/// The one line on standard output of a relay that runs, for scripts.
pub(super) fn listening(url: &str) {
    answer(&format!("listening on {url}"));
}

/// What `check` answers.
pub(super) fn answer(text: &str) {
    // Nobody has to listen.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    // A script that reads a pipe waits for it.
    let _ = out.flush();
}

/// A line for the operator, where there is no log yet.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "countersign-relay: {text}");
}
