//! `countersign targets`

use clap::Args;

use crate::{
    cli::ConfigArg,
    config::Config,
    problem::Problem,
    targets::{Profile, Targets, explain, takes},
    ui::Ui,
};

/// Lists the targets: how release tools take a code, and how they refuse one
///
/// With a name it tells everything about that one. Targets of the configuration are listed after those of the program; without a
/// configuration there are only the latter.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign targets\n  countersign targets npm\n  countersign targets --json | jq '.[].name'")]
pub(crate) struct TargetsArgs {
    /// The target to explain
    name: Option<String>,
    /// Print the data: a list, or with a name the one object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) fn run(args: &TargetsArgs, ui: Ui) -> Result<u8, Problem> {
    let targets = match args.config.path_if_any() {
        Some(path) => Config::load(&path)?.targets,
        None => Targets::builtin(),
    };
    match &args.name {
        Some(name) => {
            let profile = targets.named(name)?;
            if args.json { json(ui, profile.as_ref())? } else { explain(&profile).iter().try_for_each(|line| ui.print(line))? }
        }
        None if args.json => json(ui, &targets.iter().map(AsRef::as_ref).collect::<Vec<&Profile>>())?,
        None => list(&targets, ui)?,
    }
    Ok(0)
}

fn list(targets: &Targets, ui: Ui) -> Result<(), Problem> {
    let name = targets.iter().map(|profile| profile.name.len()).max().unwrap_or(0);
    targets.iter().try_for_each(|profile| {
        ui.print(&format!("{:name$}  {}", profile.name, profile.about))?;
        ui.print(&format!("{:name$}  code in: {}", "", takes(profile)))
    })
}

fn json(ui: Ui, data: &impl serde::Serialize) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(data).map_err(|error| Problem::config(format!("cannot write JSON: {error}")))?;
    ui.print(&text)
}
