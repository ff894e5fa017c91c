//! `semantic-release` with `@semantic-release/npm`, and with our plugin

use std::path::Path;

use countersign_tests::process::Running;
use serde_json::{Value, json};

use crate::{
    job::{Job, assert_published},
    project::Project,
    server::Server,
    tools,
};

/// A package with a feature to release, pushed; gives the repository's URL.
fn package(server: &Server, plugins: &Value) -> (Project, String) {
    let project = Project::npm_package(server, "widget");
    project.write_json(".releaserc.json", &json!({"branches": ["main"], "plugins": plugins}));
    project.commit();
    let url = project.push();
    (project, url)
}

fn tags(project: &Project) -> String {
    project.git(&["ls-remote", "--tags", "origin"])
}

/// What semantic-release is run with: variables, and the command.
fn with_arguments<T>(server: &Server, url: &str, run: impl FnOnce(&[(&str, &str)], &[&str]) -> T) -> T {
    let script = tools::script("semantic-release/bin/semantic-release.js");
    let registry = format!("{}/", server.report("url"));
    let variables = [("NPM_TOKEN", server.report("token")), ("NPM_CONFIG_REGISTRY", registry.as_str())];
    run(&variables, &["node", script.to_str().unwrap(), "--no-ci", "--repository-url", url])
}

/// A release with the plugin, on its way.
fn release_with_plugin(job: &Job, server: &Server) -> (Project, Running) {
    let plugins = json!([
        "@semantic-release/commit-analyzer",
        ["@countersign/semantic-release", {"seed": "release", "for": "2m"}],
        "@semantic-release/npm"
    ]);
    let (project, url) = package(server, &plugins);
    let folder = project.path().join("node_modules/@countersign");
    std::fs::create_dir_all(&folder).unwrap();
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci-client/npm").canonicalize().unwrap();
    std::os::unix::fs::symlink(plugin, folder.join("semantic-release")).unwrap();
    let running = with_arguments(server, &url, |variables, command| job.start_asking(&project, variables, command));
    (project, running)
}

fn semantic_release_publishes_what_it_tags() {
    let (job, mut server) = (Job::new("semantic-release"), Server::npm());
    let (project, url) = package(&server, &json!(["@semantic-release/commit-analyzer", "@semantic-release/npm"]));
    let ended = with_arguments(&server, &url, |variables, command| job.approved(&project, &[], variables, command));
    assert_published(&ended, &mut server);
    assert!(tags(&project).contains("refs/tags/v1.0.0"));
}

fn the_plugin_asks_before_there_is_a_tag() {
    let (job, mut server) = (Job::new("semantic-release"), Server::npm());
    let (project, mut running) = release_with_plugin(&job, &server);
    running.wait_for("asking pixel");
    assert_eq!(tags(&project), "");
    job.approve_batch(&mut running);
    let ended = running.end();
    assert_published(&ended, &mut server);
    assert!(tags(&project).contains("refs/tags/v1.0.0"));
    // Nothing is left that holds codes.
    let code = job.setting.command(&["code", "release", "--no-ask"]).output().unwrap();
    assert_eq!(code.status.code(), Some(210), "{code:?}");
}

fn a_release_that_is_denied_leaves_no_tag() {
    let (job, mut server) = (Job::new("semantic-release"), Server::npm());
    let (project, mut running) = release_with_plugin(&job, &server);
    let mut phone = job.setting.phone.run(&["run", "--once"]);
    running.match_number();
    phone.wait_for("number");
    phone.say("deny");
    let ended = running.end();
    assert_ne!(ended.code(), 0, "{ended:?}");
    assert!(
        ended.stdout.contains("the maintainer denied the request") || ended.stderr.contains("the maintainer denied the request"),
        "{ended:?}"
    );
    assert!(server.record().is_empty() && server.versions("widget").is_empty());
    assert_eq!(tags(&project), "");
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![semantic_release_publishes_what_it_tags, the_plugin_asks_before_there_is_a_tag, a_release_that_is_denied_leaves_no_tag]
}
