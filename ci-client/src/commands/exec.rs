//! `countersign exec`

use std::ffi::OsString;

use clap::Args;
use countersign_core::request::{Outcome, StepCode};

use super::{
    listen,
    request::{RequestArgs, mask, wait_until_open},
};
use crate::{
    child::Child,
    exit::Exit,
    problem::Problem,
    target::{CODE_VARIABLE, Target},
    ui::Ui,
};

/// Asks for a code and runs a command with it
///
/// The code is in the command's environment only: in COUNTERSIGN_CODE and in the variables that the seed's target reads (npm: NPM_CONFIG_OTP;
/// pnpm: PNPM_CONFIG_OTP; gem: GEM_HOST_OTP_CODE; hex: HEX_OTP) or that --env names instead. The command's own exit code is passed on.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign exec npm --reason \"release 1.2\" -- npm publish\n  countersign exec aws --env MFA -- sh -c 'aws sts \
                  get-session-token --serial-number \"$SERIAL\" --token-code \"$MFA\"'"
)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// Variable that holds the code, instead of those of the seed's target; may be repeated
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) async fn run(args: ExecArgs, ui: Ui) -> Result<u8, Problem> {
    // Before anybody is asked.
    let prepared = args.request.prepare()?;
    let child = Child::find(&args.command, variables(args.env, prepared.seed.target))?;
    let mut signals = listen()?;
    let mut answer = prepared.ask(1, ui, &mut signals).await?;
    let first = answer.approval().and_then(|approval| approval.codes.first()).cloned();
    // The core lets no approval of a code pass without one.
    let Some(StepCode(step, code)) = first else { return Err(Problem::new(Exit::Protocol, "the answer holds no code")) };
    mask(ui, &code);
    if let Err(problem) = wait_until_open(&mut answer, step, ui, &mut signals).await {
        answer.report(Outcome::NotUsed).await;
        return Err(problem);
    }
    let result = child.run(&code, &mut signals, answer.keep_alive()).await;
    drop(code);
    answer.report(if matches!(result, Ok(0)) { Outcome::Used } else { Outcome::NotUsed }).await;
    result
}

/// Where the code goes, each name once.
fn variables(named: Vec<String>, target: Target) -> Vec<String> {
    let mut variables = if named.is_empty() { target.variables().iter().map(|name| (*name).to_owned()).collect() } else { named };
    variables.push(CODE_VARIABLE.to_owned());
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_replace_those_of_the_target() {
        assert_eq!(variables(vec![], Target::Npm), ["NPM_CONFIG_OTP", "npm_config_otp", "COUNTERSIGN_CODE"]);
        assert_eq!(variables(vec!["MFA".into()], Target::Npm), ["MFA", "COUNTERSIGN_CODE"]);
        assert_eq!(variables(vec![], Target::Generic), ["COUNTERSIGN_CODE"]);
    }
}
