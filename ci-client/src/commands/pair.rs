//! `countersign pair`

use std::{io, path::PathBuf};

use clap::Args;
use countersign_core::{
    pairing::PairingCode,
    relay::RelayUrl,
    text::{MAX_NAME, clean},
};

use super::listen;
use crate::{
    cli::ConfigArg,
    config::{self, Config},
    files,
    input::{self, Echo, read_line},
    keys::{self, KEY_VARIABLE},
    pair::{PairUi, pair},
    problem::Problem,
    qr,
    ui::Ui,
};

/// Pairs this machine's project with a phone
///
/// Shows a pairing code for the phone's camera, and asks for the six digits that the phone then shows. The public part goes to the configuration,
/// the key to --key-file or to standard output. The phone gives a new pairing no right to any seed: it asks at the first use.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign pair --relay wss://relay.example.org --key-file ci.key\n  countersign pair --relay \
                        wss://relay.example.org | gh secret set COUNTERSIGN_KEY")]
pub(crate) struct PairArgs {
    /// The relay, like wss://relay.example.org
    #[arg(long, value_name = "URL")]
    relay: RelayUrl,
    /// What the phone will call this pairing; else the name of the current folder
    #[arg(long)]
    name: Option<String>,
    /// File for the key; made for your eyes only, or added to
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Show the pairing code as text only
    #[arg(long)]
    no_qr: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) async fn run(args: PairArgs, ui: Ui) -> Result<u8, Problem> {
    let in_file = args.key_file.is_some();
    run_within(args, ui).await?;
    if in_file {
        ui.hint(&format!("put it into your CI's secrets as {KEY_VARIABLE}, then delete the file or keep it safe"));
    }
    Ok(0)
}

/// The same as a part of something longer, which says what comes next.
pub(crate) async fn run_within(args: PairArgs, ui: Ui) -> Result<(), Problem> {
    let path = args.config.path();
    // Before the phone is asked for anything: can the result be kept?
    files::check_writable(&path)?;
    if path.exists() {
        Config::load(&path)?;
    }
    match &args.key_file {
        Some(file) => keys::check_file(file)?,
        None => ui.check_stdout()?,
    }
    let name = clean(&args.name.unwrap_or_else(folder_name), MAX_NAME);
    if name.trim().is_empty() {
        return Err(Problem::config("the name is empty").hint("give another --name"));
    }
    let mut signals = listen()?;
    let mut screen = Screen { ui, qr: !args.no_qr };
    let paired = tokio::select! {
        paired = pair(&args.relay, &name, &mut screen) => paired?,
        () = signals.interrupted() => return Err(Problem::interrupted()),
    };
    let mut pairing = paired.pairing;
    // The config may have changed in the meantime.
    let phones = if path.exists() { Config::load(&path)? } else { Config::default() };
    pairing.phone_name = phones.free_phone_name(&pairing.phone_name);
    let phone = pairing.phone_name.clone();
    // What fails from here on leaves the phone with a pairing that nobody can use.
    let one_sided =
        |problem: Problem| problem.hint("the phone has this pairing already: revoke it there, mend what is wrong here, and pair again");
    // The key first: without it the rest is of no use.
    match &args.key_file {
        Some(file) => keys::add_to_file(file, &phone, &paired.key).map_err(one_sided)?,
        // Without a file, standard output is where the key is wanted.
        None => ui
            .print(&paired.key.to_text())
            .map_err(|problem| problem.hint("revoke the pairing on the phone and pair again, with --key-file"))?,
    }
    if let Err(problem) = config::change(&path, |edit| edit.add_phone(&pairing)) {
        if let Some(file) = &args.key_file {
            // It belongs to nothing. The problem that is told is the one that came first.
            let _ = keys::remove_from_file(file, &pairing.ci_static);
        }
        return Err(one_sided(problem));
    }
    ui.say(&format!("paired with {phone}; its public part is in {}, which may be committed", path.display()));
    match &args.key_file {
        Some(file) => ui.say(&format!("the key is in {}", file.display())),
        None => {
            ui.say(&format!("the key is on standard output, and nowhere else: put it into your CI's secrets as {KEY_VARIABLE}"));
        }
    }
    Ok(())
}

fn folder_name() -> String {
    let folder = std::env::current_dir().ok();
    folder.and_then(|folder| Some(folder.file_name()?.to_string_lossy().into_owned())).unwrap_or_else(|| "laptop".to_owned())
}

/// [`PairUi`] on standard error and input.
struct Screen {
    ui: Ui,
    qr: bool,
}

impl PairUi for Screen {
    fn show_code(&mut self, code: &PairingCode) {
        let text = code.to_text();
        match self.qr.then(|| qr::draw(&text, self.ui.color)).flatten() {
            Some(drawn) => {
                self.ui.say("scan this code in the app on the phone (Pair), or copy the text below it; nobody else may see it");
                self.ui.raw(&format!("\n{drawn}"));
            }
            None => self.ui.say("copy this text into the app on the phone (Pair); nobody else may see it"),
        }
        // The code exists to be shown.
        self.ui.raw(&text);
        self.ui.say("waiting for the phone; the code lives for five minutes");
    }

    async fn read_digits(&mut self, phone: &str) -> io::Result<String> {
        let question = format!("the six digits that {phone} shows:");
        if input::is_terminal() && self.ui.terminal {
            self.ui.ask(&question);
        } else {
            self.ui.say(&question);
        }
        Ok(read_line(64, Echo::On).await?.to_string())
    }
}
