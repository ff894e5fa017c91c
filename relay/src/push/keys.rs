//! The relay's keys for wake-ups: a small text file, made at the first start.
//!
//! Whoever has it can read the push addresses in tickets and send in this relay's name. Relays of one cluster share it.

use std::{
    fmt, fs,
    io::{self, Write as _},
    ops::Range,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use countersign_core::relay::{Mailbox, PushStatus, Subscription};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use p256::SecretKey;
use rand_core::{CryptoRng, RngCore};
use serde::Deserialize;
use toml_edit::{Document, de};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    sealed::SealingKey,
    target::Target,
    vapid::{Vapid, is_contact},
};
use crate::files::{self, line_of, unread};

/// Most sealing keys: the newest and those it took over from.
const MAX_SEALING_KEYS: usize = 16;

/// How wake-ups are set up.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// The key file; made if there is none.
    pub keys: PathBuf,
    /// Whom push services may contact: `mailto:` or `https:`.
    pub contact: String,
    /// For tests: `http` and private addresses are allowed.
    pub allow_private: bool,
}

/// Why wake-ups can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushKeysError {
    /// The file can't be read.
    #[error("cannot read the push keys {}: {}", file.display(), unread(source))]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no file and it can't be made.
    #[error("cannot make the push keys {}: {source}; make its folder writable for the relay, or give another --push-keys", file.display())]
    Write {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("others can read the push keys {0}: chmod 600 {0}; if it was so for long, move the file away, so that the relay makes new ones", file.display())]
    Exposed {
        /// Which file.
        file: PathBuf,
    },
    /// The file is not what this program writes.
    #[error(
        "{}{}: {what}; correct that, or restore the file from a backup. Only if there is none, move it away: then the relay makes new keys, \
         and phones have to register again",
        file.display(),
        line.map(|line| format!(", line {line}")).unwrap_or_default()
    )]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// Which line, if that is known.
        line: Option<usize>,
        /// What is wrong.
        what: &'static str,
    },
    /// The contact is none.
    #[error("--push-contact wants mailto:you@example.org or https://example.org/contact: push services ask for it")]
    Contact,
}

/// The keys, in use. `Debug` reveals nothing.
pub struct PushKeys {
    pub(crate) vapid: Vapid,
    /// The first one seals; all open.
    sealing: Vec<SealingKey>,
    pub(crate) allow_private: bool,
}

impl fmt::Debug for PushKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushKeys(..)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    vapid: String,
    seal: Vec<Seal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    id: String,
    key: String,
}

impl Drop for File {
    fn drop(&mut self) {
        self.vapid.zeroize();
        self.seal.iter_mut().for_each(|seal| seal.key.zeroize());
    }
}

impl PushKeys {
    /// Reads the key file if there is one, and makes nothing.
    ///
    /// # Errors
    /// [`PushKeysError::Read`], `Exposed`, `Malformed`; `Write` if the folder is missing.
    pub fn check_file(file: &Path) -> Result<(), PushKeysError> {
        let Some(text) = read(file)? else {
            // It is made at the start, in a folder that has to be there.
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let may_write = rustix::fs::access(folder.unwrap_or(Path::new(".")), rustix::fs::Access::WRITE_OK);
            return may_write.map_err(|error| PushKeysError::Write { file: file.to_owned(), source: error.into() });
        };
        parts(&text).map(drop).map_err(|wrong| wrong.in_file(file))
    }

    /// Whether push services can use this to reach the operator.
    ///
    /// # Errors
    /// [`PushKeysError::Contact`].
    pub fn check_contact(contact: &str) -> Result<(), PushKeysError> {
        if is_contact(contact) { Ok(()) } else { Err(PushKeysError::Contact) }
    }

    /// Reads the key file, or makes it.
    ///
    /// # Errors
    /// Every variant of [`PushKeysError`].
    pub fn load_or_make(config: &PushConfig, rng: &mut (impl RngCore + CryptoRng)) -> Result<Self, PushKeysError> {
        Self::check_contact(&config.contact)?;
        let text = match read(&config.keys)? {
            Some(text) => text,
            None => make(&config.keys, rng)?,
        };
        Self::parse(&text, config).map_err(|wrong| wrong.in_file(&config.keys))
    }

    fn parse(text: &str, config: &PushConfig) -> Result<Self, Wrong> {
        let (vapid, sealing) = parts(text)?;
        let vapid = Vapid::new(&vapid, config.contact.clone()).ok_or("the VAPID key is no P-256 key")?;
        Ok(Self { vapid, sealing, allow_private: config.allow_private })
    }

    /// Keys for tests, different for different `n`.
    #[cfg(test)]
    pub(crate) fn fixed(n: u8) -> Self {
        let key = BASE64URL_NOPAD.encode(&[n; 32]);
        let text = format!("version = 1\nvapid = \"{key}\"\n[[seal]]\nid = \"{}\"\nkey = \"{key}\"\n", HEXLOWER.encode(&[n; 4]));
        let config = PushConfig { keys: PathBuf::new(), contact: "mailto:op@example.org".into(), allow_private: false };
        Self::parse(&text, &config).unwrap()
    }

    /// Answers a PUSH.
    pub(crate) fn seal(&self, mailbox: &Mailbox, subscription: Option<&Subscription<'_>>) -> (PushStatus, Vec<u8>) {
        let Some(subscription) = subscription else { return (PushStatus::Ok, Vec::new()) };
        let sealed = self.sealing.first().and_then(|key| key.seal(mailbox, subscription, self.allow_private));
        sealed.map_or((PushStatus::Refused, Vec::new()), |sealed| (PushStatus::Ok, sealed))
    }

    /// Reads the push address in a ticket of this mailbox.
    pub(crate) fn open(&self, mailbox: &Mailbox, sealed: &[u8]) -> Option<Target> {
        self.sealing.iter().find_map(|key| key.open(mailbox, sealed))
    }
}

/// What is wrong with the content of a file, without any of it: it may be a key.
#[derive(Debug)]
struct Wrong {
    line: Option<usize>,
    what: &'static str,
}

impl From<&'static str> for Wrong {
    fn from(what: &'static str) -> Self {
        Self { line: None, what }
    }
}

impl Wrong {
    fn in_file(self, file: &Path) -> PushKeysError {
        PushKeysError::Malformed { file: file.to_owned(), line: self.line, what: self.what }
    }
}

/// The keys in the text of a file.
fn parts(text: &str) -> Result<(SecretKey, Vec<SealingKey>), Wrong> {
    let at = |span: Option<Range<usize>>| span.map(|span| line_of(text, Some(span)));
    Document::parse(text).map_err(|error| Wrong { line: at(error.span()), what: "this is no TOML" })?;
    let file: File = de::from_str(text).map_err(|error| Wrong {
        line: at(error.span()),
        what: "this does not belong here, or something is missing: there are `version = 1`, `vapid` and one or more `[[seal]]`, each with \
               `id` and `key`",
    })?;
    if file.version != 1 {
        return Err("a version that this program does not know".into());
    }
    let vapid = SecretKey::from_slice(&*secret(&file.vapid)?).map_err(|_| "the VAPID key is no P-256 key")?;
    let sealing: Vec<SealingKey> = file.seal.iter().map(sealing_key).collect::<Result<_, _>>()?;
    let distinct = sealing.iter().enumerate().all(|(at, key)| !sealing.iter().take(at).any(|other| other.id == key.id));
    if sealing.is_empty() || sealing.len() > MAX_SEALING_KEYS || !distinct {
        return Err("1 to 16 sealing keys with different ids are needed".into());
    }
    Ok((vapid, sealing))
}

fn sealing_key(seal: &Seal) -> Result<SealingKey, &'static str> {
    let id = HEXLOWER.decode(seal.id.as_bytes()).ok().and_then(|id| id.try_into().ok());
    Ok(SealingKey { id: id.ok_or("the id of a sealing key is not 8 hexadecimal digits")?, secret: secret(&seal.key)? })
}

fn secret(text: &str) -> Result<Zeroizing<[u8; 32]>, &'static str> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.ok().and_then(|bytes| bytes.as_slice().try_into().ok().map(Zeroizing::new));
    bytes.ok_or("a key is not 43 characters of base64url")
}

/// The text of the file; `None` if there is none.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>, PushKeysError> {
    let failed = |source| PushKeysError::Read { file: path.to_owned(), source };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(PushKeysError::Exposed { file: path.to_owned() });
    }
    let bytes = files::read_from(file).map_err(failed)?;
    Ok(Some(Zeroizing::new(files::text(&bytes).map_err(failed)?.to_owned())))
}

/// Makes fresh keys and writes them; where another relay was faster, its keys are taken.
fn make(path: &Path, rng: &mut (impl RngCore + CryptoRng)) -> Result<Zeroizing<String>, PushKeysError> {
    let failed = |source| PushKeysError::Write { file: path.to_owned(), source };
    let vapid = Zeroizing::new(SecretKey::random(rng).to_bytes());
    let (mut id, mut key) = ([0; 4], Zeroizing::new([0; 32]));
    rng.fill_bytes(&mut id);
    rng.fill_bytes(&mut *key);
    let (vapid, key) = (Zeroizing::new(BASE64URL_NOPAD.encode(&vapid)), Zeroizing::new(BASE64URL_NOPAD.encode(&*key)));
    let text = Zeroizing::new(format!(
        "# Made by countersign-relay. Secret: keep it to yourself and back it up. Without it phones have to register again.\n\
         # The first [[seal]] seals new push addresses, all of them open old ones.\n\
         version = 1\nvapid = \"{}\"\n\n[[seal]]\nid = \"{}\"\nkey = \"{}\"\n",
        *vapid,
        HEXLOWER.encode(&id),
        *key
    ));
    // Whole or not at all: a relay that starts at the same time must not read half of it.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = folder.join(format!(".push-keys-{}", HEXLOWER.encode(&id)));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Fails if the file is there by now.
        fs::hard_link(&temporary, path)
    })();
    // Its work is done, or there is no use for it.
    let _ = fs::remove_file(&temporary);
    match written {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let raced = PushKeysError::Read { file: path.to_owned(), source: error };
            read(path)?.ok_or(raced)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use p256::elliptic_curve::sec1::ToEncodedPoint as _;
    use rand_core::OsRng;

    use super::*;

    const MAILBOX: Mailbox = Mailbox::from_bytes([1; 32]);

    fn config(folder: &Path) -> PushConfig {
        PushConfig { keys: folder.join("push.toml"), contact: "mailto:op@example.org".into(), allow_private: false }
    }

    fn subscription() -> Subscription<'static> {
        let public = SecretKey::from_slice(&[5; 32]).unwrap().public_key().to_encoded_point(false);
        Subscription { p256dh: public.as_bytes().try_into().unwrap(), auth: [9; 16], endpoint: b"https://push.example.org/abc" }
    }

    #[test]
    fn made_once_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let made = PushKeys::load_or_make(&config, &mut OsRng).unwrap();
        assert_eq!(fs::metadata(&config.keys).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let again = PushKeys::load_or_make(&config, &mut OsRng).unwrap();
        assert_eq!(made.vapid.public(), again.vapid.public());
        let (status, sealed) = made.seal(&MAILBOX, Some(&subscription()));
        assert_eq!(status, PushStatus::Ok);
        assert_eq!(again.open(&MAILBOX, &sealed).unwrap().subscription(), subscription());
        assert_eq!(made.seal(&MAILBOX, None), (PushStatus::Ok, Vec::new()));
        assert_eq!(format!("{made:?}"), "PushKeys(..)");
        fs::set_permissions(&config.keys, fs::Permissions::from_mode(0o640)).unwrap();
        let error = PushKeys::load_or_make(&config, &mut OsRng).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn keys_take_over_from_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let old = PushKeys::load_or_make(&config, &mut OsRng).unwrap();
        let sealed = old.seal(&MAILBOX, Some(&subscription())).1;
        let text = fs::read_to_string(&config.keys).unwrap();
        let new = format!("\n[[seal]]\nid = \"00000000\"\nkey = \"{}\"\n\n[[seal]]\n", BASE64URL_NOPAD.encode(&[3; 32]));
        fs::write(&config.keys, text.replace("\n[[seal]]\n", &new)).unwrap();
        let both = PushKeys::load_or_make(&config, &mut OsRng).unwrap();
        assert!(both.open(&MAILBOX, &sealed).is_some());
        let newer = both.seal(&MAILBOX, Some(&subscription())).1;
        assert_ne!(newer, sealed);
        assert!(old.open(&MAILBOX, &newer).is_none());
    }

    #[test]
    fn what_is_refused_never_shows_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        PushKeys::load_or_make(&config, &mut OsRng).unwrap();
        let good = fs::read_to_string(&config.keys).unwrap();
        let key = good.lines().find_map(|line| line.strip_prefix("vapid = ")).unwrap().trim_matches('"');
        let again = good.split_once("\n[[seal]]").unwrap().1;
        let bad = [
            String::new(),
            good.replace("version = 1", "version = 2"),
            good.replace("vapid = ", "vapid = 7 #"),
            good.replace(key, &key[1..]),
            good.replace(key, &"A".repeat(43)),
            good.replace("id = \"", "id = \"0"),
            format!("{good}\n[[seal]]{again}"),
            good.replace("[[seal]]", "[[other]]"),
        ];
        for text in bad {
            fs::write(&config.keys, &text).unwrap();
            let error = PushKeys::load_or_make(&config, &mut OsRng).unwrap_err();
            assert!(matches!(error, PushKeysError::Malformed { .. }) && !error.to_string().contains(key), "{error}\n{text}");
        }
        fs::write(&config.keys, good.replace("[[seal]]\nid", "[[seel]]\nid")).unwrap();
        let line = 1 + good.lines().position(|line| line == "[[seal]]").unwrap();
        for error in [PushKeys::check_file(&config.keys).unwrap_err(), PushKeys::load_or_make(&config, &mut OsRng).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains(&format!(", line {line}: ")) && text.contains("`[[seal]]`") && text.contains("correct that"), "{text}");
        }
        fs::write(&config.keys, good.replace("[[seal]]", "[[seal]")).unwrap();
        let text = PushKeys::check_file(&config.keys).unwrap_err().to_string();
        assert!(text.contains(&format!(", line {line}: this is no TOML")), "{text}");
        let nobody = PushConfig { contact: "op".into(), ..config.clone() };
        assert!(matches!(PushKeys::load_or_make(&nobody, &mut OsRng), Err(PushKeysError::Contact)));
        let nowhere = PushConfig { keys: folder.path().join("no/such/folder"), ..config };
        assert!(matches!(PushKeys::load_or_make(&nowhere, &mut OsRng), Err(PushKeysError::Write { .. })));
        // A folder, whatever its mode: chmod would not help.
        let text = PushKeys::check_file(folder.path()).unwrap_err().to_string();
        assert!(text.contains("it is a folder") && !text.contains("chmod"), "{text}");
    }
}
