//! The program against a real relay and a phone.
//!
//! These tests mostly wait: a code is of a step of time, and no step serves twice. So they are one program, which runs more of them at once than
//! there are cores. A test is a function that is in the list at the end of its file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the harness prints what tests come to")]
#![cfg_attr(not(unix), allow(missing_docs))]

#[cfg(unix)]
#[macro_use]
mod harness;

#[cfg(unix)]
mod artifact;
#[cfg(unix)]
mod codes;
#[cfg(unix)]
mod command_output;
#[cfg(unix)]
mod common;
#[cfg(unix)]
mod killed;
#[cfg(unix)]
mod machine;
#[cfg(unix)]
mod notify;
#[cfg(unix)]
mod over_a_relay;
#[cfg(unix)]
mod platforms;
#[cfg(unix)]
mod retry;

/// How many run at once unless something else is said.
#[cfg(unix)]
const AT_ONCE: usize = 16;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    // Those that wait longest come first.
    let tests = [
        codes::tests(),
        retry::tests(),
        platforms::tests(),
        killed::tests(),
        notify::tests(),
        machine::tests(),
        over_a_relay::tests(),
        artifact::tests(),
        command_output::tests(),
    ];
    harness::run(tests.into_iter().flatten().collect(), AT_ONCE)
}

#[cfg(not(unix))]
fn main() {}
