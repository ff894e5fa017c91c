//! `countersign serve`

use std::{ffi::OsString, time::Duration};

use clap::Args;
use countersign_core::request::Outcome;

use super::{
    batch::BatchArgs,
    exec::command_name,
    listen,
    request::{RequestArgs, mask_all},
};
use crate::{
    child::Child,
    codes::http::{HttpEndpoint, URL_VARIABLE},
    duration::MinLife,
    event::{Event, Text},
    problem::Problem,
    ui::Ui,
};

/// Asks for codes and gives them to whatever fetches a secret URL on this machine
///
/// Each GET gives one code that was not handed out before, alone, with status 200; if need be it waits for the next step of time. Everything else
/// has another status and no body: 410 when no code is left. The URL is in the command's COUNTERSIGN_URL; without a command it is printed, and
/// served until the time of the codes is over.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign serve npm --codes 3 -- sh -c '\n    otp=$(curl -fsS --noproxy \"*\" \"$COUNTERSIGN_URL\") && \
                  NPM_CONFIG_OTP=$otp npm publish'"
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    batch: BatchArgs,
    /// How long a code must still live when it is given, at most 119s
    #[arg(long, value_name = "TIME", default_value = "10s")]
    min_life: MinLife,
    /// Port on 127.0.0.1; else a free one
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) async fn run(args: ServeArgs, ui: Ui) -> Result<u8, Problem> {
    // Before anybody is asked.
    let batch = args.batch.batch(&args.request.seed(ui)?)?;
    let mut prepared = args.request.prepare(ui)?;
    let name = command_name(&args.command);
    prepared.command = (!args.command.is_empty()).then(|| name.clone());
    let reuse = prepared.seed.target.reuse;
    let child = if args.command.is_empty() {
        ui.check_stdout()?;
        None
    } else {
        Some(Child::without_code(&args.command)?)
    };
    let endpoint = HttpEndpoint::bind(args.port, args.min_life.into(), ui).await?;
    let mut signals = listen()?;
    let mut answer = prepared.ask(batch, ui, &mut signals).await?;
    mask_all(ui, &answer).await;
    let dispenser = batch.dispenser(&mut answer, reuse, ui);
    // How long a step lasts is only known now.
    let longest = dispenser.longest_life();
    if Duration::from(args.min_life) > longest {
        answer.report(Outcome::NotUsed).await;
        return Err(Problem::config(format!("no code of {} lives as long as --min-life says", args.request.name()))
            .hint(format!("give --min-life {}s or less; no code was handed out", longest.as_secs())));
    }
    let result = if let Some(mut child) = child {
        child.set_others([(URL_VARIABLE, OsString::from(endpoint.url()))]);
        let meanwhile = async {
            tokio::join!(answer.keep_alive(), endpoint.serve(&dispenser));
        };
        let seed = args.request.name();
        ui.tell(&Event::Running { seed, command: Text(&name) }, &format!("running {name}, which may fetch codes"));
        let ran = child.run(None, &mut signals, meanwhile).await;
        if let Ok(ran) = &ran {
            ui.tell(&Event::Used { seed, command: Some(Text(&name)), exit: Some(ran.exit) }, &format!("{name} {}", ran.how()));
        }
        ran.map(|ran| ran.exit)
    } else {
        ui.say("serving codes until their time is over");
        // The URL is what was asked for.
        match ui.print(&endpoint.url()) {
            Err(problem) => Err(problem),
            Ok(()) => tokio::select! {
                () = dispenser.over() => Ok(0),
                () = signals.interrupted() => Err(Problem::interrupted()),
                () = endpoint.serve(&dispenser) => Ok(0),
                () = answer.keep_alive() => Ok(0),
            },
        }
    };
    endpoint.tell_the_rest();
    let handed = dispenser.handed();
    ui.say(&format!("{handed} of {} codes were handed out", batch.limit));
    answer.report(if handed > 0 { Outcome::Used } else { Outcome::NotUsed }).await;
    result
}
