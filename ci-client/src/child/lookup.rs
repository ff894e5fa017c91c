//! Finds the command before anybody is asked.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use crate::{exit::Exit, problem::Problem};

/// Looks for the command, in `PATH` if its name has no slash.
pub(super) fn look_up(name: &OsStr) -> Result<PathBuf, Problem> {
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
