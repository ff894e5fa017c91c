//! How a platform's log folds lines, masks codes and points something out. Pure: lines in, lines out.

use super::escape::{github_data, github_property, one_line, without_commands};

/// A way of writing logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// GitHub's workflow commands; Forgejo and Gitea read them too.
    Github,
    /// GitLab's sections.
    Gitlab,
    /// Buildkite's headings.
    Buildkite,
    /// Azure's logging commands.
    Azure,
    /// Travis's folds.
    Travis,
    /// Nothing but lines: CircleCI, Bitbucket, Jenkins.
    Plain,
}

/// How a code is kept out of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Masking {
    /// By a line in the log, which the platform takes out again.
    Line(&'static str),
    /// By `buildkite-agent redactor add`, which reads the value from standard input.
    BuildkiteAgent,
    /// Not at all.
    None,
}

/// Names our fold where folds have names.
const FOLD: &str = "countersign_request";
/// Back to the start of the line, and clear it: GitLab and Travis hide the marker by this.
const CLEAR: &str = "\r\u{1b}[0K";

impl Dialect {
    /// The line that opens a fold; `now` in Unix seconds. `None` if there are no folds.
    #[must_use]
    pub fn fold(self, title: &str, now: u64) -> Option<String> {
        let title = one_line(title);
        Some(match self {
            Self::Github => format!("::group::{}", github_data(&title)),
            Self::Gitlab => format!("\u{1b}[0Ksection_start:{now}:{FOLD}[collapsed=true]{CLEAR}{title}"),
            Self::Buildkite => format!("--- {title}"),
            Self::Azure => format!("##[group]{}", without_commands(&title)),
            Self::Travis => format!("travis_fold:start:{FOLD}{CLEAR}{title}"),
            Self::Plain => return None,
        })
    }

    /// The line that closes the fold.
    #[must_use]
    pub fn end_fold(self, now: u64) -> Option<String> {
        Some(match self {
            Self::Github => "::endgroup::".to_owned(),
            Self::Gitlab => format!("\u{1b}[0Ksection_end:{now}:{FOLD}{CLEAR}"),
            // The next heading closes it.
            Self::Buildkite | Self::Plain => return None,
            Self::Azure => "##[endgroup]".to_owned(),
            Self::Travis => format!("travis_fold:end:{FOLD}{CLEAR}"),
        })
    }

    /// A line that points something out where the platform has a way; it stands beside the ordinary lines.
    #[must_use]
    pub fn notice(self, title: &str, text: &str) -> Option<String> {
        match self {
            Self::Github => Some(format!("::notice title={}::{}", github_property(&one_line(title)), github_data(&one_line(text)))),
            // An open heading: what follows is seen without a click.
            Self::Buildkite => Some(format!("+++ {}", one_line(text))),
            // The others show our ordinary lines as well as any.
            _ => None,
        }
    }

    /// How a code is kept out of the log.
    #[must_use]
    pub fn masking(self) -> Masking {
        match self {
            Self::Github => Masking::Line("::add-mask::"),
            Self::Azure => Masking::Line("##vso[task.setsecret]"),
            Self::Buildkite => Masking::BuildkiteAgent,
            Self::Gitlab | Self::Travis | Self::Plain => Masking::None,
        }
    }

    /// Text of ours that holds outside text, so that the platform takes no part of it for a command.
    #[must_use]
    pub fn harmless(self, text: &str) -> String {
        match self {
            Self::Github | Self::Azure => text.split('\n').map(without_commands).collect::<Vec<_>>().join("\n"),
            // Their markers need a line to begin with them, and control characters: neither is left in what we print.
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything an attacker may want to put into a line.
    const EVIL: &str = "50%\r\n::add-mask::1 ##vso[task.complete]x ##[stop-commands]y,z\u{1b}[2J";

    #[test]
    fn github() {
        let it = Dialect::Github;
        assert_eq!(it.fold("request", 7).unwrap(), "::group::request");
        assert_eq!(it.end_fold(8).unwrap(), "::endgroup::");
        assert_eq!(it.notice("Countersign: wait", "number 482 913").unwrap(), "::notice title=Countersign%3A wait::number 482 913");
        assert_eq!(it.masking(), Masking::Line("::add-mask::"));
        assert_eq!(it.fold(EVIL, 7).unwrap().lines().count(), 1);
        assert_eq!(
            it.notice(EVIL, EVIL).unwrap(),
            "::notice title=50%25  %3A%3Aadd-mask%3A%3A1 ##vso[task.complete]x ##[stop-commands]y%2Cz [2J::50%25  ::add-mask::1 \
             ##vso[task.complete]x ##[stop-commands]y,z [2J"
        );
    }

    #[test]
    fn gitlab() {
        let it = Dialect::Gitlab;
        assert_eq!(it.fold("request", 7).unwrap(), "\u{1b}[0Ksection_start:7:countersign_request[collapsed=true]\r\u{1b}[0Krequest");
        assert_eq!(it.end_fold(8).unwrap(), "\u{1b}[0Ksection_end:8:countersign_request\r\u{1b}[0K");
        assert_eq!((it.notice("a", "b"), it.masking()), (None, Masking::None));
        let marker = "\u{1b}[0Ksection_start:7:countersign_request[collapsed=true]\r\u{1b}[0K";
        assert!(!it.fold(EVIL, 7).unwrap().strip_prefix(marker).unwrap().contains(char::is_control));
    }

    #[test]
    fn buildkite() {
        let it = Dialect::Buildkite;
        assert_eq!(it.fold("request", 7).unwrap(), "--- request");
        assert_eq!(it.end_fold(8), None);
        assert_eq!(it.notice("a", "match number 482 913").unwrap(), "+++ match number 482 913");
        assert_eq!(it.masking(), Masking::BuildkiteAgent);
        assert!(!it.notice(EVIL, EVIL).unwrap().contains(char::is_control));
    }

    #[test]
    fn azure() {
        let it = Dialect::Azure;
        assert_eq!(it.fold("request", 7).unwrap(), "##[group]request");
        assert_eq!(it.end_fold(8).unwrap(), "##[endgroup]");
        assert_eq!((it.notice("a", "b"), it.masking()), (None, Masking::Line("##vso[task.setsecret]")));
        assert_eq!(it.fold("##vso[task.complete]x", 7).unwrap(), "##[group]# #vso[task.complete]x");
    }

    #[test]
    fn travis() {
        let it = Dialect::Travis;
        assert_eq!(it.fold("request", 7).unwrap(), "travis_fold:start:countersign_request\r\u{1b}[0Krequest");
        assert_eq!(it.end_fold(8).unwrap(), "travis_fold:end:countersign_request\r\u{1b}[0K");
        assert_eq!((it.notice("a", "b"), it.masking()), (None, Masking::None));
    }

    #[test]
    fn plain() {
        let it = Dialect::Plain;
        assert_eq!((it.fold("request", 7), it.end_fold(8), it.notice("a", "b"), it.masking()), (None, None, None, Masking::None));
        assert_eq!(it.harmless("::a ##[b]"), "::a ##[b]");
    }

    #[test]
    fn ordinary_lines_hold_no_command() {
        for dialect in [Dialect::Github, Dialect::Azure] {
            let text = dialect.harmless("countersign: reason: ##vso[a]\n::error::b\nhint: ##[c]");
            assert_eq!(text, "countersign: reason: # #vso[a]\n: :error::b\nhint: # #[c]");
        }
    }
}
