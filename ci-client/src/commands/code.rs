//! `countersign code`

use std::time::Duration;

use clap::Args;
use countersign_core::request::{CodeText, MAX_CODES, Outcome, StepCode};

use super::{
    batch::Batch,
    held::{HELD_LIFE, Wanted, held, take_held},
    listen,
    request::{RequestArgs, mask, mask_all, wait_until_open},
};
use crate::{codes::endpoint::Taker, event::Event, exit::Exit, problem::Problem, signals::Signals, ui::Ui};

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
        let seed = args.request.seed(ui)?;
        let wanted = Wanted { codes: args.codes.unwrap_or(1), life: seed.target.min_life().max(HELD_LIFE) };
        if let Some(taker) = held(&args.request.config_path(), args.request.name(), wanted, ui).await {
            ui.check_stdout()?;
            match from_holder(args.request.name(), wanted, &taker, ui).await {
                // It came to its end in between, and what was printed was asked for, and so is the rest.
                Err(Short { printed: 0, problem }) if problem.exit == Exit::Spent && !args.no_ask => ui.say(&format!("{problem}; asking")),
                other => return other.map_err(|short| short.problem),
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
        match wait_until_open(&mut answer, *step, Duration::ZERO, (&seed, ui), &mut signals).await {
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
        if let Err(problem) = print(ui, &seed, code) {
            result = Err(problem);
            break;
        }
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
fn print(ui: Ui, seed: &str, code: &CodeText) -> Result<(), Problem> {
    ui.print(code.expose())
        .map_err(|problem| problem.hint("this code is lost, it is not handed out again; see where standard output goes, then ask again"))?;
    ui.event(&Event::Used { seed, command: None, exit: None });
    Ok(())
}

/// Fewer codes than were wanted.
struct Short {
    printed: u8,
    problem: Problem,
}

async fn from_holder(seed: &str, wanted: Wanted, taker: &Taker, ui: Ui) -> Result<u8, Short> {
    let mut signals = listen().map_err(|problem| Short { printed: 0, problem })?;
    for printed in 0..wanted.codes {
        one(seed, wanted.life, taker, printed > 0, ui, &mut signals).await.map_err(|problem| Short { printed, problem })?;
    }
    Ok(0)
}

/// `fresh`: no code that was handed out before.
async fn one(seed: &str, life: Duration, taker: &Taker, fresh: bool, ui: Ui, signals: &mut Signals) -> Result<(), Problem> {
    let code = tokio::select! {
        code = take_held(taker, seed, life, fresh, ui) => code?,
        () = signals.interrupted() => return Err(Problem::interrupted()),
    };
    mask(ui, [&code]).await;
    print(ui, seed, &code)
}

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
