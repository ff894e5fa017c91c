//! `--notify`: tells a chat channel that an approval waits. It runs beside the asking, which it can neither delay nor fail.

mod message;
mod post;
mod target;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(crate) use message::{Facts, Waits};
pub(crate) use target::Target;

use crate::{
    files::{cannot, read_limited},
    problem::Problem,
    ui::Ui,
};

/// URLs to notify, separated by white space. They hold tokens: a secret.
pub(crate) const NOTIFY_VARIABLE: &str = "COUNTERSIGN_NOTIFY";
/// Most URLs.
const MAX_TARGETS: usize = 8;
/// Most messages to each in one run: a request that is started afresh has a new number each time.
const MAX_MESSAGES: usize = 10;
/// Longest file of URLs, bytes.
const MAX_FILE: usize = 32 * 1024;

/// That a URL is on the command line is said once.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Reads the targets: `--notify URL`, `--notify @FILE`, and `COUNTERSIGN_NOTIFY`. Problems never repeat a URL.
pub(crate) fn targets(arguments: &[String], ui: Ui) -> Result<Vec<Target>, Problem> {
    let mut targets = Vec::new();
    for argument in arguments {
        if let Some(path) = argument.strip_prefix('@') {
            targets.extend(parse_list(&format!("--notify @{path}"), &read(Path::new(path))?)?);
        } else {
            targets.extend(parse_list("--notify", argument)?);
            if WARNED.swap(true, Ordering::Relaxed) {
                continue;
            }
            ui.say("warning: a URL on the command line is seen by every process of this machine, and by whoever reads the workflow");
            ui.hint(&format!("put it into {NOTIFY_VARIABLE}, or into a file and write --notify @FILE"));
        }
    }
    if let Some(list) = std::env::var_os(NOTIFY_VARIABLE) {
        let list = list.to_str().ok_or_else(|| Problem::config(format!("{NOTIFY_VARIABLE} is not UTF-8 text")))?;
        targets.extend(parse_list(NOTIFY_VARIABLE, list)?);
    }
    if targets.len() > MAX_TARGETS {
        return Err(Problem::config(format!("{} URLs to notify are too many", targets.len())).hint(format!("at most {MAX_TARGETS}")));
    }
    Ok(targets)
}

fn read(path: &Path) -> Result<String, Problem> {
    let file = std::fs::File::open(path).map_err(|error| cannot("read", path, &error))?;
    let bytes = read_limited(file, MAX_FILE).map_err(|error| cannot("read", path, &error))?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    text.ok_or_else(|| Problem::config(format!("{} is no list of URLs: too long, or not UTF-8 text", path.display())))
}

fn parse_list(origin: &str, list: &str) -> Result<Vec<Target>, Problem> {
    let each = list.split_whitespace().enumerate();
    each.map(|(index, url)| {
        url.parse::<Target>().map_err(|why| {
            Problem::config(format!("{origin}, URL {}: {why}", index + 1))
                .hint("write https://... or slack+https://..., mattermost+, discord+, hookshot+, ntfy+ or json+ before it")
        })
    })
    .collect()
}

/// Sends messages and collects what went wrong.
#[derive(Debug)]
pub(crate) struct Notifier {
    targets: Vec<Arc<Target>>,
    facts: Facts,
    sent: usize,
    failed: UnboundedReceiver<String>,
    failures: UnboundedSender<String>,
}

impl Notifier {
    pub(crate) fn new(targets: Vec<Target>, facts: Facts) -> Self {
        let (failures, failed) = unbounded_channel();
        Self { targets: targets.into_iter().map(Arc::new).collect(), facts, sent: 0, failed, failures }
    }

    /// Sends this to every target, each in a task of its own.
    pub(crate) fn send(&mut self, waits: &Waits<'_>) {
        if self.sent >= MAX_MESSAGES {
            return;
        }
        self.sent += 1;
        for (index, target) in self.targets.iter().enumerate() {
            let body = message::body(target, &self.facts, waits);
            let (target, failures) = (Arc::clone(target), self.failures.clone());
            tokio::spawn(async move {
                if let Err(why) = post::post(&target, body).await {
                    // Nobody listens any more once the request is over.
                    let _ = failures.send(format!("warning: notification {} ({}) failed: {why}", index + 1, target.form.name()));
                }
            });
        }
    }

    /// The next failure, in one line.
    pub(crate) fn poll_failure(&mut self) -> Option<String> {
        self.failed.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_do_not_repeat_urls() {
        for bad in ["http://chat.example/s3cret", "ftp://s3cret", "s3cret", "https://user:s3cret@chat.example/", "nope+https://a/s3cret"] {
            let problem = parse_list("X", &format!("https://chat.example/ok {bad}")).unwrap_err();
            assert!(problem.message.starts_with("X, URL 2: ") && !problem.message.contains("s3cret"), "{}", problem.message);
        }
    }

    #[test]
    fn lists_are_separated_by_white_space() {
        assert_eq!(parse_list("X", " https://a.example/b\n\tntfy+https://c.example/d \n").unwrap().len(), 2);
        assert!(parse_list("X", "").unwrap().is_empty());
    }
}
