//! `countersign code`

use clap::Args;
use countersign_core::request::{MAX_CODES, Outcome, StepCode};

use super::{
    listen,
    request::{RequestArgs, mask, wait_until_open},
};
use crate::{exit::Exit, problem::Problem, ui::Ui};

/// Asks for one or more codes and prints them, one a line, each as soon as it is valid
///
/// Nothing else goes to standard output, and nothing at all if it fails. `countersign exec` is safer: there the code does not pass through a
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
}

pub(crate) async fn run(args: CodeArgs, ui: Ui) -> Result<u8, Problem> {
    let prepared = args.request.prepare()?;
    ui.check_stdout()?;
    let wanted = args.codes.unwrap_or(prepared.seed.codes);
    let mut signals = listen()?;
    let mut answer = prepared.ask(wanted, ui, &mut signals).await?;
    let codes = answer.approval().map(|approval| approval.codes.clone()).unwrap_or_default();
    codes.iter().for_each(|StepCode(_, code)| mask(ui, code));
    if codes.len() < usize::from(wanted) {
        ui.say(&format!("{} of {wanted} codes were allowed", codes.len()));
    }
    let mut outcome = Outcome::NotUsed;
    let mut result = Ok(0);
    for StepCode(step, code) in &codes {
        match wait_until_open(&mut answer, *step, ui, &mut signals).await {
            Ok(()) => {}
            // Others of the batch may be good.
            Err(late) if late.exit == Exit::TimedOut => {
                result = Err(late);
                continue;
            }
            Err(problem) => {
                result = Err(problem);
                break;
            }
        }
        // Printing the code is what this command is for.
        if let Err(problem) = ui.print(code.expose()) {
            result = Err(problem);
            break;
        }
        outcome = Outcome::Used;
        result = Ok(0);
    }
    answer.report(outcome).await;
    result
}
