//! The log: lines on standard error, for people or as JSON. No line holds an address of a peer, a payload or a full mailbox.

use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::limits::LOG_LINES;

/// How lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What is worth a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What stops the relay from doing its work.
    Error,
    /// What an operator should look at.
    Warn,
    /// What happens in the life of the relay.
    #[default]
    Info,
    /// More, for those who look for a fault.
    Debug,
}

/// Starts the log; what waits to be written when the result is dropped gets a second. A second start in one process changes nothing.
///
/// A thread writes: whoever reads standard error and stops, as a terminal does at Ctrl-S, must not stop the relay.
pub(super) fn init(format: LogFormat, level: LogLevel) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LOG_LINES).finish(std::io::stderr());
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Only our own lines: what libraries write may hold addresses.
    let mut ours = Targets::new().with_target("countersign_relay", level);
    if level == LevelFilter::DEBUG {
        // Why NATS can't be reached; of peers it knows nothing.
        ours = ours.with_target("async_nats::connector", level);
    }
    let lines = fmt::layer().with_writer(writer).with_target(false).with_ansi(false);
    let lines = match format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    let _ = tracing_subscriber::registry().with(lines.with_filter(ours)).try_init();
    guard
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// The events that the sources name.
    fn named(folder: &Path, events: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                named(&path, events);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let after = text.split(concat!("(event ", "= \"")).skip(1).chain(text.split(concat!("  event ", "= \"")).skip(1));
                events.extend(after.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }

    /// docs/RELAY.md has a row for each event, and no other.
    #[test]
    fn the_documentation_lists_the_same() {
        let text = include_str!("../../../docs/RELAY.md");
        let section = text.split("\n### Log events\n").nth(1).unwrap().split("\n#").next().unwrap();
        let rows: BTreeSet<String> =
            section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect();
        let mut events = BTreeSet::new();
        named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut events);
        assert!(events.len() > 10);
        assert_eq!(rows, events);
    }
}
