//! CI keys: from the environment or a file, never from an argument (docs/PROTOCOL.md §1).

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use countersign_core::keys::{ChannelPublic, CiKey, CiKeyError, parse_ci_keys};
use zeroize::Zeroizing;

use crate::{
    ask::Phone,
    config::Config,
    files::{self, Access, cannot},
    problem::Problem,
};

/// Holds the keys themselves.
pub(crate) const KEY_VARIABLE: &str = "COUNTERSIGN_KEY";
/// Names a file that holds them.
pub(crate) const KEY_FILE_VARIABLE: &str = "COUNTERSIGN_KEY_FILE";
/// Longest key text, bytes: hundreds of keys.
const MAX_KEYS: usize = 64 * 1024;

/// The key file to use: the argument, else the variable.
pub(crate) fn key_file(argument: Option<&Path>) -> Option<PathBuf> {
    let variable = || std::env::var_os(KEY_FILE_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    argument.map(Path::to_owned).or_else(variable)
}

/// Reads the keys from `COUNTERSIGN_KEY`, or else the key file.
pub(crate) fn load(argument: Option<&Path>) -> Result<Vec<CiKey>, Problem> {
    let file = key_file(argument);
    // An empty variable is how a CI passes a secret that does not exist: beside a file it means nothing.
    let from_environment = std::env::var_os(KEY_VARIABLE).filter(|text| file.is_none() || !text.is_empty());
    match (from_environment, file) {
        (Some(_), Some(_)) => Err(Problem::config(format!("both {KEY_VARIABLE} and a key file are given")).hint("give only one of them")),
        (Some(text), None) => {
            let text = Zeroizing::new(text.into_encoded_bytes());
            let text = std::str::from_utf8(&text).unwrap_or_default();
            parse_ci_keys(text).map_err(|error| match error {
                CiKeyError::Empty => Problem::config(format!("{KEY_VARIABLE} is empty"))
                    .hint("a CI secret that does not exist, or is not passed to this job, looks like this"),
                error => bad_key(KEY_VARIABLE, error),
            })
        }
        (None, Some(file)) => read_file(&file).and_then(|text| parse(&file, &text)),
        (None, None) => Err(Problem::config("there is no key").hint(format!(
            "set {KEY_VARIABLE} from your CI's secrets, or name a key file with --key-file or {KEY_FILE_VARIABLE}; `countersign pair` makes one"
        ))),
    }
}

fn bad_key(origin: &str, error: CiKeyError) -> Problem {
    Problem::config(format!("{origin}: {error}")).hint("copy the whole key again, or make a new one with `countersign pair`")
}

fn parse(file: &Path, text: &str) -> Result<Vec<CiKey>, Problem> {
    parse_ci_keys(text).map_err(|error| bad_key(&file.display().to_string(), error))
}

/// Reads a key file that nobody else can read.
fn read_file(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let hint = "`countersign pair --key-file` makes one";
    let file = File::open(path).map_err(|error| cannot("read the key file", path, &error).hint(hint))?;
    if path.is_dir() {
        return Err(Problem::config(format!("the key file {} is a folder", path.display())).hint(hint));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let meta = file.metadata().map_err(|error| cannot("read", path, &error))?;
        let mode = meta.permissions().mode();
        // A device or a pipe has no key that others could read in it.
        if meta.is_file() && mode & 0o077 != 0 {
            return Err(Problem::config(format!("others can read the key file {}", path.display()))
                .hint(format!("chmod 600 {}; if it was so for long, pair again", path.display())));
        }
    }
    let bytes = files::read_limited(file, MAX_KEYS).map_err(|error| cannot("read", path, &error))?;
    let bytes = bytes.ok_or_else(|| Problem::config(format!("{} is too long for a key file", path.display())))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::config(format!("{} is not a key file", path.display())).hint(hint))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Whether a file holds a key, among whatever else. A file that is longer than keys are, or can't be read, has none that anybody could tell.
pub(crate) fn is_in_file(path: &Path) -> bool {
    // Before it is opened: a pipe would wait for its other end.
    if !path.is_file() {
        return false;
    }
    let Ok(Some(text)) = File::open(path).and_then(|file| files::read_limited(file, MAX_KEYS)) else { return false };
    let words = text.split(|byte| byte.is_ascii_whitespace() || b",\"'`=".contains(byte));
    words.filter_map(|word| std::str::from_utf8(word).ok()).any(|word| word.parse::<CiKey>().is_ok())
}

/// Whether [`add_to_file`] will work.
pub(crate) fn check_file(path: &Path) -> Result<(), Problem> {
    files::check_writable(path)?;
    if path.exists() { read_file(path).and_then(|text| parse(path, &text)).map(drop) } else { Ok(()) }
}

/// Adds a line to a key file, which is made if it does not exist.
pub(crate) fn add_to_file(path: &Path, phone: &str, key: &CiKey) -> Result<(), Problem> {
    let line = Zeroizing::new(format!("# countersign key for {phone}\n{}\n", key.to_text().as_str()));
    if !path.exists() {
        return files::create(path, line.as_bytes(), Access::Private);
    }
    let old = read_file(path)?;
    let separator = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let new = Zeroizing::new([old.as_str(), separator, &line].concat());
    files::replace(path, new.as_bytes(), Access::Private)
}

/// Removes the key of a pairing from a key file; whether it was there. A file without any key left is deleted.
pub(crate) fn remove_from_file(path: &Path, ci_static: &ChannelPublic) -> Result<bool, Problem> {
    let old = read_file(path)?;
    let is_it = |word: &str| word.parse::<CiKey>().is_ok_and(|key| key.root.derive_channel().public() == *ci_static);
    let mut new = Zeroizing::new(String::with_capacity(old.len()));
    let (mut found, mut comment) = (false, "");
    for line in old.split_inclusive('\n') {
        if line.trim_start().starts_with('#') {
            // A comment belongs to the key below it.
            new.push_str(std::mem::replace(&mut comment, line));
            continue;
        }
        let mut words = line.split([' ', '\t', '\r', '\n', ',']).filter(|word| !word.is_empty()).peekable();
        let (empty, matched) = (words.peek().is_none(), words.clone().any(is_it));
        found |= matched;
        let kept: Vec<&str> = words.filter(|word| !is_it(word)).collect();
        if matched && kept.is_empty() {
            comment = "";
            continue;
        }
        new.push_str(std::mem::take(&mut comment));
        if matched || empty {
            new.push_str(&Zeroizing::new(kept.join(" ")));
            new.push('\n');
        } else {
            new.push_str(line);
        }
    }
    new.push_str(comment);
    if !found {
        return Ok(false);
    }
    match parse_ci_keys(&new) {
        Err(CiKeyError::Empty) => std::fs::remove_file(path).map_err(|error| cannot("delete", path, &error))?,
        _ => files::replace(path, new.as_bytes(), Access::Private)?,
    }
    Ok(true)
}

/// The phones of the config whose key is there, or the one named `only`.
pub(crate) fn phones(config: &Config, keys: Vec<CiKey>, only: Option<&str>) -> Result<Vec<Phone>, Problem> {
    if let Some(name) = only {
        config.phone(name)?;
    }
    if config.phones.is_empty() {
        return Err(Problem::config("no phone is paired").hint("run `countersign pair --relay URL` on your own machine"));
    }
    let mut keys: Vec<(ChannelPublic, CiKey)> = keys.into_iter().map(|key| (key.root.derive_channel().public(), key)).collect();
    let mut phones = Vec::new();
    for pairing in config.phones.iter().filter(|pairing| only.is_none_or(|name| pairing.phone_name == name)) {
        if let Some(at) = keys.iter().position(|(public, _)| *public == pairing.ci_static) {
            phones.push(Phone { pairing: pairing.clone(), key: keys.swap_remove(at).1 });
        }
    }
    if phones.is_empty() {
        let whose = only.map_or_else(|| "any phone of the configuration".to_owned(), |name| format!("the phone {name:?}"));
        return Err(Problem::config(format!("the key does not belong to {whose}"))
            .hint("the configuration and the key come from the same `countersign pair`; use both of them, or pair again"));
    }
    Ok(phones)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use countersign_core::keys::{CiRoot, Secret32};

    use super::*;

    fn key(byte: u8) -> CiKey {
        CiKey { root: CiRoot::from_slice(&[byte; 32]).unwrap(), psk: Secret32::from_bytes([byte; 32]) }
    }

    fn public(byte: u8) -> ChannelPublic {
        key(byte).root.derive_channel().public()
    }

    #[test]
    fn keys_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        add_to_file(&path, "one", &key(1)).unwrap();
        check_file(&path).unwrap();
        add_to_file(&path, "two", &key(2)).unwrap();
        assert_eq!(parse(&path, &read_file(&path).unwrap()).unwrap(), [key(1), key(2)]);
        assert!(!remove_from_file(&path, &public(3)).unwrap());
        assert!(remove_from_file(&path, &public(1)).unwrap());
        let left = fs::read_to_string(&path).unwrap();
        assert_eq!(left, format!("# countersign key for two\n{}\n", *key(2).to_text()));
        assert!(remove_from_file(&path, &public(2)).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_file_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        add_to_file(&path, "one", &key(1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read_file(&path).unwrap_err().message.starts_with("others can read"));
        assert!(add_to_file(&path, "two", &key(2)).is_err());
    }
}
