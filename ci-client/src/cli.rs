//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    commands::{approve, close, code, completions, doctor, enroll, exec, list, man, next, pair, renew, serve, setup, targets, unpair},
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
    /// For programs: events on standard error, lists on standard output, each as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// Whether standard error is for a program.
    #[must_use]
    pub fn is_for_program(&self) -> bool {
        self.json
    }
}

/// Whether `--json` is among these arguments, which may be wrong otherwise; what follows `--` is the command's.
pub fn asks_for_json(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    arguments.into_iter().skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

#[derive(Debug, Subcommand)]
enum Command {
    Setup(setup::SetupArgs),
    Pair(pair::PairArgs),
    Enroll(enroll::EnrollArgs),
    Exec(exec::ExecArgs),
    Code(code::CodeArgs),
    Next(next::NextArgs),
    Serve(serve::ServeArgs),
    Approve(approve::ApproveArgs),
    Close(close::CloseArgs),
    Seeds(list::SeedsArgs),
    Phones(list::PhonesArgs),
    Targets(targets::TargetsArgs),
    Renew(renew::RenewArgs),
    Unpair(unpair::UnpairArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// What is wrong with the arguments, in one line.
#[must_use]
pub fn misuse(error: &clap::Error) -> Problem {
    let text = error.render().to_string();
    // The fault, and the arguments it is about; what follows an empty line is advice.
    let lines: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let line = lines.join(" ");
    Problem::config(line.strip_prefix("error: ").unwrap_or(&line)).hint("see `countersign --help`")
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

    /// Whether somebody says which file it is.
    pub(crate) fn is_named(&self) -> bool {
        crate::config::is_named(self.config.as_deref())
    }

    /// What it says.
    pub(crate) fn load(&self, ui: Ui) -> Result<crate::config::Config, Problem> {
        crate::config::Config::load_told(&self.path(), self.is_named(), ui)
    }

    /// As [`ConfigArg::path`], but `None` if nothing is named and there is none in the current folder.
    pub(crate) fn path_if_any(&self) -> Option<PathBuf> {
        let path = self.path();
        (path != std::path::Path::new(crate::config::DEFAULT_CONFIG) || path.exists()).then_some(path)
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
    block_on(async {
        match cli.command {
            Command::Setup(args) => setup::run(args, ui).await,
            Command::Pair(args) => pair::run(args, ui).await,
            Command::Enroll(args) => enroll::run(args, ui).await,
            Command::Exec(args) => exec::run(args, ui).await,
            Command::Code(args) => code::run(args, ui).await,
            Command::Next(args) => next::run(args, ui).await,
            Command::Serve(args) => serve::run(args, ui).await,
            Command::Approve(args) => approve::run(args, ui).await,
            Command::Close(args) => close::run(args, ui).await,
            Command::Seeds(args) => list::seeds(&args, ui),
            Command::Phones(args) => list::phones(&args, ui),
            Command::Targets(args) => targets::run(&args, ui),
            Command::Renew(args) => renew::run(args, ui).await,
            Command::Unpair(args) => unpair::run(&args, ui),
            Command::Doctor(args) => doctor::run(args, ui).await,
            Command::Completions(args) => completions::run(&args, ui),
            Command::Man(args) => man::run(&args, ui),
        }
    })
}

/// Whether this is the process that `approve` leaves. Its command is none for people: help, completions and manual pages don't know it.
#[must_use]
pub fn is_holder(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    arguments.into_iter().skip(1).eq([crate::codes::holder::COMMAND])
}

/// Keeps the codes that `countersign approve` was given, until their end.
///
/// # Errors
/// [`Problem`] if it was started by hand, or can't begin.
pub fn hold() -> Result<u8, Problem> {
    #[cfg(unix)]
    // Now: the runtime opens files of its own.
    crate::codes::holder::close_inherited();
    block_on(async { crate::codes::holder::hold().await.map(|()| 0) })
}

fn block_on(work: impl Future<Output = Result<u8, Problem>>) -> Result<u8, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::config(format!("cannot start: {error}")))?;
    let result = runtime.block_on(work);
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
    fn json_is_asked_for_before_the_command() {
        let asks = |line: &str| asks_for_json(line.split(' ').map(Into::into));
        assert!(asks("countersign --json exec npm -- npm publish") && asks("countersign exec npm --json --bad"));
        assert!(!asks("countersign exec npm -- npm view --json") && !asks("--json"));
    }

    #[test]
    fn the_holder_is_no_command_for_people() {
        let is = |line: &str| is_holder(line.split(' ').map(Into::into));
        assert!(is("countersign hold") && !is("countersign hold now") && !is("countersign exec hold") && !is("countersign --json hold"));
        assert!(Cli::command().get_subcommands().all(|command| command.get_name() != crate::codes::holder::COMMAND));
        let misuse = misuse(&Cli::try_parse_from(["countersign"]).unwrap_err());
        assert!(!format!("{misuse:?}").contains("hold"), "{misuse:?}");
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
