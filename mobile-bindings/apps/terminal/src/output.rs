//! The one place that prints: results to stdout, for scripts; everything else to stderr.

use std::io::{self, Write as _};

use crate::wrap::hanging_surely;

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
    // Where the terminal has gone nobody reads it, and a question that is being asked must still come to its end.
    let _ = writeln!(io::stderr(), "{text}");
}

/// A question; the answer comes on the same line. It may name what a job claims: what goes on in the next line is indented.
pub(crate) fn question(text: &str) {
    let text = format!("{text}:");
    let rows = width().map_or_else(|| vec![text.clone()], |width| hanging_surely("", "  ", &text, width));
    let _ = write!(io::stderr(), "{} ", rows.join("\n"));
}

/// Columns for the person, if there is a terminal. One less than it has: a full line may be broken.
pub(crate) fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    // One that does not say how wide it is.
    Some(if size.ws_col == 0 { 80 } else { usize::from(size.ws_col) }.saturating_sub(1))
}
