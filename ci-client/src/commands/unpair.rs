//! `countersign unpair`

use clap::Args;

use crate::{
    cli::{ConfigArg, KeyArg},
    config::{self, Config},
    files,
    keys::{self, KEY_VARIABLE},
    problem::Problem,
    ui::Ui,
};

/// Removes a phone from the configuration, and its key from the key file
///
/// The phone is not told: revoke the pairing there as well.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign unpair pixel --key-file ci.key")]
pub(crate) struct UnpairArgs {
    /// Name of the phone in the configuration
    name: String,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) fn run(args: &UnpairArgs, ui: Ui) -> Result<u8, Problem> {
    let path = args.config.path();
    let config = Config::load(&path)?;
    let phone = config.phone(&args.name)?;
    files::check_writable(&path)?;
    if let Some(file) = keys::key_file(args.key.key_file.as_deref()) {
        files::check_writable(&file)?;
        if !keys::remove_from_file(&file, &phone.ci_static)? {
            ui.say(&format!("{} does not hold the key of {}", file.display(), args.name));
        }
    } else {
        ui.say(&format!("if the key of {} is in your CI's secrets ({KEY_VARIABLE}), remove it there", args.name));
    }
    config::change(&path, |edit| edit.remove_phone(&args.name))?;
    ui.say(&format!("removed {} from {}", args.name, path.display()));
    ui.hint("revoke the pairing in the app on the phone too: until then whoever has the key can ask");
    Ok(0)
}
