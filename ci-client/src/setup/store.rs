//! Where the key goes. Other programs get it on their standard input, never as an argument.

use std::{path::Path, process::Stdio};

use clap::ValueEnum;
use tokio::{io::AsyncWriteExt as _, process::Command};
use zeroize::Zeroizing;

use crate::{
    keys::{KEY_FILE_VARIABLE, KEY_VARIABLE},
    problem::Problem,
};

/// A place for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// GitHub's own program
    Gh,
    /// GitLab's
    Glab,
    /// Standard output
    Print,
    /// Nowhere: you copy it from the key file yourself
    None,
}

impl Store {
    pub(crate) const ALL: [Self; 4] = [Self::Gh, Self::Glab, Self::Print, Self::None];

    /// The program and its arguments, if it is done by one.
    pub(crate) fn command(self, keys: usize) -> Option<&'static [&'static str]> {
        match (self, keys) {
            (Self::Gh, _) => Some(&["gh", "secret", "set", KEY_VARIABLE]),
            (Self::Glab, 0..=1) => Some(&["glab", "variable", "set", KEY_VARIABLE, "--masked", "--raw"]),
            // GitLab masks one line only.
            (Self::Glab, _) => Some(&["glab", "variable", "set", KEY_VARIABLE, "--raw"]),
            (Self::Print | Self::None, _) => None,
        }
    }

    pub(crate) fn is_there(self) -> bool {
        match self.command(1) {
            Some([program, ..]) => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
                std::env::split_paths(&path).any(|folder| folder.join(&name).is_file())
            }
            _ => true,
        }
    }
}

/// Runs `command` in `folder` with the keys on its standard input. What it prints goes to standard error. Dropping it kills the program.
pub(crate) async fn hand_over(command: &[&str], folder: &Path, keys: &Zeroizing<String>) -> Result<(), Problem> {
    let shown = command.join(" ");
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let failed = |what: String| {
        Problem::config(format!("{shown}: {what}"))
            .hint(format!("see what {program} says, or choose --store print; then run `countersign setup` again"))
    };
    let mut running = Command::new(program);
    running.args(arguments).current_dir(folder).env_remove(KEY_VARIABLE).env_remove(KEY_FILE_VARIABLE);
    running.stdin(Stdio::piped()).stdout(std::io::stderr()).kill_on_drop(true);
    let mut running = running.spawn().map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = running.stdin.take() {
        // A program that does not want it says why by its exit code.
        let _ = stdin.write_all(keys.as_bytes()).await;
    }
    let status = running.wait().await.map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(format!("it failed ({status})"))) }
}
