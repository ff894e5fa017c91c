//! `cargo demo`: a relay, a phone and a CI request in one terminal.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal: the code goes to stdout, everything else to stderr"
)]

use std::{
    ffi::OsString,
    future::pending,
    io::{BufRead as _, IsTerminal as _},
    process::{Command, ExitCode},
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use clap::Parser;
use countersign::ask::{Note, Progress, ask};
use countersign_core::{
    ci::Ask,
    request::{Hints, MatchNumber, Operation, Outcome},
};
use countersign_mobile::{Authenticator, Event, PendingRequest};
use countersign_tests::embedded::Embedded;
use rand_core::{OsRng, RngCore as _};
use tokio::sync::mpsc::unbounded_channel;

/// A whole approval in one terminal: an embedded relay, a phone, and a CI job that asks it for a code.
///
/// Everything is thrown away at the end. The code goes to stdout, everything else to stderr.
#[derive(Parser)]
#[command(
    name = "demo",
    after_help = "Examples:\n  cargo demo\n  cargo demo -- --yes --otpauth 'otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQ'\n  cargo demo -- --yes -- sh -c 'echo $COUNTERSIGN_CODE'"
)]
struct Args {
    /// Ask nothing: type the number of the log on the phone by itself.
    #[arg(long)]
    yes: bool,
    /// Use this seed instead of a fresh one. It stands on the command line for everybody to see: throw-away seeds only.
    #[arg(long, value_name = "URI")]
    otpauth: Option<String>,
    /// Run this command with the code in COUNTERSIGN_CODE instead of printing it.
    #[arg(last = true, value_name = "CMD ARGS")]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(run(args))) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            eprintln!("demo: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<u8, String> {
    eprintln!("demo: starting a relay and a phone, and pairing the phone with a CI job");
    let mut demo = Embedded::start().await;
    eprintln!("  relay   {}", demo.pairing.relay);
    eprintln!("  phone   {} (sealed seeds go to {})", demo.pairing.phone_name, short(demo.pairing.recipient.as_str()));
    let sealed = demo.enroll(&args.otpauth.unwrap_or_else(fresh_seed)).await.map_err(|error| error.to_string())?;
    eprintln!("  seed    sealed to the phone, {} bytes: all that CI holds", sealed.as_bytes().len());

    let asked = Ask {
        sealed: Some(sealed),
        seed_name: "demo".into(),
        reason: "trying Countersign".into(),
        hints: Hints { platform: Some("demo".into()), ..Hints::default() },
        ..Ask::new(Operation::Code, 300_000)
    };
    let (shown, number) = channel();
    let mut events = std::mem::replace(&mut demo.events, unbounded_channel().1);
    let phone = Arc::clone(&demo.phone);
    let threads = tokio::runtime::Handle::current();
    thread::spawn(move || {
        // Both have to come: the number from the job's log, the request on the phone.
        let number: MatchNumber = number.recv().ok()?;
        while !matches!(events.blocking_recv()?, Event::RequestArrived { .. }) {}
        answer(&phone, &number, args.yes, &threads)
    });
    let mut answer = ask(vec![demo.job()], asked, &mut Log(shown), pending()).await.map_err(|failure| failure.to_string())?;
    let code = answer.approval().and_then(|approval| approval.codes.first().cloned()).ok_or("the phone gave no code")?;
    answer.wait_until_open(code.0).await;
    let Some((program, arguments)) = args.command.split_first() else {
        eprintln!("\ndemo: the code");
        // Asked for on the command line.
        println!("{}", code.1.expose());
        answer.report(Outcome::Used).await;
        return Ok(0);
    };
    // The command is what the code is for.
    let status = Command::new(program).args(arguments).env("COUNTERSIGN_CODE", code.1.expose()).status();
    let status = status.map_err(|error| format!("cannot run {}: {error}", program.display()));
    answer.report(if status.as_ref().is_ok_and(|status| status.success()) { Outcome::Used } else { Outcome::NotUsed }).await;
    Ok(status?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The job's log.
struct Log(std::sync::mpsc::Sender<MatchNumber>);

impl Progress for Log {
    fn number(&mut self, _: &str, number: &MatchNumber) {
        let (left, right) = number.digits().split_at(3);
        eprintln!("\nin the job's log:\n\n    match number:  {left} {right}\n");
        let _ = self.0.send(number.clone());
    }

    fn note(&mut self, phone: &str, note: &Note) {
        eprintln!("demo: {phone}: {note:?}");
    }

    fn waiting(&mut self, _: Duration) {}
}

/// The phone's screen, and the maintainer in front of it.
fn answer(phone: &Authenticator, number: &MatchNumber, yes: bool, threads: &tokio::runtime::Handle) -> Option<()> {
    let request = phone.pending().ok()?.pop()?;
    show(&request);
    let typed = if yes {
        eprintln!("  typed by --yes: {}", number.digits());
        number.digits().to_owned()
    } else {
        eprintln!("  type the number that the job's log shows (anything else denies):");
        let mut line = String::new();
        if !std::io::stdin().is_terminal() {
            eprintln!("  (reading it from standard input)");
        }
        std::io::stdin().lock().read_line(&mut line).ok()?;
        line
    };
    if let Err(error) = threads.block_on(phone.approve(request.id, typed, None, true, None)) {
        eprintln!("  phone: {error}");
    }
    Some(())
}

fn show(request: &PendingRequest) {
    eprintln!("on the phone:\n");
    let (verified, claimed) = (&request.verified, &request.claimed);
    eprintln!("  {} asks for {} code of {}", verified.pairing, verified.codes, verified.seed.as_deref().unwrap_or_default());
    let own = [("seed", &claimed.seed_name), ("reason", &claimed.reason)];
    for (name, value) in own.into_iter().chain(claimed.job.iter().map(|claim| (claim.name.as_str(), &claim.value))) {
        eprintln!("  {name} (unverified): {value}");
    }
    eprintln!("  {} s left", request.seconds_left);
}

/// A seed that nobody has seen.
fn fresh_seed() -> String {
    let mut secret = zeroize::Zeroizing::new([0; 20]);
    OsRng.fill_bytes(&mut *secret);
    format!("otpauth://totp/ACME:release?secret={}&issuer=ACME", data_encoding::BASE32_NOPAD.encode(&*secret))
}

fn short(recipient: &str) -> String {
    recipient.chars().take(12).chain("...".chars()).collect()
}
