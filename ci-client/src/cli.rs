//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    commands::{code, doctor, enroll, exec, list, pair, renew, unpair},
    exit,
    problem::Problem,
    ui::Ui,
};

/// Gets a one-time password into a CI job after a maintainer approved it on a phone.
///
/// CI holds a seed that only the phone can open. A job asks through a blind relay; the maintainer types the number from the job's log on the
/// phone, and the job gets the code, nothing else.
#[derive(Debug, Parser)]
#[command(
    version,
    name = "countersign",
    max_term_width = 100,
    after_help = format!("{}\n{}", "Example:
  countersign pair --relay wss://relay.example.org --key-file ci.key
  countersign enroll npm --key-file ci.key
  COUNTERSIGN_KEY=... countersign exec npm -- npm publish
", exit::table())
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Pair(pair::PairArgs),
    Enroll(enroll::EnrollArgs),
    Exec(exec::ExecArgs),
    Code(code::CodeArgs),
    Seeds(list::SeedsArgs),
    Phones(list::PhonesArgs),
    Renew(renew::RenewArgs),
    Unpair(unpair::UnpairArgs),
    Doctor(doctor::DoctorArgs),
}

/// Where the config is.
#[derive(Debug, Args)]
pub(crate) struct ConfigArg {
    /// Configuration; else COUNTERSIGN_CONFIG, else countersign.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArg {
    pub(crate) fn path(&self) -> PathBuf {
        crate::config::locate(self.config.as_deref())
    }
}

/// Where the key is.
#[derive(Debug, Args)]
pub(crate) struct KeyArg {
    /// File with the key; else COUNTERSIGN_KEY, or COUNTERSIGN_KEY_FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// Runs a command; the exit code, which is not 0 only after `exec`.
///
/// # Errors
/// [`Problem`], to be shown, with its exit code.
pub fn run(cli: Cli, ui: Ui) -> Result<u8, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::config(format!("cannot start: {error}")))?;
    let result = runtime.block_on(async {
        match cli.command {
            Command::Pair(args) => pair::run(args, ui).await,
            Command::Enroll(args) => enroll::run(args, ui).await,
            Command::Exec(args) => exec::run(args, ui).await,
            Command::Code(args) => code::run(args, ui).await,
            Command::Seeds(args) => list::seeds(&args, ui),
            Command::Phones(args) => list::phones(&args, ui),
            Command::Renew(args) => renew::run(args, ui).await,
            Command::Unpair(args) => unpair::run(&args, ui),
            Command::Doctor(args) => doctor::run(args, ui).await,
        }
    });
    // A name that is still being looked up must not hold up the exit.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Example"), "{}", command.get_name());
        }
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        let help = Cli::command().render_help().to_string();
        for (exit, meaning) in exit::EXITS {
            assert!(help.contains(&format!("  {}  {meaning}", exit.code())), "{exit:?}");
        }
    }
}
