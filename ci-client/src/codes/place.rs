//! Folders that only this user can enter, for sockets. Whoever lives in one holds its lock, which a killed process loses: so the next one knows what
//! may be removed.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::BASE32_NOPAD;
use rand_core::{OsRng, RngCore as _};

use crate::{
    files::{TEMPORARY, cannot},
    problem::Problem,
};

/// What stands before the name of a folder that nobody looks for: that of a running `exec`.
const FRESH: &str = "x-";
/// What stands before the name of a holder's.
pub(super) const HELD: &str = "h-";
/// Attempts to get a folder that somebody else looks at or cleans up at the same moment, and the pause between them.
const TRIES: usize = 8;
const PAUSE: Duration = Duration::from_millis(20);
/// Everything that may be in a folder, beside files that were being written ([`TEMPORARY`]). Nothing else is ever removed.
const FILES: [&str; 4] = ["s", "address", "address.new", "lock"];

/// A folder and its lock. Removed on drop.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    lock: Option<File>,
}

/// A folder that is not to be had.
pub(super) enum NoPlace {
    /// A living process has it.
    Taken,
    Failed(Problem),
}

impl From<Problem> for NoPlace {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// What can be said of a folder without living in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Its owner is dead.
    Dead,
    Alive,
}

impl Place {
    /// A folder of one's own, after removing those that killed processes left.
    pub(super) fn fresh() -> Result<Self, Problem> {
        let base = base()?;
        let mut random = [0; 5];
        for _ in 0..TRIES {
            OsRng.fill_bytes(&mut random);
            let name = format!("{FRESH}{}", BASE32_NOPAD.encode(&random).to_ascii_lowercase());
            match Self::claim_in(&base, &name) {
                Ok(place) => return Ok(place),
                Err(NoPlace::Taken) => {}
                Err(NoPlace::Failed(problem)) => return Err(problem),
            }
        }
        Err(Problem::config(format!("cannot find a free name in {}", base.display())))
    }

    /// The folder of this name, with nothing in it but the lock.
    pub(super) fn claim(name: &str) -> Result<Self, NoPlace> {
        Self::claim_in(&base()?, name)
    }

    fn claim_in(base: &Path, name: &str) -> Result<Self, NoPlace> {
        sweep(base);
        let folder = base.join(name);
        for _ in 0..TRIES {
            make_private(&folder)?;
            let lock = folder.join("lock");
            match system::lock(&lock) {
                Ok(Some(file)) => {
                    // What was locked may be what its last owner was just removing.
                    if system::is_still(&file, &lock) {
                        let place = Self { folder, lock: Some(file) };
                        place.clear();
                        return Ok(place);
                    }
                }
                // It may only have been looked at.
                Ok(None) => std::thread::sleep(PAUSE),
                // Removed in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(cannot("lock", &lock, &error).into()),
            }
        }
        Err(NoPlace::Taken)
    }

    /// Where its socket is.
    #[cfg(unix)]
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("s")
    }

    /// Where it says how to reach it, for those who can enter.
    pub(super) fn address(&self) -> PathBuf {
        address_in(&self.folder)
    }

    /// Where that is prepared.
    pub(super) fn unnamed_address(&self) -> PathBuf {
        self.folder.join("address.new")
    }

    fn clear(&self) {
        for file in FILES.iter().filter(|file| **file != "lock") {
            // Mostly not there.
            let _ = fs::remove_file(self.folder.join(file));
        }
        // A process that was killed while it wrote a file left it under another name.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
        // An open file can't be removed on Windows; elsewhere the lock is held until it is gone.
        if cfg!(windows) {
            self.lock = None;
        }
        let _ = fs::remove_file(self.folder.join("lock"));
        let _ = fs::remove_dir(&self.folder);
        self.lock = None;
    }
}

/// Where the living process of this folder says how to reach it.
pub(super) fn address_of(name: &str) -> PathBuf {
    address_in(&system::base().join(name))
}

fn address_in(folder: &Path) -> PathBuf {
    folder.join("address")
}

/// Whether somebody lives in the folder of this name.
pub(super) fn look(name: &str) -> Result<Found, Problem> {
    let base = system::base();
    let folder = base.join(name);
    if fs::symlink_metadata(&folder).is_err() {
        return Ok(Found::Nothing);
    }
    check_private(&base)?;
    check_private(&folder)?;
    let lock = folder.join("lock");
    match system::try_shared(&lock) {
        Ok(Some(_)) => Ok(Found::Dead),
        Ok(None) => Ok(Found::Alive),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(cannot("look at", &lock, &error)),
    }
}

/// Removes what killed processes left behind.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(FRESH) || name.starts_with(HELD));
        let lock = entry.path().join("lock");
        // What was locked may be the file of an owner before the one that lives there now.
        if ours
            && let Ok(Some(file)) = system::try_lock(&lock)
            && system::is_still(&file, &lock)
        {
            drop(Place { folder: entry.path(), lock: Some(file) });
        }
    }
}

/// This user's folder for all of this.
fn base() -> Result<PathBuf, Problem> {
    let base = system::base();
    make_private(&base)?;
    Ok(base)
}

/// Makes a folder for the owner alone, unless it is there and is that.
fn make_private(folder: &Path) -> Result<(), Problem> {
    match system::make_folder(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(cannot("make the private folder", folder, &error).hint("set XDG_RUNTIME_DIR or TMPDIR to a folder that can be written to"))
        }
        _ => check_private(folder),
    }
}

fn check_private(folder: &Path) -> Result<(), Problem> {
    match system::is_private(folder) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(Problem::config(format!("{} is not a folder of this user alone: others could take codes there", folder.display()))
                .hint("remove it, or set XDG_RUNTIME_DIR or TMPDIR to another folder; if you did not make it, ask who did"))
        }
        // Removed in between, by its last owner.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot("look at", folder, &error)),
    }
}

#[cfg(unix)]
mod system {
    use std::{
        fs::{self, DirBuilder, File, OpenOptions},
        io,
        os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
        path::{Path, PathBuf},
    };

    use rustix::{
        fs::{FlockOperation, OFlags, flock},
        process::geteuid,
    };

    pub(super) fn base() -> PathBuf {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        // After `su` the variable names a folder of the user before.
        match runtime.filter(|folder| folder.is_absolute() && is_private(folder).unwrap_or(false)) {
            Some(folder) => folder.join("countersign"),
            // Anybody can write to the temporary folder: the name is this user's, and what is there already is looked at.
            None => std::env::temp_dir().join(format!("countersign-{}", geteuid().as_raw())),
        }
    }

    pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(folder)
    }

    /// A folder, no link to one, that its owner alone may enter, and the owner is this user.
    pub(super) fn is_private(folder: &Path) -> io::Result<bool> {
        let meta = fs::symlink_metadata(folder)?;
        Ok(meta.is_dir() && meta.uid() == geteuid().as_raw() && meta.mode() & 0o077 == 0)
    }

    /// `None`: somebody else holds it.
    pub(super) fn lock(path: &Path) -> io::Result<Option<File>> {
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)?;
        locked(file, FlockOperation::NonBlockingLockExclusive)
    }

    /// The same without making it.
    pub(super) fn try_lock(path: &Path) -> io::Result<Option<File>> {
        locked(File::open(path)?, FlockOperation::NonBlockingLockExclusive)
    }

    /// The same, beside others who only look.
    pub(super) fn try_shared(path: &Path) -> io::Result<Option<File>> {
        locked(File::open(path)?, FlockOperation::NonBlockingLockShared)
    }

    fn locked(file: File, how: FlockOperation) -> io::Result<Option<File>> {
        match flock(&file, how) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn is_still(file: &File, path: &Path) -> bool {
        let (Ok(held), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
        (held.dev(), held.ino()) == (there.dev(), there.ino())
    }
}

#[cfg(windows)]
mod system {
    use std::{
        fs::{self, File, OpenOptions},
        io,
        os::windows::fs::OpenOptionsExt as _,
        path::{Path, PathBuf},
    };

    /// `ERROR_SHARING_VIOLATION`.
    const SHARING_VIOLATION: i32 = 32;

    /// A user's own folders are closed to other users by what they inherit from the profile.
    pub(super) fn base() -> PathBuf {
        std::env::var_os("LOCALAPPDATA").map_or_else(std::env::temp_dir, PathBuf::from).join("countersign")
    }

    pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    pub(super) fn is_private(folder: &Path) -> io::Result<bool> {
        fs::symlink_metadata(folder).map(|meta| meta.is_dir())
    }

    pub(super) fn lock(path: &Path) -> io::Result<Option<File>> {
        held(OpenOptions::new().read(true).write(true).create(true).truncate(false).share_mode(0).open(path))
    }

    pub(super) fn try_lock(path: &Path) -> io::Result<Option<File>> {
        held(OpenOptions::new().read(true).write(true).share_mode(0).open(path))
    }

    pub(super) fn try_shared(path: &Path) -> io::Result<Option<File>> {
        try_lock(path)
    }

    /// The open file is the lock: nobody else can open it.
    fn held(opened: io::Result<File>) -> io::Result<Option<File>> {
        match opened {
            Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Ok(None),
            other => other.map(Some),
        }
    }

    pub(super) fn is_still(_: &File, _: &Path) -> bool {
        true
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn taken(result: Result<Place, NoPlace>) -> bool {
        matches!(result, Err(NoPlace::Taken))
    }

    fn place(base: &Path, name: &str) -> Place {
        Place::claim_in(base, name).ok().unwrap()
    }

    #[test]
    fn a_place_has_one_owner_and_leaves_nothing() {
        let base = tempfile::tempdir().unwrap();
        let first = place(base.path(), "h-1");
        assert!(taken(Place::claim_in(base.path(), "h-1")));
        assert_eq!(fs::metadata(base.path().join("h-1")).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(first.address(), "x").unwrap();
        drop(first);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    /// What a killed process leaves: a folder, a socket and a lock that nobody holds.
    fn corpse(base: &Path, name: &str) {
        let mut dead = place(base, name);
        fs::write(dead.socket(), "").unwrap();
        fs::write(dead.address(), "x").unwrap();
        fs::write(dead.folder.join(".countersign-a1b2c3"), "x").unwrap();
        dead.lock = None;
        std::mem::forget(dead);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_by_the_next() {
        let base = tempfile::tempdir().unwrap();
        corpse(base.path(), "h-1");
        let next = place(base.path(), "h-1");
        assert!(!next.socket().exists() && !next.address().exists());
        corpse(base.path(), "x-1");
        corpse(base.path(), "h-2");
        corpse(base.path(), "other");
        let alive = place(base.path(), "x-2");
        let mut left: Vec<_> = fs::read_dir(base.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        // Only what is ours is swept, and nothing that lives.
        assert_eq!(left, ["h-1", "other", "x-2"]);
        drop((alive, next));
    }

    #[test]
    fn a_folder_that_others_can_enter_or_a_link_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let open = base.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let problem = make_private(&open).unwrap_err();
        assert!(problem.message.contains("is not a folder of this user alone"), "{problem}");
        let own = base.path().join("own");
        make_private(&own).unwrap();
        symlink(&own, base.path().join("link")).unwrap();
        assert!(make_private(&base.path().join("link")).is_err());
        assert!(make_private(&base.path().join("no/such")).unwrap_err().message.starts_with("cannot make the private folder"));
    }
}
