//! Whether git would take the key file into the repository, or npm into a package, and the line that keeps it out.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    files::{self, Access, cannot},
    keys::{KEY_FILE_VARIABLE, KEY_VARIABLE},
    problem::Problem,
};

/// Longest `.gitignore` or `.npmignore` that is changed, bytes.
const MAX_IGNORE: usize = 256 * 1024;

/// What git and npm make of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In no work tree and no package, or ignored.
    Safe,
    /// Somebody would take it.
    Exposed(Vec<Exposure>),
    /// It is in the repository already, or about to be.
    Tracked,
}

/// Who would take the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taker {
    /// `git add .`
    Git,
    /// `npm publish`: where there is a `.npmignore`, npm does not look at `.gitignore`.
    Npm,
}

/// Who would take it, and where the line goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exposure {
    pub(crate) taker: Taker,
    pub(crate) ignore_file: PathBuf,
    /// `None` if the path needs quoting, which a human does better.
    pub(crate) line: Option<String>,
}

/// Looks at `file`, which need not exist. Without the program `git`, a line in the work tree's own `.gitignore` is what counts.
pub(crate) fn standing(file: &Path) -> Standing {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(parent), Some(name)) = (fs::canonicalize(parent), file.file_name()) else { return Standing::Safe };
    let full = parent.join(name);
    let mut exposed = match standing_in_git(&parent, &full) {
        Standing::Tracked => return Standing::Tracked,
        Standing::Exposed(exposed) => exposed,
        Standing::Safe => Vec::new(),
    };
    exposed.extend(in_package(&parent, &full));
    if exposed.is_empty() { Standing::Safe } else { Standing::Exposed(exposed) }
}

/// The innermost package of npm that the file would be in.
fn in_package(parent: &Path, full: &Path) -> Option<Exposure> {
    let top = parent.ancestors().find(|folder| folder.join("package.json").exists())?;
    let text = fs::read_to_string(top.join(".npmignore")).ok()?;
    let line = full.strip_prefix(top).ok().and_then(line);
    (!has_line(&text, line.as_deref())).then(|| Exposure { taker: Taker::Npm, ignore_file: top.join(".npmignore"), line })
}

fn standing_in_git(parent: &Path, full: &Path) -> Standing {
    let Some(top) = parent.ancestors().find(|folder| folder.join(".git").exists()) else { return Standing::Safe };
    let tree = Exposure { taker: Taker::Git, ignore_file: top.join(".gitignore"), line: full.strip_prefix(top).ok().and_then(line) };
    let path = full.as_os_str();
    if git(parent, |command| command.args(["ls-files", "--"]).arg(path)).is_some_and(|(_, listed)| !listed.trim().is_empty()) {
        return Standing::Tracked;
    }
    let ignored = match git(parent, |command| command.args(["check-ignore", "--quiet", "--"]).arg(path)) {
        Some((Some(code), _)) if code < 2 => code == 0,
        _ => has_line(&fs::read_to_string(&tree.ignore_file).unwrap_or_default(), tree.line.as_deref()),
    };
    if ignored { Standing::Safe } else { Standing::Exposed(vec![tree]) }
}

/// Adds the line.
pub(crate) fn ignore(tree: &Exposure) -> Result<(), Problem> {
    let (path, Some(line)) = (&tree.ignore_file, &tree.line) else { return Ok(()) };
    let old = match File::open(path) {
        Ok(file) => {
            let bytes = files::read_limited(file, MAX_IGNORE).map_err(|error| cannot("read", path, &error))?;
            let bytes = bytes.ok_or_else(|| Problem::config(format!("{} is too long to be changed", path.display())));
            bytes.map_err(|problem| problem.hint(format!("add the line {line} yourself")))?.to_vec()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    let separator = if old.is_empty() || old.ends_with(b"\n") { "" } else { "\n" };
    files::replace(path, &[&old, separator.as_bytes(), line.as_bytes(), b"\n"].concat(), Access::Public)
}

/// The URL of `origin`.
pub(crate) fn remote(folder: &Path) -> Option<String> {
    let (code, url) = git(folder, |command| command.args(["remote", "get-url", "origin"]))?;
    (code == Some(0)).then(|| url.trim().to_owned()).filter(|url| !url.is_empty())
}

/// A URL without what may be a password.
pub(crate) fn without_password(remote: &str) -> String {
    match (remote.split_once("://"), remote.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => remote.to_owned(),
    }
}

/// `/folder/file` with slashes, if nothing in it means something to git.
fn line(path: &Path) -> Option<String> {
    let mut line = String::new();
    for part in path.components() {
        line.push('/');
        line.push_str(part.as_os_str().to_str()?);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    (!line.is_empty() && line.chars().all(plain)).then_some(line)
}

fn has_line(text: &str, line: Option<&str>) -> bool {
    line.is_some_and(|line| text.lines().any(|other| other.trim_end() == line))
}

/// Exit code and standard output; `None` if there is no git.
fn git(folder: &Path, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Option<(Option<i32>, String)> {
    let mut command = Command::new("git");
    command.current_dir(folder).env_remove(KEY_VARIABLE).env_remove(KEY_FILE_VARIABLE).stdin(Stdio::null());
    let output = arguments(&mut command).output().ok()?;
    Some((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_in_a_work_tree_is_seen_until_it_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("sub/ci.key");
        fs::create_dir(folder.path().join("sub")).unwrap();
        assert_eq!(standing(&key), Standing::Safe);
        // A folder of that name is enough where there is no git, and no repository for one.
        fs::create_dir(folder.path().join(".git")).unwrap();
        fs::write(folder.path().join(".gitignore"), "target").unwrap();
        let Standing::Exposed(exposed) = standing(&key) else { panic!("not seen") };
        let [tree] = exposed.as_slice() else { panic!("{exposed:?}") };
        assert_eq!((tree.taker, tree.line.as_deref()), (Taker::Git, Some("/sub/ci.key")));
        ignore(tree).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(".gitignore")).unwrap(), "target\n/sub/ci.key\n");
        assert_eq!(standing(&key), Standing::Safe);
    }

    /// Beside a `.npmignore`, a `.gitignore` keeps nothing out of a package.
    #[test]
    fn a_key_file_in_a_package_is_seen_until_npm_ignores_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("ci.key");
        fs::write(folder.path().join("package.json"), "{}").unwrap();
        assert_eq!(standing(&key), Standing::Safe, "git's list counts, or there is no git");
        fs::create_dir(folder.path().join(".git")).unwrap();
        fs::write(folder.path().join(".npmignore"), "test\n").unwrap();
        let Standing::Exposed(exposed) = standing(&key) else { panic!("not seen") };
        assert_eq!(exposed.iter().map(|it| it.taker).collect::<Vec<_>>(), [Taker::Git, Taker::Npm]);
        exposed.iter().for_each(|it| ignore(it).unwrap());
        assert_eq!(fs::read_to_string(folder.path().join(".npmignore")).unwrap(), "test\n/ci.key\n");
        assert_eq!(standing(&key), Standing::Safe);
    }

    #[test]
    fn only_plain_paths_become_lines() {
        assert_eq!(line(Path::new("a/b.key")).as_deref(), Some("/a/b.key"));
        assert_eq!(line(Path::new("a b")), None);
        assert_eq!(line(Path::new("*.key")), None);
    }

    #[test]
    fn passwords_in_remotes_are_not_shown() {
        assert_eq!(without_password("https://alice:secret@host.example/a"), "https://host.example/a");
        assert_eq!(without_password("git@host.example:a"), "git@host.example:a");
    }
}
