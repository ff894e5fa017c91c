//! Which CI the project has, and what to write into its workflow.

use clap::ValueEnum;

use crate::targets::Profile;

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

    /// The lines to paste, for a seed of this target if it is known.
    pub(crate) fn lines(self, seed: &str, target: Option<&Profile>) -> String {
        let template = match self {
            Self::GitHub => include_str!("lines/github.yml"),
            Self::GitLab => include_str!("lines/gitlab.yml"),
            Self::Circle => include_str!("lines/circleci.yml"),
            Self::Other => include_str!("lines/other.txt"),
        };
        template.replace("{seed}", seed).replace("{command}", target.map_or(ANY, command))
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

/// The code is in this variable for any target.
const ANY: &str = "sh -c 'your-tool --otp \"$COUNTERSIGN_CODE\"'";

/// What a release runs, as an example that `exec` takes: where the code is an argument, it is no shell.
fn command(target: &Profile) -> &'static str {
    match target.name.as_str() {
        "npm" => "npm publish",
        "pnpm" => "pnpm publish --no-git-checks",
        "yarn" => "yarn publish --non-interactive",
        "yarn-berry" => "yarn npm publish",
        "lerna" => "npx lerna publish from-package --yes",
        "changesets" => "npx changeset publish",
        "semantic-release" => "npx semantic-release",
        "gem" => "gem push pkg/*.gem",
        "hex" => "mix hex.publish --yes",
        "aws" => "aws sts get-session-token --serial-number \"$MFA_SERIAL\"",
        "steam" => {
            "sh -c 'steamcmd +set_steam_guard_code \"$STEAM_GUARD_CODE\" +login \"$STEAM_USER\" \"$STEAM_PASS\" +run_app_build build.vdf +quit'"
        }
        // It gets the code as its target says.
        _ if !target.env.is_empty() || !target.args.is_empty() || target.stdin.is_some() => "your-tool",
        _ => ANY,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{child::check_shell, targets::Targets};

    /// Those of the program, and own ones that take the code in each way.
    fn targets() -> Vec<Arc<Profile>> {
        let mut all: Vec<_> = Targets::builtin().iter().cloned().collect();
        for (name, inherits) in [("own-env", "npm"), ("own-args", "yarn"), ("own-variable", "generic")] {
            let mut own = Profile::clone(&Targets::builtin().find(inherits).unwrap());
            own.name = name.to_owned();
            all.push(own.into());
        }
        all
    }

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
            for target in targets() {
                let lines = ci.lines("release", Some(&target));
                assert!(lines.contains(&format!("countersign exec release -- {}", command(&target))), "{lines}");
                assert!(lines.contains("COUNTERSIGN_KEY") && !lines.contains("{seed}") && !lines.contains("{command}"), "{lines}");
            }
        }
    }

    /// `exec` takes what is printed here, for every target.
    #[test]
    fn no_command_swallows_its_code() {
        for target in targets() {
            let program = command(&target).split(' ').next().unwrap();
            check_shell(program.as_ref(), &target, &target.delivery(&[])).unwrap();
            assert!(command(&target) != "your-tool" || target.name.starts_with("own-"), "{} has no example", target.name);
        }
    }

    #[test]
    fn the_command_survives_yaml() {
        for target in targets() {
            let expected = format!("countersign exec release -- {}", command(&target));
            for (ci, path) in
                [(Ci::GitHub, &["0", "run"][..]), (Ci::GitLab, &["publish", "script", "1"]), (Ci::Circle, &["0", "run", "command"])]
            {
                let lines = ci.lines("release", Some(&target));
                let document = yaml_rust2::YamlLoader::load_from_str(&lines).unwrap().remove(0);
                let script = path.iter().fold(&document, |at, key| key.parse::<usize>().map_or_else(|_| &at[*key], |index| &at[index]));
                assert_eq!(script.as_str().unwrap().trim_end(), expected, "{lines}");
            }
        }
    }
}
