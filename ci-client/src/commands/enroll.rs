//! `countersign enroll`

use std::path::PathBuf;

use clap::Args;
use countersign_core::{
    ci::{Approval, Ask, Failure},
    otp::{MAX_URI, parse_otpauth},
    request::{Enroll, Operation, Outcome},
    seed::{MAX_RECIPIENTS, Recipient, SealedSeed},
    text::{MAX_LABEL, is_clean},
};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::listen;
use crate::{
    ask::{AskFailure, Phone, ask},
    cli::{ConfigArg, KeyArg},
    config::{self, Config, is_seed_name},
    duration::Timeout,
    files,
    input::{self, Echo, Hidden, read_line},
    keys, picture,
    platform::hints_of_this_process,
    problem::Problem,
    signals::Signals,
    targets::GENERIC,
    ui::Ui,
    waiting::Waiting,
};

/// Has the phone seal a new seed, and adds it to the configuration
///
/// The otpauth URI comes from standard input, from a picture of the QR code, or, with neither, is scanned on the phone itself and never
/// touches this machine. Every other phone of the configuration can open the seed too, once its owner there trusts the sealing phone's key
/// and imports the sealed seed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign enroll npm --key-file ci.key\n  countersign enroll npm --key-file ci.key --qr-image qr.png --recipient \
                        age1...\n  pass show npm/otp | countersign enroll npm --key-file ci.key --uri-stdin"
)]
pub(crate) struct EnrollArgs {
    /// Name for the seed in the configuration: a-z, 0-9, - and _
    #[arg(value_parser = seed_name)]
    seed: String,
    /// Read the otpauth URI from standard input
    #[arg(long, conflicts_with = "qr_image")]
    uri_stdin: bool,
    /// Read it from a picture of its QR code, PNG or JPEG
    #[arg(long, value_name = "FILE")]
    qr_image: Option<PathBuf>,
    /// Further age recipient that can open the seed, for example an offline recovery key; may be repeated
    #[arg(long = "recipient", value_name = "AGE1...")]
    recipients: Vec<Recipient>,
    /// What the codes are for, see `countersign targets`; else guessed from the label
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Replace the seed if there is one of this name
    #[arg(long)]
    replace: bool,
    /// The phone that seals; needed if there are several
    #[arg(long, value_name = "NAME")]
    phone: Option<String>,
    /// How long to wait for the maintainer, 5s to 10m
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: Timeout,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
}

fn seed_name(text: &str) -> Result<String, String> {
    if is_seed_name(text) { Ok(text.to_owned()) } else { Err("write 1 to 64 of a-z, 0-9, - and _".to_owned()) }
}

pub(crate) async fn run(args: EnrollArgs, ui: Ui) -> Result<u8, Problem> {
    run_with(args, None, ui).await
}

/// The same; `given` is the otpauth URI, if it is here already.
pub(crate) async fn run_with(args: EnrollArgs, given: Option<Zeroizing<String>>, ui: Ui) -> Result<u8, Problem> {
    let path = args.config.path();
    let config = args.config.load(ui)?;
    if config.seeds.contains_key(&args.seed) && !args.replace {
        return Err(Problem::config(format!("there is a seed {} already", args.seed)).hint("choose another name, or --replace it"));
    }
    let target = args.target.as_deref().map(|name| config.targets.named(name)).transpose()?;
    files::check_writable(&path)?;
    let keys = keys::load(args.key.key_file.as_deref())?;
    let mut phones = keys::phones(&config, keys, args.phone.as_deref())?;
    if phones.len() > 1 {
        let names: Vec<&str> = phones.iter().map(|phone| phone.pairing.phone_name.as_str()).collect();
        return Err(Problem::config(format!("which phone is to seal it? there are {}", names.join(", "))).hint("add --phone NAME"));
    }
    // There is exactly one.
    let Some(phone) = phones.pop() else { return Err(Problem::config("no phone is paired").hint("`countersign pair` pairs one")) };
    let recipients = recipients(&config, &phone, args.recipients)?;
    let mut signals = listen()?;
    let uri = match (given, &args.qr_image, args.uri_stdin) {
        (Some(uri), ..) => Some(uri),
        (None, Some(file), _) => Some(picture::read(file)?),
        (None, None, true) => Some(read_uri(ui, &mut signals).await?),
        (None, None, false) => None,
    };
    if let Some(uri) = &uri {
        check_uri(uri, ui)?;
    }
    let others = recipients.len();
    let from_phone = uri.is_none();
    let request = Ask {
        seed_name: args.seed.clone(),
        hints: hints_of_this_process(),
        enroll: Some(Enroll { uri, recipients, name: args.seed.clone() }),
        ..Ask::new(Operation::Enroll, args.timeout.as_millis())
    };
    let name = phone.pairing.phone_name.clone();
    ui.say(&format!("asking {name} to seal a new seed, {}", args.seed));
    if from_phone {
        ui.say(&format!("approve on {name} first; it then scans the QR code itself"));
    }
    let mut waiting = Waiting::new(ui, 1);
    let answer = ask(vec![phone], request, &mut waiting, signals.interrupted()).await?;
    drop(waiting);
    let (sealed, label) = match answer.approval().map(sealed) {
        Some(Ok(it)) => it,
        _ => {
            answer.report(Outcome::NotUsed).await;
            return Err(AskFailure { phone: name, failure: Failure::Protocol, detail: None }.into());
        }
    };
    let target = target.or_else(|| config.targets.guess(&label)).map_or_else(|| GENERIC.to_owned(), |target| target.name.clone());
    let saved = config::change(&path, |edit| edit.set_seed(&args.seed, &sealed, &label, &target));
    answer.report(if saved.is_ok() { Outcome::Used } else { Outcome::NotUsed }).await;
    saved.inspect_err(|_| {
        // Sealed, it is no secret; and the phone should not have to do it twice.
        ui.say("the seed was sealed; add this to the configuration yourself:");
        ui.raw(&format!("[seed.{}]\nsealed = \"{}\"", args.seed, BASE64URL_NOPAD.encode(sealed.as_bytes())));
    })?;
    ui.say(&format!("{name} sealed {} ({label}, target {target}); it is in {}", args.seed, path.display()));
    if others > 0 {
        ui.hint("another phone can use it once its owner trusts this phone's key there and imports the sealed seed");
    }
    Ok(0)
}

/// The further recipients, then every other phone of the config, each once and not the phone that seals.
fn recipients(config: &Config, phone: &Phone, further: Vec<Recipient>) -> Result<Vec<String>, Problem> {
    let others = config.phones.iter().map(|other| other.recipient.clone());
    let mut all: Vec<Recipient> = Vec::new();
    for recipient in further.into_iter().chain(others) {
        if recipient != phone.pairing.recipient && !all.contains(&recipient) {
            all.push(recipient);
        }
    }
    if all.len() >= MAX_RECIPIENTS {
        return Err(Problem::config(format!("a seed is sealed to at most {MAX_RECIPIENTS} recipients, all phones included"))
            .hint("unpair phones that are no longer used, or give fewer --recipient"));
    }
    Ok(all.into_iter().map(|recipient| recipient.to_string()).collect())
}

async fn read_uri(ui: Ui, signals: &mut Signals) -> Result<Zeroizing<String>, Problem> {
    let _hidden = Hidden::begin(Echo::Off);
    if input::is_terminal() {
        ui.say("paste the otpauth URI and press Enter; it is not shown");
    }
    let line = tokio::select! {
        line = read_line(MAX_URI + 2, Echo::Off) => line,
        () = signals.interrupted() => return Err(Problem::interrupted()),
    };
    let line =
        line.map_err(|error| Problem::config(format!("cannot read the otpauth URI: {error}")).hint("one line, otpauth://totp/..."))?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

/// Finds mistakes before the phone is asked.
fn check_uri(uri: &str, ui: Ui) -> Result<(), Problem> {
    let otpauth = parse_otpauth(uri).map_err(|error| Problem::config(error.to_string()).hint("nothing was sent to the phone"))?;
    for warning in otpauth.warnings() {
        ui.say(&format!("warning: {warning}"));
    }
    Ok(())
}

/// What the phone sealed, checked.
fn sealed(approval: &Approval) -> Result<(SealedSeed, String), Failure> {
    let sealed = SealedSeed::parse(approval.sealed.clone()).map_err(|_| Failure::Protocol)?;
    if is_clean(&approval.label, MAX_LABEL) { Ok((sealed, approval.label.clone())) } else { Err(Failure::Protocol) }
}
