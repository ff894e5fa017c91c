//! The only place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the output module of the binary")]

use std::io::Write as _;

/// The one line on standard output, for scripts.
pub(crate) fn listening(url: &str) {
    println!("listening on {url}");
    // A script that reads a pipe waits for it.
    let _ = std::io::stdout().flush();
}

/// A line for the operator.
pub(crate) fn log(line: &str) {
    eprintln!("countersign-relay: {line}");
}
