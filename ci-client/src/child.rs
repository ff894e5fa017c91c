//! The command that gets the code: found before anybody is asked, run with the code in its environment.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use countersign_core::request::CodeText;
use tokio::process::Command;

use crate::{
    exit::Exit,
    keys::{KEY_FILE_VARIABLE, KEY_VARIABLE},
    problem::Problem,
    signals::Signals,
};

/// A command that exists.
#[derive(Debug)]
pub struct Child {
    path: PathBuf,
    name: OsString,
    arguments: Vec<OsString>,
    variables: Vec<String>,
}

impl Child {
    /// Looks for the command, in `PATH` if its name has no slash. `variables` are those that will hold the code.
    ///
    /// # Errors
    /// [`Problem`] with [`Exit::NotFound`], [`Exit::NotExecutable`], or [`Exit::BadConfig`] for a bad variable name.
    pub fn find(command: &[OsString], variables: Vec<String>) -> Result<Self, Problem> {
        let (name, arguments) = command.split_first().ok_or_else(|| Problem::config("no command is given after --"))?;
        for variable in &variables {
            if !is_variable(variable) || [KEY_VARIABLE, KEY_FILE_VARIABLE].contains(&variable.as_str()) {
                return Err(Problem::config(format!("--env {variable:?}: not a name for an environment variable that holds a code"))
                    .hint("use letters, digits and _ only"));
            }
        }
        Ok(Self { path: look_up(name)?, name: name.clone(), arguments: arguments.to_vec(), variables })
    }

    /// Runs the command with the code, passes signals on to it, and returns its exit code, or 128 and the number of the signal that ended it.
    /// `meanwhile` is polled while it runs.
    ///
    /// # Errors
    /// [`Problem`] with [`Exit::NotFound`] or [`Exit::NotExecutable`].
    pub(crate) async fn run(&self, code: &CodeText, signals: &mut Signals, meanwhile: impl Future<Output = ()>) -> Result<u8, Problem> {
        let mut command = Command::new(&self.path);
        #[cfg(unix)]
        command.arg0(&self.name);
        command.args(&self.arguments).env_remove(KEY_VARIABLE).env_remove(KEY_FILE_VARIABLE);
        for variable in &self.variables {
            // The child's environment is where the code is wanted.
            command.env(variable, code.expose());
        }
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        tokio::pin!(meanwhile);
        let mut busy = true;
        loop {
            tokio::select! {
                status = child.wait() => return status.map(exit_code).map_err(|error| self.not_started(&error)),
                signal = signals.next() => forward(&child, signal),
                () = &mut meanwhile, if busy => busy = false,
            }
        }
    }

    fn not_started(&self, error: &io::Error) -> Problem {
        // NotFound although the file is there: the interpreter in its first line is not.
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::NotExecutable };
        Problem::new(exit, format!("cannot run {}: {error}", self.name.display()))
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Passes a signal on.
#[cfg(unix)]
fn forward(child: &tokio::process::Child, signal: rustix::process::Signal) {
    use std::io::IsTerminal as _;

    use rustix::process::{Pid, Signal, kill_process};
    // Ctrl-C and Ctrl-\ on a terminal reach the child too, which is in the same process group: twice would be once too often.
    let from_terminal = matches!(signal, Signal::INT | Signal::QUIT) && io::stdin().is_terminal();
    // Without an id the child was waited for: its number may be another process's by now.
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid.filter(|_| !from_terminal) {
        // It can only have ended in between.
        let _ = kill_process(pid, signal);
    }
}

/// The console sends Ctrl-C to the child as well.
#[cfg(not(unix))]
fn forward(_: &tokio::process::Child, (): ()) {}

fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().map_or(u8::MAX, |code| u8::try_from(code).unwrap_or(u8::MAX))
}

fn look_up(name: &OsStr) -> Result<PathBuf, Problem> {
    let shown = name.display();
    let mut forbidden = None;
    for candidate in candidates(name) {
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => forbidden = forbidden.or(Some(error)),
        }
    }
    Err(match forbidden {
        Some(error) => Problem::new(Exit::NotExecutable, format!("cannot run {shown}: {error}"))
            .hint("nobody was asked; make the file executable, or name another command after --"),
        None => Problem::new(Exit::NotFound, format!("command not found: {shown}"))
            .hint("nobody was asked; install it in an earlier step, or correct the name after --"),
    })
}

fn candidates(name: &OsStr) -> Vec<PathBuf> {
    let path = Path::new(name);
    if path.components().count() != 1 || name.as_encoded_bytes().contains(&b'/') {
        return vec![path.to_owned()];
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|folder| folder.join(path)).flat_map(with_extensions).collect()
}

#[cfg(not(windows))]
fn with_extensions(path: PathBuf) -> Vec<PathBuf> {
    vec![path]
}

#[cfg(windows)]
fn with_extensions(path: PathBuf) -> Vec<PathBuf> {
    let with = |extension: &str| path.with_extension(extension);
    vec![with("exe"), with("cmd"), with("bat"), path]
}

fn check(path: &Path) -> io::Result<()> {
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => io::ErrorKind::NotFound.into(),
        _ => error,
    })?;
    if meta.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    #[cfg(unix)]
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK)?;
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn find(name: &str) -> Result<Child, Problem> {
        Child::find(&[name.into()], vec!["CODE".into()])
    }

    #[test]
    fn commands_are_looked_up_first() {
        assert!(find("sh").unwrap().path.is_absolute());
        assert_eq!(find("no-such-command-anywhere").unwrap_err().exit, Exit::NotFound);
        assert_eq!(find("/no/such/command").unwrap_err().exit, Exit::NotFound);
        assert_eq!(find("/").unwrap_err().exit, Exit::NotExecutable);
        assert_eq!(find(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap_err().exit, Exit::NotExecutable);
    }

    #[test]
    fn variable_names_are_checked() {
        for name in ["", "1A", "A=B", "A-B", "COUNTERSIGN_KEY", "COUNTERSIGN_KEY_FILE"] {
            assert_eq!(Child::find(&["sh".into()], vec![name.into()]).unwrap_err().exit, Exit::BadConfig, "{name}");
        }
    }
}
