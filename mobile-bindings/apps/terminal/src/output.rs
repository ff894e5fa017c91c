//! The one place that prints: results to stdout, for scripts; everything else to stderr.
#![allow(clippy::print_stderr, reason = "this is the output module")]

use std::io::{self, Write as _};

/// A line of the result, out at once.
///
/// # Errors
/// When stdout is gone.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| io::Error::new(error.kind(), format!("the result could not be written to standard output: {error}")))
}

/// Lines of a list. Whoever has read enough of it, such as `head`, may end it.
///
/// # Errors
/// When stdout can't be written to.
pub(crate) fn list(lines: impl IntoIterator<Item = String>) -> io::Result<()> {
    for text in lines {
        match line(&text) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            written => written?,
        }
    }
    Ok(())
}

/// A line for the person.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A question; the answer comes on the same line.
pub(crate) fn question(text: &str) {
    eprint!("{text}: ");
}
