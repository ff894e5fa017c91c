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
                return match fault(&candidate, name) {
                    Some(problem) => Err(problem),
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

/// Why the system would not run a file that may be executed: its interpreter is not there, or it is a script of which nobody knows who runs it. A
/// shell would do so itself; we are none.
#[cfg(unix)]
fn fault(path: &Path, name: &OsStr) -> Option<Problem> {
    use std::io::Read as _;
    /// What Linux reads of a file to find its interpreter, bytes.
    const HEAD: u64 = 256;
    let mut head = Vec::new();
    // A program may be executable and not readable.
    std::fs::File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    let Some(line) = head.strip_prefix(b"#!") else {
        // Every format of programs has a zero in its head; a text has none.
        return (!head.contains(&0)).then(|| {
            let shown = name.display();
            Problem::new(
                Exit::NotExecutable,
                format!("cannot run {shown}: a text that does not begin with #! and the interpreter to run it"),
            )
            .hint(format!("nobody was asked; add a first line like #!/bin/sh, or write sh {shown} after --"))
        });
    };
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty());
    let interpreter = words.next()?;
    let missing =
        if is_missing(interpreter) { Some(interpreter) } else { sought_by_env(interpreter, words).filter(|name| !is_in_path(name)) };
    missing.map(|interpreter| {
        let (shown, interpreter) = (name.display(), String::from_utf8_lossy(interpreter));
        Problem::new(Exit::NotFound, format!("cannot run {shown}: there is no {interpreter:?}, which its first line names"))
            .hint("nobody was asked; install it, or correct the line after #! (it must not end like lines of Windows do)")
    })
}

/// A relative one is another matter: it depends on where the command runs.
#[cfg(unix)]
fn is_missing(interpreter: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(OsStr::from_bytes(interpreter));
    path.is_absolute() && std::fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// What `#!/usr/bin/env NAME` looks for, or `env -S NAME ...`. Its other options and variables are left to it.
#[cfg(unix)]
fn sought_by_env<'a>(interpreter: &[u8], mut words: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let name = interpreter.ends_with(b"/env").then(|| words.next())??;
    let name = if name == b"-S" { words.next()? } else { name };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+\r".contains(byte);
    (!name.starts_with(b"-") && name.iter().all(is_plain)).then_some(name)
}

#[cfg(unix)]
fn is_in_path(name: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    candidates(OsStr::from_bytes(name)).iter().any(|candidate| check(candidate).is_ok())
}

#[cfg(not(unix))]
fn fault(_: &Path, _: &OsStr) -> Option<Problem> {
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
        for fine in [
            "#!/bin/sh\ntrue\n",
            "#! /usr/bin/env -S sh -e\n",
            "#!/usr/bin/env sh\n",
            "#!/usr/bin/env -i sh\n",
            "#!/usr/bin/env A=b sh\n",
            "#!sh\n",
            "#!",
            "\u{7f}ELF\0",
        ] {
            assert_eq!(with(fine), Ok(path.clone()), "{fine}");
        }
        for (text, shown) in [
            ("#!/no/such/shell -e\n", "\"/no/such/shell\""),
            ("#!/bin/sh\r\ntrue\r\n", "\"/bin/sh\\r\""),
            ("#!/usr/bin/env no-such-shell\n", "\"no-such-shell\""),
            ("#!/usr/bin/env -S no-such-shell -e\n", "\"no-such-shell\""),
            ("#!/usr/bin/env sh\r\n", "\"sh\\r\""),
        ] {
            let problem = with(text).unwrap_err();
            assert_eq!(problem.exit, Exit::NotFound);
            assert!(problem.message.ends_with(&format!("there is no {shown}, which its first line names")), "{}", problem.message);
        }
        for text in ["true\n", "", "# no #!/bin/sh\n"] {
            let problem = with(text).unwrap_err();
            assert_eq!(problem.exit, Exit::NotExecutable);
            assert!(problem.hint.unwrap().starts_with("nobody was asked; add a first line like #!/bin/sh"), "{text}");
        }
    }
}
