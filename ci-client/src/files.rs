//! Reading with limits, and replacing files whole.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};
use zeroize::Zeroizing;

use crate::problem::Problem;

/// Reads at most `limit` bytes; `None` if there are more. The buffer never moves, so nothing is left behind when it is wiped.
pub(crate) fn read_limited(from: impl io::Read, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 32));
    from.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// A failure around a file.
pub(crate) fn cannot(what: &str, path: &Path, error: &io::Error) -> Problem {
    let text = error.to_string();
    // tempfile adds the name of its own file, which means nothing to the reader.
    let cause = text.split(" at path ").next().unwrap_or(&text);
    let problem = Problem::config(format!("cannot {what} {}: {cause}", path.display()));
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => problem.hint("make room on that disk, then run this again"),
        io::ErrorKind::PermissionDenied => problem.hint("see who may do that (ls -l), or name another file"),
        io::ErrorKind::NotFound => problem.hint("see that the name is right and its folder is there"),
        _ => problem,
    }
}

/// Room that must be there before somebody is asked for what is to be written, bytes.
const ROOM: usize = 16 * 1024;

/// Whether [`replace`] will work, as far as one can tell without doing it.
pub(crate) fn check_writable(path: &Path) -> Result<(), Problem> {
    let path = follow(path);
    match fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => return Err(Problem::config(format!("{} is a folder; name a file", path.display()))),
        Ok(meta) if meta.permissions().readonly() => return Err(Problem::config(format!("{} is read-only", path.display()))),
        _ => {}
    }
    let probe = || -> io::Result<()> {
        let mut file = NamedTempFile::new_in(parent(&path))?;
        // On a full disk a file can be made, but not filled.
        file.write_all(&[0; ROOM])?;
        file.as_file().sync_data()
    };
    probe().map_err(|error| cannot("write", &path, &error))
}

/// Refuses a file that others on this machine could change or replace: it is writable for everybody, or for a group that is not our own,
/// or its folder is.
#[cfg(unix)]
pub(crate) fn check_unshared(path: &Path) -> Result<(), Problem> {
    use std::os::unix::fs::MetadataExt as _;
    let own = rustix::process::getegid().as_raw();
    let path = follow(path);
    let folder = parent(&path);
    for (place, is_folder) in [(path.as_path(), false), (folder, true)] {
        // What can't be looked at was not read either.
        let Ok(meta) = fs::metadata(place) else { continue };
        let mode = meta.mode();
        if is_shared(mode, meta.gid(), own, is_folder) {
            let what = format!(
                "others on this machine may write {} (mode {:o}), and so choose who is asked and where codes go",
                place.display(),
                mode & 0o7777
            );
            return Err(Problem::config(what).hint(format!("if nobody has changed it: chmod go-w {}", place.display())));
        }
    }
    Ok(())
}

/// Whether others than the owner may write a file of this mode and group, or rename what is in such a folder; `own` is our group.
#[cfg(unix)]
pub(crate) fn is_shared(mode: u32, group: u32, own: u32, is_folder: bool) -> bool {
    const STICKY: u32 = 0o1000;
    let writable = mode & 0o002 != 0 || (mode & 0o020 != 0 && group != own);
    writable && !(is_folder && mode & STICKY != 0)
}

/// Access lists are not read.
#[cfg(not(unix))]
pub(crate) fn check_unshared(_: &Path) -> Result<(), Problem> {
    Ok(())
}

/// How the names of files begin that are being written.
pub(crate) const TEMPORARY: &str = ".countersign-";

/// Who may read a file that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The owner alone.
    Private,
    /// Whoever the umask allows, or as before.
    Public,
}

/// Replaces `path` by a file with these contents, atomically: a reader, or a crash, finds the old or the new one, whole.
pub(crate) fn replace(path: &Path, contents: &[u8], access: Access) -> Result<(), Problem> {
    let path = follow(path);
    let write = || -> io::Result<()> {
        let file = prepare(&path, contents, access)?;
        file.persist(&path).map_err(|error| error.error)?;
        sync_folder(&path);
        Ok(())
    };
    write().map_err(|error| cannot("write", &path, &error))
}

/// As [`replace`], but there must be no such file yet.
pub(crate) fn create(path: &Path, contents: &[u8], access: Access) -> Result<(), Problem> {
    let write = || -> io::Result<()> {
        let file = prepare(path, contents, access)?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        sync_folder(path);
        Ok(())
    };
    write().map_err(|error| cannot("create", path, &error))
}

fn prepare(path: &Path, contents: &[u8], access: Access) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if access == Access::Private { 0o600 } else { 0o666 };
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(parent(path))?;
    if access == Access::Public
        && let Ok(meta) = fs::metadata(path)
    {
        file.as_file().set_permissions(meta.permissions())?;
    }
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes the new name durable too, where folders can be synced.
fn sync_folder(path: &Path) {
    let _ = File::open(parent(path)).and_then(|folder| folder.sync_all());
}

/// Where a symbolic link leads: the link stays, the file behind it is replaced.
fn follow(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_limited() {
        assert_eq!(read_limited(&b"abc"[..], 3).unwrap().unwrap().as_slice(), b"abc");
        assert!(read_limited(&b"abcd"[..], 3).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn files_keep_their_mode_and_links_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        create(&file, b"1", Access::Private).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert!(create(&file, b"2", Access::Private).is_err());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        replace(&link, b"3", Access::Public).unwrap();
        assert_eq!((fs::read(&file).unwrap().as_slice(), mode(&file)), (&b"3"[..], 0o640));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(check_writable(folder.path()).is_err());
        assert!(check_writable(&folder.path().join("none/file")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("countersign.toml");
        fs::write(&file, "").unwrap();
        let with = |path: &Path, mode: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            check_unshared(&file)
        };
        assert!(with(&file, 0o644).is_ok() && with(&file, 0o664).is_ok());
        let refused = with(&file, 0o646).unwrap_err();
        assert!(refused.message.contains("mode 646") && refused.hint.unwrap().ends_with("countersign.toml"));
        assert!(with(&file, 0o600).is_ok());
        assert!(with(folder.path(), 0o777).is_err() && with(folder.path(), 0o1777).is_ok() && with(folder.path(), 0o755).is_ok());
    }
}
