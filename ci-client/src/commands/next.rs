//! `countersign next`

use clap::Args;
use tokio::time::timeout;

use super::{held::take_held, listen};
use crate::{
    codes::endpoint::Taker,
    duration::{MinLife, Timeout},
    exit::Exit,
    problem::Problem,
    ui::Ui,
};

/// Prints a fresh code of what was approved, inside `countersign exec`
///
/// The code is valid now, has --min-life left and was not handed out before; if need be this waits for the next step of time. Nothing else goes to
/// standard output. Nobody is asked: `exec --codes N` says how many there are.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign exec npm --codes 10 -- ./publish-all.sh\n  in publish-all.sh: for dir in packages/*; do\n    \
                        otp=$(countersign next npm) || exit; (cd \"$dir\" && NPM_CONFIG_OTP=$otp npm_config_otp=$otp npm publish) || exit\n  done"
)]
pub(crate) struct NextArgs {
    /// Name of the seed, as exec was given it
    seed: String,
    /// How long the code must still live, at most 119s
    #[arg(long, value_name = "TIME", default_value = "10s")]
    min_life: MinLife,
    /// How long to wait for a step of time, 5s to 10m
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: Timeout,
}

pub(crate) async fn run(args: NextArgs, ui: Ui) -> Result<u8, Problem> {
    let taker = Taker::from_environment()?;
    ui.check_stdout()?;
    let mut signals = listen()?;
    let taken =
        timeout(std::time::Duration::from_millis(args.timeout.as_millis()), take_held(&taker, &args.seed, args.min_life.into(), true, ui));
    let code = tokio::select! {
        taken = taken => taken.map_err(|_| {
            Problem::new(Exit::TimedOut, "no code became valid in time; none was used up").hint("others wait too, perhaps: give a longer --timeout")
        })??,
        () = signals.interrupted() => return Err(Problem::interrupted()),
    };
    // Printing the code is what this command is for. `exec` has had it masked where that can be.
    ui.print(code.expose())?;
    Ok(0)
}
