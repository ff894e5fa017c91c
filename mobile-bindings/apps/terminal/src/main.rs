//! `countersign-phone`: a complete authenticator in a terminal, on the same public API that a phone app uses.

mod app;
mod args;
mod backup;
mod commands;
mod console;
mod enroll;
mod find;
mod keychain;
mod new_passphrase;
mod output;
mod run;
mod screen;
mod sealed_text;
mod show;
mod state;
mod time_text;
mod wake_up;
mod wrap;

use std::process::ExitCode;

use clap::Parser as _;

/// Everything that is freed is wiped, also what libraries worked on.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    if let Err(error) = countersign_link::harden() {
        output::note(&format!("warning: this process could not be protected from other programs: {error}"));
    }
    if std::env::args_os().any(|argument| is_seed(argument.as_encoded_bytes())) {
        output::note(
            "countersign-phone: a seed is no argument, and was not looked at: other programs and the shell's history have it now; countersign-phone enroll asks for it",
        );
        return ExitCode::FAILURE;
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Where even this can't be written nobody reads it.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match commands::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let why = error.downcast_ref().map_or_else(|| format!("{error:#}"), show::failure);
            output::note(&format!("countersign-phone: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// What every message about a wrong argument would repeat.
fn is_seed(argument: &[u8]) -> bool {
    ["otpauth://", "otpauth-migration://"].iter().any(|scheme| argument.starts_with(scheme.as_bytes()))
}
