//! `countersign`: see `countersign --help` and docs/CLI.md.

use std::process::ExitCode;

use clap::Parser as _;
use countersign::{
    cli::{self, Cli},
    exit::Exit,
    problem::Problem,
    ui::Ui,
};

/// Everything that is freed is wiped, also what libraries worked on.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    let hardened = countersign_link::harden();
    let ui = Ui::detect();
    if cli::is_holder(std::env::args_os()) {
        return ended(cli::hold(), ui);
    }
    let (cli, ui) = match Cli::try_parse() {
        Ok(cli) => {
            let ui = ui.for_program(cli.is_for_program());
            (cli, ui)
        }
        Err(error) => {
            // Help and version come as errors too, with the code 0. Nobody is left to tell when this can't be printed.
            if error.use_stderr() {
                if cli::asks_for_json(std::env::args_os()) {
                    return ui.for_program(true).fail(&cli::misuse(&error));
                }
                // What was typed in a wrong place may be a secret.
                ui.raw(error.render().to_string().trim_end());
                return Exit::BadConfig.code().into();
            }
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
    };
    if let Err(error) = hardened {
        ui.say(&format!("warning: cannot protect this process's memory: {error}"));
    }
    ended(cli::run(cli, ui), ui)
}

/// The exit code, told before if it is that of a problem.
fn ended(result: Result<u8, Problem>, ui: Ui) -> ExitCode {
    match result {
        Ok(code) => code.into(),
        Err(problem) => ui.fail(&problem),
    }
}
