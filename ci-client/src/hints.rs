//! What a CI platform says about the job, from its environment. The phone shows it as unverified.

use countersign_core::{
    request::Hints,
    text::{MAX_HINT, clean},
};

/// A platform: recognised by a variable; each hint is a template with `{VARIABLE}`s, used if all of them are set.
struct Platform {
    name: &'static str,
    variable: &'static str,
    repository: &'static str,
    reference: &'static str,
    commit: &'static str,
    workflow: &'static str,
    run_url: &'static str,
    actor: &'static str,
}

const GITHUB: Platform = Platform {
    name: "GitHub Actions",
    variable: "GITHUB_ACTIONS",
    repository: "{GITHUB_REPOSITORY}",
    reference: "{GITHUB_REF}",
    commit: "{GITHUB_SHA}",
    workflow: "{GITHUB_WORKFLOW}",
    run_url: "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
    actor: "{GITHUB_ACTOR}",
};

/// The first whose variable is set counts: Forgejo and Gitea also pretend to be GitHub.
const PLATFORMS: &[Platform] = &[
    Platform { name: "Forgejo Actions", variable: "FORGEJO_ACTIONS", ..GITHUB },
    Platform { name: "Gitea Actions", variable: "GITEA_ACTIONS", ..GITHUB },
    GITHUB,
    Platform {
        name: "GitLab CI",
        variable: "GITLAB_CI",
        repository: "{CI_PROJECT_PATH}",
        reference: "{CI_COMMIT_REF_NAME}",
        commit: "{CI_COMMIT_SHA}",
        workflow: "{CI_JOB_NAME}",
        run_url: "{CI_JOB_URL}",
        actor: "{GITLAB_USER_LOGIN}",
    },
    Platform {
        name: "CircleCI",
        variable: "CIRCLECI",
        repository: "{CIRCLE_PROJECT_USERNAME}/{CIRCLE_PROJECT_REPONAME}",
        reference: "{CIRCLE_BRANCH}",
        commit: "{CIRCLE_SHA1}",
        workflow: "{CIRCLE_JOB}",
        run_url: "{CIRCLE_BUILD_URL}",
        actor: "{CIRCLE_USERNAME}",
    },
    Platform {
        name: "Buildkite",
        variable: "BUILDKITE",
        repository: "{BUILDKITE_ORGANIZATION_SLUG}/{BUILDKITE_PIPELINE_SLUG}",
        reference: "{BUILDKITE_BRANCH}",
        commit: "{BUILDKITE_COMMIT}",
        workflow: "{BUILDKITE_LABEL}",
        run_url: "{BUILDKITE_BUILD_URL}",
        actor: "{BUILDKITE_BUILD_CREATOR}",
    },
    Platform {
        name: "Azure Pipelines",
        variable: "TF_BUILD",
        repository: "{BUILD_REPOSITORY_NAME}",
        reference: "{BUILD_SOURCEBRANCH}",
        commit: "{BUILD_SOURCEVERSION}",
        workflow: "{BUILD_DEFINITIONNAME}",
        run_url: "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
        actor: "{BUILD_REQUESTEDFOR}",
    },
    Platform {
        name: "Bitbucket Pipelines",
        variable: "BITBUCKET_BUILD_NUMBER",
        repository: "{BITBUCKET_REPO_FULL_NAME}",
        reference: "{BITBUCKET_BRANCH}",
        commit: "{BITBUCKET_COMMIT}",
        workflow: "",
        run_url: "{BITBUCKET_GIT_HTTP_ORIGIN}/pipelines/results/{BITBUCKET_BUILD_NUMBER}",
        actor: "",
    },
    Platform {
        name: "Jenkins",
        variable: "JENKINS_URL",
        repository: "{GIT_URL}",
        reference: "{GIT_BRANCH}",
        commit: "{GIT_COMMIT}",
        workflow: "{JOB_NAME}",
        run_url: "{BUILD_URL}",
        actor: "",
    },
];

/// Reads the hints through `variable`, mostly [`std::env::var`].
pub fn hints(variable: impl Fn(&str) -> Option<String>) -> Hints {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let Some(platform) = PLATFORMS.iter().find(|platform| set(platform.variable).is_some()) else { return Hints::default() };
    let fill = |template| fill(template, &set);
    Hints {
        platform: Some(platform.name.to_owned()),
        repository: fill(platform.repository),
        reference: fill(platform.reference),
        commit: fill(platform.commit),
        workflow: fill(platform.workflow),
        run_url: fill(platform.run_url),
        actor: fill(platform.actor),
    }
}

fn fill(template: &str, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&variable(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(clean(&filled, MAX_HINT)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Hints {
        hints(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn reads_github() {
        let hints = from(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/widget"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_ACTOR", "al\u{202e}ice"),
        ]);
        assert_eq!(hints.platform.as_deref(), Some("GitHub Actions"));
        assert_eq!(hints.run_url.as_deref(), Some("https://github.com/acme/widget/actions/runs/7"));
        assert_eq!(hints.actor.as_deref(), Some("al\u{fffd}ice"));
        assert_eq!(hints.commit, None);
    }

    #[test]
    fn a_hint_needs_all_its_variables() {
        assert_eq!(from(&[("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "7")]).run_url, None);
        assert_eq!(from(&[("GITEA_ACTIONS", "true"), ("GITHUB_ACTIONS", "true")]).platform.as_deref(), Some("Gitea Actions"));
        assert_eq!(from(&[("GITHUB_ACTIONS", "")]), Hints::default());
    }
}
