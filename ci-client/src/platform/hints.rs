//! What a platform says about the job, from its environment. The phone shows it as unverified.

use std::borrow::Cow;

use countersign_core::{
    request::Hints,
    text::{MAX_HINT, clean},
};

use super::Platform;

impl Platform {
    /// Reads the hints through `variable`, mostly [`std::env::var`].
    #[must_use]
    pub fn hints(&self, variable: impl Fn(&str) -> Option<String>) -> Hints {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let first = |templates: &[&str]| templates.iter().find_map(|template| fill(template, &set));
        Hints {
            platform: Some(self.name.to_owned()),
            repository: first(self.repository),
            reference: first(self.reference),
            commit: first(self.commit),
            workflow: first(self.workflow),
            run_url: first(self.run_url),
            actor: first(self.actor),
        }
    }
}

/// `None` unless every variable is set and something comes of it.
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
    Some(clean(&without_credentials(&filled), MAX_HINT)).filter(|text| !text.is_empty())
}

/// Some job configurations clone from `https://user:token@host/`.
fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@').and_then(|at| rest.get(at + 1..)) {
        Some(kept) => format!("{scheme}://{kept}").into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Option<Hints> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Platform::detect(variable).map(|platform| platform.hints(variable))
    }

    /// Platform, repository, reference, commit, workflow, run, actor; `-` for none.
    fn told(variables: &[(&str, &str)]) -> String {
        let hints = from(variables).unwrap();
        let fields = [hints.platform, hints.repository, hints.reference, hints.commit, hints.workflow, hints.run_url, hints.actor];
        fields.map(|field| field.unwrap_or_else(|| "-".into())).join(" | ")
    }

    #[test]
    fn reads_github() {
        let hints = from(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/widget"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_ACTOR", "al\u{202e}ice"),
        ])
        .unwrap();
        assert_eq!(hints.platform.as_deref(), Some("GitHub Actions"));
        assert_eq!(hints.run_url.as_deref(), Some("https://github.com/acme/widget/actions/runs/7"));
        assert_eq!(hints.actor.as_deref(), Some("al\u{fffd}ice"));
        assert_eq!(hints.commit, None);
    }

    #[test]
    fn a_hint_needs_all_its_variables() {
        assert_eq!(from(&[("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "7")]).unwrap().run_url, None);
        let gitea = from(&[("GITEA_ACTIONS", "true"), ("GITHUB_ACTIONS", "true")]).unwrap();
        assert_eq!(gitea.platform.as_deref(), Some("Gitea Actions"));
        assert_eq!(from(&[("GITHUB_ACTIONS", "")]), None);
        assert_eq!(from(&[]), None);
    }

    #[test]
    fn each_platform_tells_what_it_knows() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (
                &[
                    ("FORGEJO_ACTIONS", "true"),
                    ("GITHUB_ACTIONS", "true"),
                    ("GITHUB_REPOSITORY", "acme/widget"),
                    ("GITHUB_REF", "refs/tags/v1"),
                    ("GITHUB_SHA", "abc"),
                    ("GITHUB_WORKFLOW", "release"),
                    ("GITHUB_SERVER_URL", "https://git.example"),
                    ("GITHUB_RUN_ID", "7"),
                    ("GITHUB_ACTOR", "alice"),
                ],
                "Forgejo Actions | acme/widget | refs/tags/v1 | abc | release | https://git.example/acme/widget/actions/runs/7 | alice",
            ),
            (
                &[
                    ("GITLAB_CI", "true"),
                    ("CI_PROJECT_PATH", "acme/widget"),
                    ("CI_COMMIT_REF_NAME", "v1"),
                    ("CI_COMMIT_SHA", "abc"),
                    ("CI_JOB_NAME", "publish"),
                    ("CI_JOB_URL", "https://gitlab.example/acme/widget/-/jobs/7"),
                    ("GITLAB_USER_LOGIN", "alice"),
                ],
                "GitLab CI | acme/widget | v1 | abc | publish | https://gitlab.example/acme/widget/-/jobs/7 | alice",
            ),
            (
                &[
                    ("CIRCLECI", "true"),
                    ("CIRCLE_PROJECT_USERNAME", "acme"),
                    ("CIRCLE_PROJECT_REPONAME", "widget"),
                    ("CIRCLE_TAG", "v1"),
                    ("CIRCLE_SHA1", "abc"),
                    ("CIRCLE_JOB", "publish"),
                    ("CIRCLE_BUILD_URL", "https://circle.example/7"),
                    ("CIRCLE_USERNAME", "alice"),
                ],
                "CircleCI | acme/widget | v1 | abc | publish | https://circle.example/7 | alice",
            ),
            (
                &[
                    ("BUILDKITE", "true"),
                    ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
                    ("BUILDKITE_PIPELINE_SLUG", "widget"),
                    ("BUILDKITE_TAG", ""),
                    ("BUILDKITE_BRANCH", "main"),
                    ("BUILDKITE_COMMIT", "abc"),
                    ("BUILDKITE_LABEL", "publish"),
                    ("BUILDKITE_BUILD_URL", "https://buildkite.example/acme/widget/builds/7"),
                    ("BUILDKITE_JOB_ID", "0190"),
                    ("BUILDKITE_BUILD_CREATOR", "Alice"),
                ],
                "Buildkite | acme/widget | main | abc | publish | https://buildkite.example/acme/widget/builds/7#0190 | Alice",
            ),
            (
                &[
                    ("TF_BUILD", "True"),
                    ("BUILD_REPOSITORY_NAME", "acme/widget"),
                    ("BUILD_SOURCEBRANCH", "refs/tags/v1"),
                    ("BUILD_SOURCEVERSION", "abc"),
                    ("BUILD_DEFINITIONNAME", "publish"),
                    ("SYSTEM_COLLECTIONURI", "https://azure.example/acme/"),
                    ("SYSTEM_TEAMPROJECT", "widget"),
                    ("BUILD_BUILDID", "7"),
                    ("BUILD_REQUESTEDFOR", "Alice"),
                ],
                "Azure Pipelines | acme/widget | refs/tags/v1 | abc | publish | https://azure.example/acme/widget/_build/results?buildId=7 | Alice",
            ),
            (
                &[
                    ("BITBUCKET_BUILD_NUMBER", "7"),
                    ("BITBUCKET_REPO_FULL_NAME", "acme/widget"),
                    ("BITBUCKET_TAG", "v1"),
                    ("BITBUCKET_COMMIT", "abc"),
                    ("BITBUCKET_GIT_HTTP_ORIGIN", "https://bitbucket.example/acme/widget"),
                ],
                "Bitbucket Pipelines | acme/widget | v1 | abc | - | https://bitbucket.example/acme/widget/pipelines/results/7 | -",
            ),
            (
                &[
                    ("TRAVIS", "true"),
                    ("TRAVIS_REPO_SLUG", "acme/widget"),
                    ("TRAVIS_BRANCH", "main"),
                    ("TRAVIS_COMMIT", "abc"),
                    ("TRAVIS_JOB_NAME", "publish"),
                    ("TRAVIS_JOB_WEB_URL", "https://travis.example/7"),
                ],
                "Travis CI | acme/widget | main | abc | publish | https://travis.example/7 | -",
            ),
            (
                &[
                    ("JENKINS_URL", "https://jenkins.example"),
                    ("GIT_URL", "https://alice:token@git.example/acme/widget.git"),
                    ("BRANCH_NAME", "main"),
                    ("GIT_COMMIT", "abc"),
                    ("JOB_NAME", "publish"),
                    ("BUILD_URL", "https://jenkins.example/job/publish/7/"),
                ],
                "Jenkins | https://git.example/acme/widget.git | main | abc | publish | https://jenkins.example/job/publish/7/ | -",
            ),
        ];
        for (variables, expected) in cases {
            assert_eq!(told(variables), *expected);
        }
    }

    #[test]
    fn credentials_are_left_out() {
        for (url, kept) in [
            ("https://alice:token@git.example/a", "https://git.example/a"),
            ("https://token@git.example", "https://git.example"),
            ("https://git.example/a@b", "https://git.example/a@b"),
            ("git@git.example:acme/widget", "git@git.example:acme/widget"),
            ("ssh://git@git.example/a", "ssh://git.example/a"),
        ] {
            assert_eq!(without_credentials(url), kept);
        }
    }
}
