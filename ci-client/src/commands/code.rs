//! `countersign code`

use std::time::Duration;

use clap::Args;
use countersign_core::request::{CodeText, MAX_CODES, Outcome, StepCode};

use super::{
    batch::Batch,
    held::held,
    listen,
    request::{RequestArgs, mask, mask_all, tell_the_wait, wait_until_open},
};
use crate::{codes::endpoint::Taker, config::Seed, event::Event, exit::Exit, problem::Problem, signals::Signals, ui::Ui};

/// Asks for one or more codes and prints them, one a line, each as soon as it is valid
///
/// Nothing else goes to standard output. If one of several fails, those before it were printed, and the exit code is not 0. If `countersign approve`
/// left a holder for this seed the codes come from there, and nobody is asked. `countersign exec` is safer: there the code does not pass through a
/// shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  code=$(countersign code esigner --reason \"release 1.2\") || exit\n  countersign code npm --codes 3 --timeout 10m"
)]
pub(crate) struct CodeArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// How many codes, for as many steps of time; the maintainer may allow fewer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_CODES)))]
    codes: Option<u8>,
    /// Ask, even if a holder has codes
    #[arg(long)]
    fresh: bool,
    /// Never ask: take what a holder has, or fail
    #[arg(long, conflicts_with = "fresh")]
    no_ask: bool,
}

pub(crate) async fn run(args: CodeArgs, ui: Ui) -> Result<u8, Problem> {
    if !args.fresh {
        let seed = args.request.seed()?;
        if let Some(taker) = held(&args.request.config_path(), args.request.name(), ui).await {
            ui.check_stdout()?;
            match from_holder(&args, &seed, &taker, ui).await {
                // It came to its end in between.
                Err(problem) if problem.exit == Exit::Spent && !args.no_ask => ui.say(&format!("{problem}; asking")),
                other => return other,
            }
        }
        if args.no_ask {
            return Err(Problem::new(Exit::Spent, format!("no holder has a code of {}, and nobody is to be asked", args.request.name()))
                .hint("run `countersign approve` before, with more --codes or a longer --for"));
        }
    }
    let prepared = args.request.prepare(ui)?;
    ui.check_stdout()?;
    let wanted = args.codes.unwrap_or(prepared.seed.codes);
    let seed = prepared.name.clone();
    let mut signals = listen()?;
    let mut answer = prepared.ask(Batch::of(wanted), ui, &mut signals).await?;
    mask_all(ui, &answer).await;
    let codes = answer.take_codes();
    let mut outcome = Outcome::NotUsed;
    let mut result = Ok(0);
    let mut late = None;
    for StepCode(step, code) in &codes {
        tell_the_wait(&answer, *step, ui);
        match wait_until_open(&mut answer, *step, Duration::ZERO, &mut signals).await {
            Ok(()) => {}
            // Others of the batch may be good.
            Err(problem) if problem.exit == Exit::TimedOut => {
                late = Some(problem);
                continue;
            }
            Err(problem) => {
                result = Err(problem);
                break;
            }
        }
        if let Err(problem) = print(ui, code) {
            result = Err(problem);
            break;
        }
        ui.event(&Event::Used { seed: &seed, command: None, exit: None });
        outcome = Outcome::Used;
    }
    answer.report(outcome).await;
    result.and_then(|done| late.map_or(Ok(done), |late| Err(too_few(late, outcome == Outcome::Used))))
}

/// Some codes came too late, or all of them.
fn too_few(late: Problem, printed: bool) -> Problem {
    if !printed {
        return late;
    }
    Problem::new(Exit::Spent, "some of these codes came too late: their time was over, and they were not printed")
        .hint("those that were printed are good; the connection was lost for too long: ask again for the rest")
}

/// Printing the code is what this command is for.
fn print(ui: Ui, code: &CodeText) -> Result<(), Problem> {
    ui.print(code.expose())
        .map_err(|problem| problem.hint("this code is lost, it is not handed out again; see where standard output goes, then ask again"))
}

/// [`Exit::Spent`] only as long as nothing has been printed.
async fn from_holder(args: &CodeArgs, seed: &Seed, taker: &Taker, ui: Ui) -> Result<u8, Problem> {
    let mut signals = listen()?;
    let wanted = args.codes.unwrap_or(1);
    for number in 0..wanted {
        let code = match take(args, seed, taker, number > 0, &mut signals).await {
            Err(problem) if number > 0 && problem.exit == Exit::Spent => {
                // What was printed was asked for, and so was the rest.
                ui.problem(&problem);
                return Ok(Exit::Spent.code());
            }
            other => other?,
        };
        mask(ui, [&code]).await;
        print(ui, &code)?;
    }
    Ok(0)
}

/// `fresh`: no code that was handed out before.
async fn take(args: &CodeArgs, seed: &Seed, taker: &Taker, fresh: bool, signals: &mut Signals) -> Result<CodeText, Problem> {
    tokio::select! {
        code = taker.code(args.request.name(), seed.target.min_life().max(HELD_LIFE), fresh) => code,
        () = signals.interrupted() => Err(Problem::interrupted()),
    }
}

/// A code from a holder has as much life left as one that comes from a phone.
pub(super) const HELD_LIFE: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_which_some_came_too_late_is_no_success() {
        let late = || Problem::new(Exit::TimedOut, "too late").hint("run the job again");
        assert_eq!(too_few(late(), false), late());
        let some = too_few(late(), true);
        assert!(some.exit == Exit::Spent && some.hint.is_some(), "{some:?}");
    }
}
