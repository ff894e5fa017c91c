//! The one place that prints: results to stdout, for scripts; everything else to stderr.
#![allow(clippy::print_stderr, reason = "this is the output module")]

use std::io::{self, Write as _};

/// A line of the result, out at once.
///
/// # Errors
/// When stdout is gone.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A line for the person.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A question; the answer comes on the same line.
pub(crate) fn question(text: &str) {
    eprint!("{text}: ");
}
