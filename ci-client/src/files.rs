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
    Problem::config(format!("cannot {what} {}: {cause}", path.display()))
}

/// Whether [`replace`] will work, as far as one can tell without doing it.
pub(crate) fn check_writable(path: &Path) -> Result<(), Problem> {
    let path = follow(path);
    match fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => return Err(Problem::config(format!("{} is a folder; name a file", path.display()))),
        Ok(meta) if meta.permissions().readonly() => return Err(Problem::config(format!("{} is read-only", path.display()))),
        _ => {}
    }
    NamedTempFile::new_in(parent(&path)).map(drop).map_err(|error| cannot("write", &path, &error))
}

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
    builder.prefix(".countersign-");
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
}
