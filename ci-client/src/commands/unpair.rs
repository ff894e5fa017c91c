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
    let file = keys::key_file(args.key.key_file.as_deref());
    if let Some(file) = &file {
        files::check_writable(file)?;
    }
    let ci_static = phone.ci_static;
    // The key last: without it nothing else can be mended.
    config::change(&path, |edit| edit.remove_phone(&args.name))?;
    match &file {
        Some(file) => {
            let removed = keys::remove_from_file(file, &ci_static);
            let left = format!("{} is out of {}, but its key is still in {}: remove it there", args.name, path.display(), file.display());
            if !removed.map_err(|problem| problem.hint(left))? {
                ui.say(&format!("{} does not hold the key of {}", file.display(), args.name));
            }
        }
        None => ui.say(&format!("if the key of {} is in your CI's secrets ({KEY_VARIABLE}), remove it there", args.name)),
    }
    ui.say(&format!("removed {} from {}", args.name, path.display()));
    ui.hint("revoke the pairing in the app on the phone too: until then whoever has the key can ask");
    Ok(0)
}
