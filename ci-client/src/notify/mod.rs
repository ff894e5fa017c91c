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

/// Reads the targets: `--notify URL`, `--notify @FILE`, and `COUNTERSIGN_NOTIFY`. What can't be used is told and left out: a release does not wait for
/// a chat. Nothing that is said repeats a URL.
pub(crate) fn targets(arguments: &[String], ui: Ui) -> Vec<Target> {
    let (mut targets, mut problems) = (Vec::new(), Vec::new());
    let mut add = |origin: &str, list: Result<String, Problem>| match list {
        Ok(list) => parse_list(origin, &list, &mut targets, &mut problems),
        Err(problem) => problems.push(problem),
    };
    let several = arguments.iter().filter(|argument| !argument.starts_with('@')).count() > 1;
    let mut number = 0;
    for argument in arguments {
        if let Some(path) = argument.strip_prefix('@') {
            add(&format!("--notify @{path}"), read(Path::new(path)));
        } else {
            number += 1;
            // None of them is named by its URL, so they are counted.
            add(&if several { format!("--notify number {number}") } else { "--notify".to_owned() }, Ok(argument.clone()));
            if WARNED.swap(true, Ordering::Relaxed) {
                continue;
            }
            ui.say("warning: a URL on the command line is seen by every process of this machine, and by whoever reads the workflow");
            ui.hint(&format!("put it into {NOTIFY_VARIABLE}, or into a file and write --notify @FILE"));
        }
    }
    if let Some(list) = std::env::var_os(NOTIFY_VARIABLE) {
        add(NOTIFY_VARIABLE, list.into_string().map_err(|_| Problem::config(format!("{NOTIFY_VARIABLE} is not UTF-8 text"))));
    }
    if targets.len() > MAX_TARGETS {
        problems.push(
            Problem::config(format!("{} URLs to notify are too many", targets.len()))
                .hint(format!("the first {MAX_TARGETS} are told; leave out the others")),
        );
        targets.truncate(MAX_TARGETS);
    }
    for problem in problems {
        ui.say(&format!("warning: {}; the request goes on without", problem.message));
        problem.hint.iter().for_each(|hint| ui.hint(hint));
    }
    targets
}

fn read(path: &Path) -> Result<String, Problem> {
    let file = std::fs::File::open(path).map_err(|error| cannot("read", path, &error))?;
    let bytes = read_limited(file, MAX_FILE).map_err(|error| cannot("read", path, &error))?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    text.ok_or_else(|| Problem::config(format!("{} is no list of URLs: too long, or not UTF-8 text", path.display())))
}

fn parse_list(origin: &str, list: &str, targets: &mut Vec<Target>, problems: &mut Vec<Problem>) {
    let several = list.split_whitespace().nth(1).is_some();
    for (index, url) in list.split_whitespace().enumerate() {
        let origin = if several { format!("{origin}, URL {}", index + 1) } else { origin.to_owned() };
        match url.parse::<Target>() {
            Ok(target) => targets.push(Target { origin, ..target }),
            Err(why) => problems.push(
                Problem::config(format!("{origin}: {why}"))
                    .hint("write https://... or slack+https://..., mattermost+, discord+, hookshot+, ntfy+ or json+ before it"),
            ),
        }
    }
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
        for target in &self.targets {
            let body = message::body(target, &self.facts, waits);
            let (target, failures) = (Arc::clone(target), self.failures.clone());
            tokio::spawn(async move {
                if let Err(why) = post::post(&target, body).await {
                    // Nobody listens any more once the request is over.
                    let _ = failures.send(format!("warning: notification by {} ({}) failed: {why}", target.origin, target.form.name()));
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

    fn parse(list: &str) -> (Vec<Target>, Vec<Problem>) {
        let (mut targets, mut problems) = (Vec::new(), Vec::new());
        parse_list("X", list, &mut targets, &mut problems);
        (targets, problems)
    }

    #[test]
    fn problems_do_not_repeat_urls_and_stop_no_other() {
        for bad in ["http://chat.example/s3cret", "ftp://s3cret", "s3cret", "https://user:s3cret@chat.example/", "nope+https://a/s3cret"] {
            let (targets, problems) = parse(&format!("https://chat.example/ok {bad} https://chat.example/too"));
            let [problem] = &problems[..] else { panic!("{problems:?}") };
            assert!(problem.message.starts_with("X, URL 2: ") && !problem.message.contains("s3cret"), "{}", problem.message);
            assert_eq!(targets.len(), 2);
        }
    }

    /// Each is named by where it stands.
    #[test]
    fn urls_are_told_apart() {
        let ui = Ui { terminal: false, color: false, json: false, platform: None };
        let urls = ["https://a.example/x", "https://b.example/x"].map(str::to_owned);
        let origins = |arguments: &[String]| targets(arguments, ui).into_iter().map(|target| target.origin).collect::<Vec<_>>();
        assert_eq!(origins(&urls)[..2], ["--notify number 1", "--notify number 2"]);
        assert_eq!(origins(&urls[..1])[0], "--notify");
        let two = parse("https://a.example/b https://c.example/d").0;
        assert_eq!([two[0].origin.as_str(), two[1].origin.as_str()], ["X, URL 1", "X, URL 2"]);
    }

    #[test]
    fn lists_are_separated_by_white_space() {
        assert_eq!(parse(" https://a.example/b\n\tntfy+https://c.example/d \n").0.len(), 2);
        assert_eq!(parse(""), (vec![], vec![]));
    }
}
