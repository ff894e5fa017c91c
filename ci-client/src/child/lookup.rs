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
            Ok(()) => {
                return match missing_interpreter(&candidate) {
                    Some(interpreter) => Err(Problem::new(
                        Exit::NotFound,
                        format!("cannot run {shown}: there is no {interpreter}, which its first line names"),
                    )
                    .hint("nobody was asked; install it, or correct the line after #! (it must not end like lines of Windows do)")),
                    None => Ok(candidate),
                };
            }
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

/// The interpreter of a script, as text, if it has one that is not there.
#[cfg(unix)]
fn missing_interpreter(path: &Path) -> Option<String> {
    use std::{io::Read as _, os::unix::ffi::OsStrExt as _};
    /// What Linux reads of a file to find its interpreter, bytes.
    const HEAD: u64 = 256;
    let mut head = Vec::new();
    // A program may be executable and not readable.
    std::fs::File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let interpreter = line.split(|byte| b" \t".contains(byte)).find(|word| !word.is_empty())?;
    let interpreter = Path::new(OsStr::from_bytes(interpreter));
    // A relative one is another matter: it depends on where the command runs.
    let missing = interpreter.is_absolute() && std::fs::metadata(interpreter).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    missing.then(|| format!("{:?}", interpreter.to_string_lossy()))
}

#[cfg(not(unix))]
fn missing_interpreter(_: &Path) -> Option<String> {
    None
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_script_needs_its_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release");
        let with = |text: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            look_up(path.as_os_str())
        };
        for fine in ["#!/bin/sh\ntrue\n", "#! /usr/bin/env -S sh -e\n", "#!sh\n", "#!", "true\n", ""] {
            assert_eq!(with(fine), Ok(path.clone()), "{fine}");
        }
        for (text, shown) in [("#!/no/such/shell -e\n", "\"/no/such/shell\""), ("#!/bin/sh\r\ntrue\r\n", "\"/bin/sh\\r\"")] {
            let problem = with(text).unwrap_err();
            assert_eq!(problem.exit, Exit::NotFound);
            assert!(problem.message.ends_with(&format!("there is no {shown}, which its first line names")), "{}", problem.message);
        }
    }
}
