//! `countersign close`

use clap::Args;

use crate::{cli::ConfigArg, codes::holder::Key, config::Config, problem::Problem, ui::Ui};

/// Ends the holder that `countersign approve` left
///
/// Codes that were not used are forgotten. Without a holder there is nothing to do, which is no failure: put it where a job always comes by. An `approve` that still waits for the phone is not ended (211).
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign close npm")]
pub(crate) struct CloseArgs {
    /// Name of the seed in the configuration
    seed: String,
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) async fn run(args: CloseArgs, ui: Ui) -> Result<u8, Problem> {
    let path = args.config.path();
    Config::load(&path)?.seed(&args.seed)?;
    if Key::new(&path, &args.seed).close().await? {
        ui.say(&format!("the holder of {} has ended", args.seed));
    } else {
        ui.say(&format!("there is no holder of {}", args.seed));
    }
    Ok(0)
}
