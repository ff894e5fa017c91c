//! Whose configuration it is. What everybody may write is refused elsewhere (`files::check_unshared`). This is about one user, not us and not root,
//! who owns the file or a folder on the way to it, and about folders that others may rename: whoever that is can put another file there.
//!
//! In a CI container the checkout mostly belongs to another user than the job's, and the folder above it to everybody. So this warns, as long as
//! nobody has named the file. It refuses only where the file itself says where the code goes in an argument or on standard input.

use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;

use super::Config;
use crate::{
    problem::Problem,
    targets::{Profile, Targets},
    ui::Ui,
};

/// Somebody else who can change what a configuration says.
#[cfg(unix)]
#[derive(Debug, Clone, PartialEq, Eq)]
enum Doubt {
    Owner { place: PathBuf, uid: u32 },
    Folder { place: PathBuf, mode: u32 },
}

#[cfg(unix)]
impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Owner { place, uid } => write!(f, "{} belongs to another user (uid {uid}), who may change it", place.display()),
            Self::Folder { place, mode } => {
                write!(f, "others on this machine may rename what is in {} (mode {mode:o}) and put something else there", place.display())
            }
        }
    }
}

/// What may be said once.
static SAID: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

const CONSEQUENCE: &str = "and so choose who is asked and where codes go";
const HINT: &str = "if that is meant, as in most containers of a CI, name it: --config FILE or COUNTERSIGN_CONFIG; else chown or move it";

/// Warns of a file that nobody has named.
pub(crate) fn warn(path: &Path, ui: Ui) {
    if let Some(doubt) = doubt(path)
        && !SAID.swap(true, std::sync::atomic::Ordering::Relaxed)
    {
        ui.say(&format!("warning: {doubt}, {CONSEQUENCE}"));
        ui.hint(HINT);
    }
}

/// Refuses a file that nobody has named, if it makes the code an argument or an input of its own choice.
pub(crate) fn check(path: &Path, target: &Profile) -> Result<(), Problem> {
    let own = Targets::builtin().find(&target.name).is_none();
    if !own || (target.args.is_empty() && target.stdin.is_none()) {
        return Ok(());
    }
    doubt(path).map_or(Ok(()), |doubt| {
        let what = format!("{doubt}, and target {} of {} says where the code goes; nobody was asked", target.name, path.display());
        Err(Problem::config(what).hint(HINT))
    })
}

#[cfg(unix)]
fn doubt(path: &Path) -> Option<String> {
    use rustix::process::{getegid, geteuid};
    let own = geteuid().as_raw();
    // As git does: who became root by sudo trusts what is his own.
    let before = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok()).filter(|_| own == 0);
    let trusted = |uid: u32| uid == own || uid == 0 || Some(uid) == before;
    let path = std::fs::canonicalize(path).ok()?;
    let looked = path.ancestors().filter_map(|place| Some((place, std::fs::symlink_metadata(place).ok()?)));
    doubt_of(looked.map(|(place, meta)| Look::of(place, &meta)), trusted, getegid().as_raw()).map(|doubt| doubt.to_string())
}

/// Access lists are not looked at.
#[cfg(not(unix))]
fn doubt(_: &Path) -> Option<String> {
    None
}

/// What is looked at of the file and each folder above it.
#[cfg(unix)]
struct Look {
    place: PathBuf,
    uid: u32,
    gid: u32,
    mode: u32,
    is_folder: bool,
}

#[cfg(unix)]
impl Look {
    fn of(place: &Path, meta: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { place: place.to_owned(), uid: meta.uid(), gid: meta.gid(), mode: meta.mode(), is_folder: meta.is_dir() }
    }
}

#[cfg(unix)]
fn doubt_of(looked: impl Iterator<Item = Look>, trusted: impl Fn(u32) -> bool, group: u32) -> Option<Doubt> {
    use crate::files::is_shared;
    let one = |look: Look| {
        if !trusted(look.uid) {
            return Some(Doubt::Owner { place: look.place, uid: look.uid });
        }
        (look.is_folder && is_shared(look.mode, look.gid, group, true))
            .then_some(Doubt::Folder { place: look.place, mode: look.mode & 0o7777 })
    };
    looked.filter_map(one).next()
}

impl Config {
    /// Reads `path`; what is doubtful about it is told, unless it was `named`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn load_told(path: &Path, named: bool, ui: Ui) -> Result<Self, Problem> {
        let config = Self::load(path)?;
        if !named {
            warn(path, ui);
        }
        Ok(config)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn look(place: &str, uid: u32, mode: u32) -> Look {
        Look { place: place.into(), uid, gid: 100, mode, is_folder: !place.ends_with(".toml") }
    }

    fn doubt(looked: Vec<Look>) -> Option<Doubt> {
        doubt_of(looked.into_iter(), |uid| uid == 7 || uid == 0, 100)
    }

    #[test]
    fn somebody_else_on_the_way_is_seen() {
        assert_eq!(doubt(vec![look("/a/c.toml", 7, 0o100_644), look("/a", 0, 0o40_755), look("/", 0, 0o40_755)]), None);
        let file = doubt(vec![look("/a/c.toml", 8, 0o100_644), look("/a", 7, 0o40_755)]);
        assert_eq!(file.unwrap().to_string(), "/a/c.toml belongs to another user (uid 8), who may change it");
        let folder = doubt(vec![look("/a/b/c.toml", 7, 0o100_644), look("/a/b", 7, 0o40_755), look("/a", 8, 0o40_755)]);
        assert_eq!(folder, Some(Doubt::Owner { place: "/a".into(), uid: 8 }));
    }

    #[test]
    fn a_folder_that_others_may_rename_in_is_seen_and_a_sticky_one_is_none() {
        let above = |mode| doubt(vec![look("/builds/b/c.toml", 7, 0o100_644), look("/builds/b", 7, 0o40_755), look("/builds", 0, mode)]);
        assert_eq!(
            above(0o40_777).unwrap().to_string(),
            "others on this machine may rename what is in /builds (mode 777) and put something else there"
        );
        assert_eq!((above(0o41_777), above(0o40_775)), (None, None));
    }
}
