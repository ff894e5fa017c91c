//! The program `countersign-relay`, from its arguments to its exit code. In the library, so that tests and benchmarks run the same.

mod check;
mod exit;
mod file;
mod log;
mod names;
mod options;
mod output;
mod signals;

use std::{ffi::OsString, os::unix::net::UnixStream, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use countersign_core::relay::RelayUrl;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use crate::{Config, Relay, RelayError, clock::unix_now, limits::FEWEST_FILES};
use check::{Finding, check, ends_soon};
pub use exit::{EXITS, Exit};
use log::{LogFormat, LogLevel};
use options::Options;
use signals::Signals;

/// Standard input, output and error.
const STANDARD_FILES: u64 = 3;

/// Runs a blind relay: joins CI jobs and phones, reads nothing, stores nothing.
///
/// Prints one line on standard output, `listening on URL`, and everything else on standard error. Each option may also stand in
/// the environment or, under the same name, in the file that --config names; the command line wins, then the environment.
/// SIGTERM and SIGINT let circuits come to their end and stop it (twice: at once), SIGHUP reads certificate and key again.
#[derive(Debug, Parser)]
#[command(
    name = "countersign-relay",
    version,
    args_conflicts_with_subcommands = true,
    after_help = format!(
        "Examples:\n  countersign-relay\n  countersign-relay --config relay.toml\n  countersign-relay check --config relay.toml\n  \
         countersign-relay --listen 0.0.0.0:443 --origin wss://relay.example.org \\\n      \
         --tls-cert fullchain.pem --tls-key privkey.pem\n  \
         countersign-relay --origin wss://relay.example.org --trusted-proxy 127.0.0.1\n\n{}",
        exit::table()
    )
)]
struct Cli {
    #[command(flatten)]
    start: Start,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says whether a configuration is sound, with all that is wrong at once, and starts nothing
    Check(Start),
}

#[derive(Debug, Args)]
struct Start {
    /// File with options, TOML
    #[arg(long, env = "COUNTERSIGN_RELAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// Runs the program with these arguments, the first one being its name.
pub fn run(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as errors too. Nobody is left to tell when this can't be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::BadConfig.into() } else { ExitCode::SUCCESS };
        }
    };
    let (start, checking) = match cli.command {
        Some(Command::Check(start)) => (start, true),
        None => (cli.start, false),
    };
    let format = start.options.log_format();
    match start.options() {
        Ok(options) if checking => tell(&options).into(),
        Ok(options) => serve(options).into(),
        Err(errors) => {
            let errors = errors.iter().map(ToString::to_string).collect();
            if checking {
                output::answer(UNSOUND);
            }
            // The file's own format can't be known.
            refuse(errors, if checking { LogFormat::Human } else { format }).into()
        }
    }
}

/// Says what is wrong with a configuration that nothing is started with.
fn refuse(problems: Vec<String>, format: LogFormat) -> Exit {
    match format {
        LogFormat::Human => problems.iter().for_each(|problem| output::line(problem)),
        LogFormat::Json => {
            let _writes_until_the_end = log::init(format, LogLevel::default());
            for problem in problems {
                error!(event = "config_problem", "{problem}");
            }
        }
    }
    Exit::BadConfig
}

impl Start {
    /// Command line, environment and file in one.
    fn options(self) -> Result<Options, Vec<file::FileError>> {
        match &self.config {
            Some(file) => Ok(self.options.or(file::read(file)?)),
            None => Ok(self.options),
        }
    }
}

/// What `check` answers if the relay would not start.
const UNSOUND: &str = "the configuration can not work";

/// Says what is wrong with a configuration.
fn tell(options: &Options) -> Exit {
    let findings = findings(options);
    for finding in &findings {
        output::line(&finding.to_string());
    }
    if findings.iter().any(Finding::is_problem) {
        output::answer(UNSOUND);
        return Exit::BadConfig;
    }
    if findings.is_empty() {
        output::answer("the configuration is sound");
        return Exit::Success;
    }
    output::answer("the configuration works");
    Exit::Warned
}

fn findings(options: &Options) -> Vec<Finding> {
    let mut findings = check(options, unix_now(), getrlimit(Resource::Nofile).maximum);
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    findings.extend(names::strays(variables).into_iter().map(Finding::warning));
    findings
}

fn serve(options: Options) -> Exit {
    let findings = findings(&options);
    let format = options.log_format();
    let _writes_until_the_end = log::init(format, options.log_level());
    let (problems, warnings): (Vec<_>, Vec<_>) = findings.into_iter().partition(Finding::is_problem);
    if !problems.is_empty() {
        for problem in problems {
            match format {
                LogFormat::Human => output::line(&problem.to_string()),
                LogFormat::Json => error!(event = "config_problem", "{}", problem.text),
            }
        }
        return Exit::BadConfig;
    }
    for Finding { text, .. } in warnings {
        warn!(event = "config_warning", "{text}");
    }
    match run_relay(&options) {
        Ok(()) => Exit::Success,
        Err(error) => {
            match format {
                LogFormat::Human => output::line(&error.to_string()),
                LogFormat::Json => error!(event = "cannot_start", "{error}"),
            }
            match error {
                RelayError::Listen { .. } | RelayError::Admin { .. } | RelayError::Thread(_) | RelayError::Files(_) => Exit::Failed,
                RelayError::OriginMissing(_)
                | RelayError::Origin(_)
                | RelayError::Tls(_)
                | RelayError::PushKeys(_)
                | RelayError::Nats(_) => Exit::BadConfig,
            }
        }
    }
}

fn run_relay(options: &Options) -> Result<(), RelayError> {
    let files = raise_file_limit();
    try_files()?;
    // One thread: the switch is one, and forwarding is cheap.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RelayError::Thread)?;
    runtime.block_on(async { serve_until_signals(options.config(files)?).await })
}

async fn serve_until_signals(config: Config) -> Result<(), RelayError> {
    let origins = config.origins.clone();
    let max_connections = config.limits.max_connections;
    let relay = Relay::bind(config).await?;
    let tls = relay.tls();
    let Signals { first, second } = signals::listen(move || reload(tls.as_deref(), &origins));
    let admin = relay.admin_addr().map(tracing::field::display);
    info!(
        event = "listening",
        origin = %relay.origin(),
        address = %relay.local_addr(),
        admin,
        tls = relay.tls().is_some(),
        max_connections,
        "listening"
    );
    output::listening(relay.origin().origin());
    // Says nothing unless systemd asked for it.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let drain = async {
        first.await;
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    };
    relay.serve_until(drain, second).await;
    info!(event = "stopped", "stopped");
    Ok(())
}

/// What SIGHUP does.
fn reload(tls: Option<&crate::tls::ServerTls>, origins: &[RelayUrl]) {
    let Some(tls) = tls else {
        return info!(event = "reload", "nothing to reload: without TLS there is no certificate, and options are read at the start alone");
    };
    let hosts: Vec<&str> = origins.iter().filter(|origin| origin.is_tls()).map(RelayUrl::host).collect();
    let now = unix_now();
    match tls.reload(now, &hosts) {
        Ok(leaf) => {
            info!(event = "reload", not_after = leaf.not_after, "certificate and key were read again; new connections get them");
            if let Some(text) = ends_soon(&leaf, now, tls.cert_file()) {
                warn!(event = "config_warning", "{text}");
            }
        }
        Err(error) => error!(event = "reload_failed", %error, "the certificate in use stays"),
    }
}

/// Every connection is a file descriptor; soft limits are often 1,024. Says how many there can be.
fn raise_file_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = current == maximum || setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    if !raised {
        warn!(event = "file_limit", "cannot raise the limit of open files; `ulimit -n` says how many connections there can be");
    }
    let files = if raised { maximum } else { current };
    files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

/// Opens as many as a relay needs before anybody connects, and closes them again: the runtime would panic for want of them.
fn try_files() -> Result<(), RelayError> {
    let pairs = (FEWEST_FILES - STANDARD_FILES) / 2;
    let tried: std::io::Result<Vec<_>> = (0..pairs).map(|_| UnixStream::pair()).collect();
    tried.map(drop).map_err(RelayError::Files)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// docs/RELAY.md has a row for each option, with its meaning and default, and no other; the environment has the same names.
    #[test]
    fn the_documentation_lists_the_same() {
        let text = include_str!("../../../docs/RELAY.md");
        let section = text.split("\n## Options\n").nth(1).unwrap().split("\n#").next().unwrap();
        let rows: Vec<Vec<String>> = section
            .lines()
            .filter(|line| line.starts_with("| `--"))
            .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
            .collect();
        let mut options = Vec::new();
        for arg in Cli::command().get_arguments().filter(|arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str()))
        {
            let long = arg.get_long().unwrap();
            let variable = format!("COUNTERSIGN_RELAY_{}", long.replace('-', "_").to_uppercase());
            assert_eq!(arg.get_env().unwrap().to_str().unwrap(), variable);
            let value = arg.get_value_names().unwrap_or_default().first().map(|name| format!(" {name}")).unwrap_or_default();
            let value = if arg.get_num_args().is_some_and(|range| range.min_values() == 0) { String::new() } else { value };
            let help = arg.get_help().unwrap().to_string();
            let (help, default) = match help.split_once(" [default: ") {
                Some((help, default)) => (help.to_owned(), format!("`{}`", default.strip_suffix(']').unwrap())),
                None => (help, String::new()),
            };
            options.push(vec![format!("`--{long}{value}`"), help, default]);
        }
        assert_eq!(rows, options);
    }
}
