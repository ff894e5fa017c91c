//! The state folder: one lock, whole files, atomic replacement.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use countersign_mobile::{Storage, StorageError};
use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::{keychain, output};

/// The phone's blobs, encrypted and checked by the engine, begin with this.
const BLOB: &str = "state-";
/// Held while a program uses the folder.
const LOCK: &str = "lock";
/// What a write that was interrupted leaves behind begins with this.
const TEMPORARY: &str = ".new-";

/// Marks a folder in which everybody may write, such as /tmp.
const STICKY: u32 = 0o1000;
/// The rights of everybody but the owner.
const OTHERS: u32 = 0o077;

/// The folder, used by this process alone.
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// `--state`, or where it is by default.
pub(crate) fn state_path(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let under = |path: PathBuf| path.join("countersign-phone");
    given
        .or_else(|| set("COUNTERSIGN_PHONE_STATE"))
        .or_else(|| set("XDG_STATE_HOME").map(under))
        .or_else(|| set("HOME").map(|home| under(home.join(".local/state"))))
        .context("there is no home folder; say where the state is to be kept with --state DIR")
}

impl StateDir {
    /// Makes the folder if needed, readable by its owner only, and locks it.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let hint = || format!("cannot make the state folder {}; choose another with --state DIR", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(hint)?;
        if fs::metadata(path).with_context(hint)?.permissions().mode() & STICKY != 0 {
            bail!("everybody uses {}: choose a folder of its own with --state DIR", path.display());
        }
        fs::set_permissions(path, Permissions::from_mode(0o700)).with_context(hint)?;
        Self::open(path)
    }

    /// Locks a folder that is there.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if !path.is_dir() {
            bail!("there is no authenticator in {}; set one up with: countersign-phone init", path.display());
        }
        let hint = || format!("cannot use {}; make the folder writable for you (chmod u+rwx), nothing in it was changed", path.display());
        let lock = open_lock(path).with_context(hint)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                bail!("another countersign-phone uses {}; end it first, or choose another state with --state DIR", path.display())
            }
            Err(error) => return Err(error).with_context(hint),
        }
        let dir = Self { path: path.to_owned(), _lock: lock };
        dir.close()?;
        dir.sweep();
        Ok(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes from all other users what they may do with an authenticator's folder and files.
    fn close(&self) -> anyhow::Result<()> {
        let own =
            |name: &[u8]| name.starts_with(BLOB.as_bytes()) || [keychain::DEVICE, keychain::UNLOCK].map(str::as_bytes).contains(&name);
        let entries = fs::read_dir(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        let mut paths: Vec<_> = entries.flatten().filter(|it| own(it.file_name().as_encoded_bytes())).map(|it| it.path()).collect();
        if paths.is_empty() {
            // Not an authenticator's folder, or not yet.
            return Ok(());
        }
        paths.insert(0, self.path.clone());
        let mut closed = Vec::new();
        for path in paths {
            let mode = fs::metadata(&path).map_or(0, |it| it.permissions().mode());
            if mode & OTHERS == 0 {
                continue;
            }
            fs::set_permissions(&path, Permissions::from_mode(mode & 0o777 & !OTHERS)).with_context(|| {
                format!("other users can get at {}, and that can't be changed; do it with chmod go-rwx, as its owner", path.display())
            })?;
            closed.push(path.display().to_string());
        }
        if !closed.is_empty() {
            output::note(&format!(
                "warning: other users could get at {}, and can't any more. If one may have copied it: set up a new phone, and the seeds anew at their services",
                closed.join(", ")
            ));
        }
        Ok(())
    }

    /// Whether an authenticator was set up here and its state is still there.
    pub(crate) fn has_state(&self) -> Result<bool, String> {
        let entries = fs::read_dir(&self.path).map_err(|error| format!("cannot read {}: {error}", self.path.display()))?;
        Ok(entries.flatten().any(|entry| entry.file_name().as_encoded_bytes().starts_with(BLOB.as_bytes())))
    }

    /// The bytes of a file; nothing if there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let file = self.path.join(name);
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read {}: {error}; make it readable for you (chmod u+rw)", file.display())),
        }
    }

    /// Replaces a file: new bytes to a new file, to disk, then the name, to disk. If it fails, the old bytes are what is found.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        self.replace(name, bytes).map_err(|error| {
            let todo = match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem => "it is on a disk that can only be read now: mount it for writing",
                _ => "see that the disk has room and the folder is writable for you (chmod u+rwx)",
            };
            format!("cannot write {}: {error}; {todo}", self.path.join(name).display())
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.path.join(name);
        let old = match fs::read(&file) {
            Ok(bytes) => Some(Zeroizing::new(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        self.put(name, bytes)?;
        self.sync().inspect_err(|_| {
            // The new name may or may not outlive a crash: only the old one must. What fails here has no better end.
            let _ = match old {
                Some(old) => self.put(name, &old),
                None => fs::remove_file(file),
            };
            let _ = self.sync();
        })
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut new = tempfile::Builder::new().prefix(TEMPORARY).permissions(Permissions::from_mode(0o600)).tempfile_in(&self.path)?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        new.persist(self.path.join(name)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), String> {
        let file = self.path.join(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("cannot delete {}: {error}", file.display())),
            _ => Ok(()),
        }
    }

    /// Removes what interrupted writes left. The lock says that no other program is writing.
    fn sweep(&self) {
        let left = fs::read_dir(&self.path).into_iter().flatten().flatten();
        for entry in left.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes())) {
            // It does no harm where it is.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What the lock is held on. On a disk that can only be read no program can write, and what is there must do.
fn open_lock(path: &Path) -> io::Result<File> {
    let lock = path.join(LOCK);
    match OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&lock) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(lock).or_else(|_| File::open(path)),
        opened => opened,
    }
}

impl Storage for StateDir {
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(&format!("{BLOB}{name}")).map_err(|detail| StorageError::Failed { detail })
    }

    fn save(&self, name: String, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.write(&format!("{BLOB}{name}"), &bytes).map_err(|detail| StorageError::Failed { detail })
    }
}
