//! Which CI the project has, and what to write into its workflow.

use clap::ValueEnum;

/// A CI that needs lines of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ci {
    /// GitHub Actions
    #[value(name = "github")]
    GitHub,
    /// GitLab CI
    #[value(name = "gitlab")]
    GitLab,
    /// CircleCI
    #[value(name = "circleci")]
    Circle,
    /// Any other
    Other,
}

/// A file or folder that gives a CI away.
pub(crate) const SIGNS: &[(&str, Ci)] =
    &[(".github/workflows", Ci::GitHub), (".gitlab-ci.yml", Ci::GitLab), (".circleci/config.yml", Ci::Circle)];

impl Ci {
    pub(crate) const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::Circle, Self::Other];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub Actions",
            Self::GitLab => "GitLab CI",
            Self::Circle => "CircleCI",
            Self::Other => "another CI",
        }
    }

    /// What the files that are there (of [`SIGNS`]) and the remote's URL tell; `None` if they disagree or say nothing.
    pub(crate) fn guess(signs: &[Self], remote: Option<&str>) -> Option<Self> {
        match signs {
            [only] => Some(*only),
            [] => match host(remote?) {
                "github.com" => Some(Self::GitHub),
                host if host == "gitlab.com" || host.starts_with("gitlab.") => Some(Self::GitLab),
                _ => None,
            },
            _ => None,
        }
    }

    /// The lines to paste.
    pub(crate) fn lines(self, seed: &str, target: &str) -> String {
        let template = match self {
            Self::GitHub => include_str!("lines/github.yml"),
            Self::GitLab => include_str!("lines/gitlab.yml"),
            Self::Circle => include_str!("lines/circleci.yml"),
            Self::Other => include_str!("lines/other.txt"),
        };
        template.replace("{seed}", seed).replace("{command}", command(target))
    }

    /// Where a human puts the key.
    pub(crate) fn secrets(self) -> &'static str {
        match self {
            Self::GitHub => "Settings, Secrets and variables, Actions, New repository secret",
            Self::GitLab => "Settings, CI/CD, Variables, Add variable: masked, and protected if only protected tags publish",
            Self::Circle => "Project Settings, Environment Variables, or a context",
            Self::Other => "the secrets of your CI, as an environment variable of the release job alone",
        }
    }
}

/// The host of a git URL: `https://host/...`, `ssh://git@host:port/...`, `git@host:path`.
fn host(remote: &str) -> &str {
    let rest = remote.split_once("://").map_or(remote, |(_, rest)| rest);
    let authority = rest.split(['/', ':']).next().unwrap_or_default();
    // `user:password@host` has its colon before the @.
    match rest.split('/').next().and_then(|authority| authority.rsplit_once('@')) {
        Some((_, host)) => host.split(':').next().unwrap_or_default(),
        None => authority,
    }
}

/// What a release runs, as an example.
fn command(target: &str) -> &'static str {
    match target {
        "npm" => "npm publish",
        "pnpm" => "pnpm publish --no-git-checks",
        "gem" => "gem push pkg/*.gem",
        "hex" => "mix hex.publish --yes",
        // The code is in this variable for any target.
        _ => "sh -c 'your-tool --otp \"$COUNTERSIGN_CODE\"'",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_before_the_remote() {
        let github = Some("git@github.com:acme/widget.git");
        assert_eq!(Ci::guess(&[], github), Some(Ci::GitHub));
        assert_eq!(Ci::guess(&[Ci::Circle], github), Some(Ci::Circle));
        assert_eq!(Ci::guess(&[Ci::Circle, Ci::GitHub], github), None);
        assert_eq!(Ci::guess(&[], None), None);
        assert_eq!(Ci::guess(&[], Some("https://git.example.org/github.com/x")), None);
    }

    #[test]
    fn hosts_of_remotes() {
        for (remote, expected) in [
            ("https://github.com/acme/widget.git", "github.com"),
            ("https://alice:token@gitlab.example.org:8443/a/b", "gitlab.example.org"),
            ("ssh://git@gitlab.com:22/a/b.git", "gitlab.com"),
            ("git@gitlab.com:a/b.git", "gitlab.com"),
            ("github.com:a/b.git", "github.com"),
            ("../elsewhere", ".."),
        ] {
            assert_eq!(host(remote), expected, "{remote}");
        }
    }

    #[test]
    fn every_ci_has_its_lines() {
        for ci in Ci::ALL {
            for target in ["npm", "pnpm", "gem", "hex", "generic"] {
                let lines = ci.lines("release", target);
                assert!(lines.contains(&format!("countersign exec release -- {}", command(target))), "{lines}");
                assert!(lines.contains("COUNTERSIGN_KEY") && !lines.contains("{seed}") && !lines.contains("{command}"), "{lines}");
            }
        }
    }

    #[test]
    fn the_command_survives_yaml() {
        for target in ["npm", "generic"] {
            let expected = format!("countersign exec release -- {}", command(target));
            for (ci, path) in
                [(Ci::GitHub, &["0", "run"][..]), (Ci::GitLab, &["publish", "script", "0"]), (Ci::Circle, &["0", "run", "command"])]
            {
                let lines = ci.lines("release", target);
                let document = yaml_rust2::YamlLoader::load_from_str(&lines).unwrap().remove(0);
                let script = path.iter().fold(&document, |at, key| key.parse::<usize>().map_or_else(|_| &at[*key], |index| &at[index]));
                assert_eq!(script.as_str().unwrap().trim_end(), expected, "{lines}");
            }
        }
    }
}
