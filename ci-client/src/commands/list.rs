//! `countersign seeds` and `countersign phones`

use clap::Args;
use serde_json::json;

use crate::{cli::ConfigArg, problem::Problem, ui::Ui};

/// Lists the sealed seeds of the configuration: name, target, label
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign seeds")]
pub(crate) struct SeedsArgs {
    #[command(flatten)]
    config: ConfigArg,
}

/// Lists the paired phones of the configuration: name, relay, age recipient
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign phones")]
pub(crate) struct PhonesArgs {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) fn seeds(args: &SeedsArgs, ui: Ui) -> Result<u8, Problem> {
    let config = args.config.load(ui)?;
    if ui.json {
        let rows = config
            .seeds
            .iter()
            .map(|(name, seed)| json!({ "name": name, "target": seed.target.name, "label": seed.label, "codes": seed.codes }));
        return ui.print_json(&rows.collect()).map(|()| 0);
    }
    let rows = config.seeds.iter().map(|(name, seed)| [name.as_str(), seed.target.name.as_str(), seed.label.as_str()]);
    print(ui, rows.collect(), "there is no seed yet", "`countersign enroll` adds one")
}

pub(crate) fn phones(args: &PhonesArgs, ui: Ui) -> Result<u8, Problem> {
    let config = args.config.load(ui)?;
    if ui.json {
        let rows = config.phones.iter();
        let rows = rows.map(|it| json!({ "name": it.phone_name, "relay": it.relay.origin(), "recipient": it.recipient.as_str() }));
        return ui.print_json(&rows.collect()).map(|()| 0);
    }
    let rows = config.phones.iter().map(|phone| [phone.phone_name.as_str(), phone.relay.origin(), phone.recipient.as_str()]);
    print(ui, rows.collect(), "no phone is paired yet", "`countersign pair` adds one")
}

fn print(ui: Ui, rows: Vec<[&str; 3]>, nothing: &str, hint: &str) -> Result<u8, Problem> {
    if rows.is_empty() {
        ui.say(nothing);
        ui.hint(hint);
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    for [a, b, c] in &rows {
        ui.print(format!("{a:first$}  {b:second$}  {c}").trim_end())?;
    }
    Ok(0)
}
