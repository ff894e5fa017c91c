//! Every command but `run`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use countersign_mobile::{ObserverError, PairingUi, is_pairing_code};

use zeroize::Zeroizing;

use crate::{
    app::{App, wait},
    args::{Args, Command},
    backup,
    console::{Console, NoAnswer},
    enroll,
    find::find,
    output,
    run::run as run_requests,
    screen,
    sealed_text::sealed_texts,
    show,
    time_text::utc,
    wake_up,
    wrap::tidy,
};

/// Does what the command line says.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let state = args.state;
    match args.command {
        Command::Init { name } => init(state, name),
        Command::Pair { text } => pair(state, text),
        Command::Run { once: false, plain: false } if screen::is_possible() => screen::run(state),
        Command::Run { once, .. } => run_requests(&App::open(state, false)?, once),
        Command::Enroll { picture, only, recipient } => enroll::run(state, picture.as_deref(), &only, recipient),
        Command::Import { file } => import(state, &file),
        Command::Trust { signer } => Ok(wait(App::open(state, false)?.authenticator.trust(signer))?),
        Command::Identity => identity(&App::open(state, false)?),
        Command::Seeds => seeds(&App::open(state, false)?),
        Command::Pairings => pairings(&App::open(state, false)?),
        Command::Allow { pairing, seed, deny } => allow(&App::open(state, false)?, &pairing, &seed, !deny),
        Command::Revoke { pairing } => revoke(&App::open(state, false)?, &pairing),
        Command::WakeUp { file, off, key, relay } => wake_up::run(state, file.as_deref(), off, key, relay),
        Command::Remove { seed } => remove(&App::open(state, false)?, &seed),
        Command::Backup { file, without_unlock_key, anyway } => {
            backup::back_up(&App::open(state, false)?, &file, !without_unlock_key, anyway)
        }
        Command::Restore { file } => backup::restore(state, &file),
        Command::RestoreKey { file } => backup::restore_key(&App::open(state, false)?, &file),
        Command::History => history(&App::open(state, false)?),
    }
}

fn init(state: Option<PathBuf>, name: String) -> anyhow::Result<()> {
    let app = App::create(state, name.clone())?;
    let set_up = app.authenticator.identity()?.name;
    if set_up != name {
        output::note("the name was changed: it may have 64 characters, and those that can't be shown are replaced");
    }
    output::note(&format!("{set_up} is set up; pair it with the text that `countersign pair` shows: countersign-phone pair TEXT"));
    Ok(())
}

/// Prints the digits alone, for scripts.
struct Digits;

impl PairingUi for Digits {
    fn show_digits(&self, name: String, digits: String) -> Result<(), ObserverError> {
        output::note(&format!("type these digits on the laptop that calls itself {name}:"));
        output::line(&digits).map_err(|_| ObserverError::Failed)
    }
}

/// Copied out of a narrow window a code has several lines: it is read until it is whole.
fn pairing_code(console: &Arc<Console>) -> Result<Zeroizing<String>, NoAnswer> {
    let mut code = console.ask("pairing code", false)?;
    code.retain(|c| !c.is_whitespace());
    while !is_pairing_code(&code) {
        match console.ask_more("the rest of it (Enter if that was all)") {
            Ok(line) if !line.trim().is_empty() => code.extend(line.split_whitespace()),
            Ok(_) | Err(NoAnswer::End) => break,
            Err(why) => return Err(why),
        }
    }
    Ok(code)
}

fn pair(state: Option<PathBuf>, text: String) -> anyhow::Result<()> {
    let app = App::open(state, false)?;
    let text = if text == "-" { pairing_code(&app.console)?.to_string() } else { text };
    let console = app.console.clone();
    let (say, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        console.wait_stopped();
        // Nobody listens any more once it is paired.
        let _ = say.send(());
    });
    let pairing = wait(async {
        tokio::select! {
            paired = app.authenticator.pair(text, Arc::new(Digits)) => Ok(paired?),
            _ = stopped => bail!("interrupted; nothing was stored"),
        }
    })?;
    output::note(&format!("paired with {}; it may use no seed until you allow it", pairing.name));
    Ok(())
}

fn import(state: Option<PathBuf>, file: &Path) -> anyhow::Result<()> {
    let app = App::open(state, true)?;
    let texts = if file.as_os_str() == "-" {
        let is_slip = |error: &anyhow::Error| !error.is::<NoAnswer>();
        app.console.until_right(is_slip, || sealed_texts(&app.console.ask("sealed text", false)?))?
    } else {
        sealed_texts(&fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?)?
    };
    let (mut problems, of) = (0, texts.len());
    for sealed in texts {
        match wait(app.authenticator.import_sealed(sealed)) {
            Ok(seed) => output::line(&format!("{}\t{}", seed.id, seed.label))?,
            Err(error @ countersign_mobile::AuthenticatorError::StartAgain(_)) if of > 1 => {
                problems += 1;
                output::note(&format!("one seed was left out: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if problems == of {
        bail!("none of the seeds is for this phone; enroll again with its recipient, or trust the phone that sealed them");
    }
    Ok(())
}

fn identity(app: &App) -> anyhow::Result<()> {
    let identity = app.authenticator.identity()?;
    let fields = [("name", identity.name), ("recipient", identity.recipient), ("signer", identity.signer)];
    Ok(output::list(fields.iter().map(|(name, value)| format!("{name} = {value:?}")))?)
}

fn seeds(app: &App) -> anyhow::Result<()> {
    let seeds = app.authenticator.seeds()?;
    Ok(output::list(seeds.iter().map(|seed| {
        let used = if seed.last_used.is_some() { "used" } else { "never used" };
        format!("{}\t{}\t{}\t{used}", seed.id, seed.label, utc(seed.created))
    }))?)
}

fn pairings(app: &App) -> anyhow::Result<()> {
    let pairings = app.authenticator.pairings()?;
    Ok(output::list(pairings.iter().map(|pairing| {
        let rights = pairing.seeds.iter().map(|right| format!("{}{}", if right.allowed { '+' } else { '-' }, right.label));
        let rights = rights.collect::<Vec<_>>().join(" ");
        let wake_ups = show::wake_up(pairing.wake_up);
        format!("{}\t{}\t{}\t{rights}\twake-ups: {wake_ups}", pairing.id, pairing.name, pairing.relay)
    }))?)
}

fn allow(app: &App, pairing: &str, seed: &str, allowed: bool) -> anyhow::Result<()> {
    let (pairings, seeds, lost) = (app.authenticator.pairings()?, app.authenticator.seeds()?, app.authenticator.lost()?);
    let (pairing, seed) = (find(&pairings, pairing, &lost)?, find(&seeds, seed, &lost)?);
    wait(app.authenticator.allow(pairing.id.clone(), seed.id.clone(), allowed))?;
    let may = if allowed { "may" } else { "may not" };
    output::note(&format!("{} {may} use {}", pairing.name, seed.label));
    Ok(())
}

fn remove(app: &App, seed: &str) -> anyhow::Result<()> {
    let seeds = app.authenticator.seeds()?;
    let seed = find(&seeds, seed, &app.authenticator.lost()?)?;
    wait(app.authenticator.remove_seed(seed.id.clone()))?;
    output::note(&format!("{} is removed; the sealed text in countersign.toml can be imported again", seed.label));
    Ok(())
}

fn revoke(app: &App, pairing: &str) -> anyhow::Result<()> {
    let pairings = app.authenticator.pairings()?;
    let pairing = find(&pairings, pairing, &app.authenticator.lost()?)?;
    wait(app.authenticator.revoke(pairing.id.clone()))?;
    output::note(&format!("{} is revoked; its relay hears of it with the next: countersign-phone run", pairing.name));
    Ok(())
}

fn history(app: &App) -> anyhow::Result<()> {
    let history = app.authenticator.history()?;
    Ok(output::list(history.iter().map(|entry| {
        let (at, outcome) = (utc(entry.at), show::outcome(entry.outcome));
        format!("{at}\t{outcome}\t{}\t{}\t{}\t{}", entry.pairing, tidy(&entry.label), entry.codes, tidy(&entry.reason))
    }))?)
}
