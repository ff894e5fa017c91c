//! `backup`, `restore` and `restore-key`.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use countersign_mobile::{AuthenticatorError, LostPart, MAX_BACKUP, MIN_PASSPHRASE, WRONG_PASSPHRASE};
use rustix::fs::{Access, access};

use crate::{
    app::{App, wait},
    console::Console,
    new_passphrase::new_passphrase,
    output,
};

pub(crate) fn back_up(app: &App, file: &Path, with_unlock_key: bool, anyway: bool) -> anyhow::Result<()> {
    check_place(file)?;
    let missing = missing(&app.authenticator.lost()?);
    if let (Some(missing), false) = (&missing, anyway) {
        bail!(
            "nothing was backed up. It might lack {missing}. Bring back what was lost, as said above; then, or to go on without it, back up what is there with --anyway"
        );
    }
    let question = format!("passphrase for the backup, {MIN_PASSPHRASE} characters at least");
    let too_short = format!("a backup needs a passphrase of at least {MIN_PASSPHRASE} characters");
    let passphrase = new_passphrase(&app.console, &question, &too_short)?;
    let backup = wait(app.authenticator.back_up(passphrase.to_string(), with_unlock_key))?;
    let hint = || format!("cannot write {}; see that there is room and the folder is writable for you", file.display());
    let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).with_context(hint)?;
    if let Err(error) = new.write_all(&backup).and_then(|()| new.sync_all()) {
        // Half a backup is none.
        let _ = fs::remove_file(file);
        return Err(error).with_context(hint);
    }
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (seeds, pairings) = (count(app.authenticator.seeds()?.len(), "seed"), count(app.authenticator.pairings()?.len(), "pairing"));
    let key = if with_unlock_key { "and the key that opens seeds" } else { "but not the key that opens seeds" };
    output::note(&format!("{} holds {seeds}, {pairings} {key}", file.display()));
    if let Some(missing) = missing {
        output::note(&format!("NOT in it, as far as nobody has brought them back: {missing}; keep older backups that have them"));
        // The backup is written, whatever becomes of this.
        match wait(app.authenticator.accept_loss()) {
            Ok(()) => output::note("from now on this phone is what it has now, and no command warns of that loss any more"),
            Err(error) => output::note(&format!("warning: commands go on warning of that loss: {error}")),
        }
    }
    Ok(())
}

/// Says what is wrong with the place of a new backup before anything is asked.
fn check_place(file: &Path) -> anyhow::Result<()> {
    if fs::symlink_metadata(file).is_ok() {
        bail!("{} is there already; name another file", file.display());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("there is no folder {}; make it first, or name a file elsewhere", folder.display());
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .with_context(|| format!("cannot write in {}; name a file elsewhere", folder.display()))
}

/// What a backup of this phone would lack, if it was not brought back.
fn missing(lost: &[LostPart]) -> Option<&'static str> {
    match (lost.contains(&LostPart::Seeds), lost.contains(&LostPart::Pairings)) {
        (false, false) => None,
        (true, false) => Some("the seeds, whose list was damaged or missing"),
        (false, true) => Some("the pairings, whose list was damaged or missing"),
        (true, true) => Some("the seeds and the pairings, whose lists were damaged or missing"),
    }
}

pub(crate) fn restore(state: Option<PathBuf>, file: &Path) -> anyhow::Result<()> {
    let app = App::restore(state, read(file)?)?;
    output::note(&format!("this is {} now; use the old one no more, the two would evict each other", app.authenticator.identity()?.name));
    if !app.has_unlock_key()? {
        output::note("the backup was made without the key that opens seeds: bring it back with countersign-phone restore-key");
    }
    Ok(())
}

pub(crate) fn restore_key(app: &App, file: &Path) -> anyhow::Result<()> {
    let backup = read(file)?;
    open(&app.console, |passphrase| {
        wait(app.authenticator.restore_unlock_key(backup.clone(), passphrase)).map_err(|error| app.explain(error))
    })?;
    output::note("the key that opens seeds is back");
    Ok(())
}

/// Does with a backup what needs its passphrase.
pub(crate) fn open<T>(console: &Arc<Console>, with: impl Fn(String) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let is_slip = |error: &anyhow::Error| match error.downcast_ref() {
        Some(AuthenticatorError::BadInput(text)) => text == WRONG_PASSPHRASE,
        _ => false,
    };
    console.until_right(is_slip, || with(console.ask("passphrase of the backup", true)?.to_string()))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let hint = || format!("cannot read {}", file.display());
    let mut backup = Vec::new();
    let limit = u64::try_from(MAX_BACKUP).unwrap_or(u64::MAX);
    fs::File::open(file).and_then(|from| from.take(limit + 1).read_to_end(&mut backup)).with_context(hint)?;
    Ok(backup)
}
