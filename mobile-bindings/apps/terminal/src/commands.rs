//! Every command but `run`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use countersign_mobile::{ObserverError, PairingUi, WakeUpState};

use crate::{
    app::App,
    args::{Args, Command},
    find::find,
    output,
    run::run as run_requests,
    sealed_text::sealed_texts,
    show,
    time_text::utc,
    wake_up,
};

/// Does what the command line says.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let state = args.state;
    match args.command {
        Command::Init { name } => init(state, name),
        Command::Pair { text } => pair(state, text),
        Command::Run { once } => run_requests(&App::open(state, false)?, once),
        Command::Enroll { recipient } => enroll(state, recipient),
        Command::Import { file } => import(state, &file),
        Command::Trust { signer } => Ok(App::open(state, false)?.authenticator.trust(signer)?),
        Command::Identity => identity(&App::open(state, false)?),
        Command::Seeds => seeds(&App::open(state, false)?),
        Command::Pairings => pairings(&App::open(state, false)?),
        Command::Allow { pairing, seed, deny } => allow(&App::open(state, false)?, &pairing, &seed, !deny),
        Command::Revoke { pairing } => revoke(&App::open(state, false)?, &pairing),
        Command::WakeUp { file, off, key, relay } => wake_up::run(state, file.as_deref(), off, key, relay),
        Command::History => history(&App::open(state, false)?),
    }
}

fn init(state: Option<PathBuf>, name: String) -> anyhow::Result<()> {
    let app = App::create(state, name)?;
    output::note(&format!("{} is set up; pair it with: countersign-phone pair", app.authenticator.identity()?.name));
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

fn pair(state: Option<PathBuf>, text: String) -> anyhow::Result<()> {
    let app = App::open(state, false)?;
    let text = if text == "-" { app.console.ask("pairing code", false)?.to_string() } else { text };
    let (console, authenticator) = (app.console.clone(), app.authenticator.clone());
    std::thread::spawn(move || {
        console.wait_stopped();
        // Ends the call below.
        let _ = authenticator.cancel_pairing();
    });
    let pairing = app.authenticator.pair(text, Arc::new(Digits))?;
    output::note(&format!("paired with {}; it may use no seed until you allow it", pairing.name));
    Ok(())
}

fn enroll(state: Option<PathBuf>, recipients: Vec<String>) -> anyhow::Result<()> {
    let app = App::open(state, false)?;
    let uri = app.console.ask("otpauth URI", true)?;
    let enrolled = app.authenticator.enroll(uri.to_string(), recipients)?;
    for warning in &enrolled.warnings {
        output::note(&format!("warning: {warning}"));
    }
    output::note(&format!("sealed {}; put this line into countersign.toml:", enrolled.label));
    Ok(output::line(&format!("sealed = \"{}\"", enrolled.sealed))?)
}

fn import(state: Option<PathBuf>, file: &Path) -> anyhow::Result<()> {
    let app = App::open(state, true)?;
    let text = if file.as_os_str() == "-" {
        app.console.ask("sealed text", false)?.to_string()
    } else {
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    let texts = sealed_texts(&text)?;
    let (mut problems, of) = (0, texts.len());
    for sealed in texts {
        match app.authenticator.import_sealed(sealed) {
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
    output::line(&format!("name = {:?}", identity.name))?;
    output::line(&format!("recipient = {:?}", identity.recipient))?;
    Ok(output::line(&format!("signer = {:?}", identity.signer))?)
}

fn seeds(app: &App) -> anyhow::Result<()> {
    for seed in app.authenticator.seeds()? {
        let used = if seed.used { "used" } else { "never used" };
        output::line(&format!("{}\t{}\t{}\t{used}", seed.id, seed.label, utc(seed.created)))?;
    }
    Ok(())
}

fn pairings(app: &App) -> anyhow::Result<()> {
    for pairing in app.authenticator.pairings()? {
        let rights = pairing.seeds.iter().map(|right| format!("{}{}", if right.allowed { '+' } else { '-' }, right.label));
        let rights = rights.collect::<Vec<_>>().join(" ");
        let wake_ups = match pairing.wake_up {
            WakeUpState::Off => "off",
            WakeUpState::NeedsTicket => "after `countersign renew`",
            WakeUpState::Ready => "on",
        };
        output::line(&format!("{}\t{}\t{}\t{rights}\twake-ups: {wake_ups}", pairing.id, pairing.name, pairing.relay))?;
    }
    Ok(())
}

fn allow(app: &App, pairing: &str, seed: &str, allowed: bool) -> anyhow::Result<()> {
    let (pairings, seeds) = (app.authenticator.pairings()?, app.authenticator.seeds()?);
    let (pairing, seed) = (find(&pairings, pairing)?, find(&seeds, seed)?);
    app.authenticator.allow(pairing.id.clone(), seed.id.clone(), allowed)?;
    let may = if allowed { "may" } else { "may not" };
    output::note(&format!("{} {may} use {}", pairing.name, seed.label));
    Ok(())
}

fn revoke(app: &App, pairing: &str) -> anyhow::Result<()> {
    let pairings = app.authenticator.pairings()?;
    let pairing = find(&pairings, pairing)?;
    app.authenticator.revoke(pairing.id.clone())?;
    output::note(&format!("{} is revoked; its relay hears of it with the next: countersign-phone run", pairing.name));
    Ok(())
}

fn history(app: &App) -> anyhow::Result<()> {
    for entry in app.authenticator.history()? {
        let (at, outcome) = (utc(entry.at), show::outcome(entry.outcome));
        output::line(&format!("{at}\t{outcome}\t{}\t{}\t{}\t{}", entry.pairing, entry.label, entry.codes, entry.reason))?;
    }
    Ok(())
}
