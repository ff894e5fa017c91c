//! `countersign renew`

use clap::Args;
use countersign_core::{
    ci::{Ask, Finished},
    relay::parse_ticket,
    request::{Operation, Outcome},
};

use super::listen;
use crate::{
    ask::{Phone, ask},
    cli::{ConfigArg, KeyArg},
    config,
    duration::Timeout,
    exit::Exit,
    files, keys,
    problem::Problem,
    signals::Signals,
    ui::Ui,
    waiting::Waiting,
};

/// Fetches new tickets from phones, after one of them got another wake-up address
///
/// The ticket in the configuration holds where the phone can be woken while its app is closed. The phone must be connected, but nobody is asked for
/// anything. Commit the configuration afterwards, so that jobs have it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign renew --key-file ci.key\n  countersign renew --key-file ci.key --phone pixel")]
pub(crate) struct RenewArgs {
    /// This phone only
    #[arg(long, value_name = "NAME")]
    phone: Option<String>,
    /// How long to wait for each phone, 5s to 10m
    #[arg(long, value_name = "TIME", default_value = "1m")]
    timeout: Timeout,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(args: RenewArgs, ui: Ui) -> Result<u8, Problem> {
    let path = args.config.path();
    let config = args.config.load(ui)?;
    files::check_writable(&path)?;
    let keys = keys::load(args.key.key_file.as_deref())?;
    let phones = keys::phones(&config, keys, args.phone.as_deref())?;
    let mut signals = listen()?;
    let mut first = Ok(0);
    for phone in phones {
        let (name, old) = (phone.pairing.phone_name.clone(), phone.pairing.ticket.clone());
        match fetch(phone, args.timeout, ui, &mut signals).await {
            Ok(ticket) if ticket == old => ui.say(&format!("{name}: the ticket is up to date{}", wake_ups(&ticket))),
            Ok(ticket) => {
                config::change(&path, |edit| edit.set_ticket(&name, &ticket))?;
                ui.say(&format!("{name}: a new ticket is in {}{}", path.display(), wake_ups(&ticket)));
            }
            Err(problem) if problem.exit == Exit::Interrupted => return Err(problem),
            // The other phones may be there; the first problem is told at the end.
            Err(problem) if first.is_ok() => first = Err(problem),
            Err(problem) => ui.say(&problem.message),
        }
    }
    first
}

async fn fetch(phone: Phone, timeout: Timeout, ui: Ui, signals: &mut Signals) -> Result<Vec<u8>, Problem> {
    let mut waiting = Waiting::new(ui, 1);
    let answer = ask(vec![phone], Ask::new(Operation::Ticket, timeout.as_millis()), &mut waiting, signals.interrupted()).await?;
    drop(waiting);
    let ticket = if let Finished::Ticket(ticket) = &answer.finished { ticket.clone() } else { Vec::new() };
    answer.report(Outcome::NotUsed).await;
    Ok(ticket)
}

fn wake_ups(ticket: &[u8]) -> &'static str {
    match parse_ticket(ticket) {
        Ok(ticket) if !ticket.push.is_empty() => "; jobs can wake this phone with it",
        _ => "; this phone has registered no wake-up address, jobs can't wake it",
    }
}
