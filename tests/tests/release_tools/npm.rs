//! `npm publish`

use std::collections::HashSet;

use serde_json::json;

use crate::{
    job::{Job, SHORT_STEPS, assert_fresh, assert_no_code},
    project::Project,
    server::Server,
    tools,
};

/// `npm publish` of this major version, once without and once with a code.
fn publishes(major: u32) {
    let (job, mut server) = (Job::new("npm"), Server::npm());
    let project = Project::npm_package(&server, "widget");
    let script = tools::script(&format!("npm-{major}/bin/npm-cli.js"));
    let command = ["node", script.to_str().unwrap(), "publish"];

    // A registry that let it through without a code would prove nothing.
    let bare = job.approved(&project, &["--no-retry", "--env", "NOT_FOR_NPM"], &[], &command);
    assert!(bare.code() == 1 && bare.stderr.contains("EOTP"), "{bare:?}");
    assert_eq!(server.record()[0].verdict, "missing");

    let ended = job.approved(&project, &[], &[], &command);
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    assert_eq!((came.len(), came[1].what.as_str(), came[1].verdict.as_str()), (2, "widget", "ok"), "{came:?}");
    assert_eq!(server.versions("widget"), ["1.0.0"]);
    assert_no_code(&ended, &came);
}

fn npm_10_publishes() {
    publishes(10);
}

fn npm_11_publishes() {
    publishes(11);
}

fn npm_12_publishes() {
    publishes(12);
}

fn a_code_that_expires_during_the_upload_publishes_nothing() {
    let (job, mut server) = (Job::new("npm"), Server::npm());
    let project = Project::npm_package(&server, "widget");
    server.tell(&json!({"late": 10}));
    let ended = job.approved(&project, &["--no-retry"], &[], &["npm", "publish"]);
    assert!(ended.code() == 1 && ended.stderr.contains("EOTP"), "{ended:?}");
    let came = server.record();
    assert_eq!((came.len(), came[0].verdict.as_str(), came[0].why.as_str()), (1, "wrong", "expired"), "{came:?}");
    assert!(server.versions("widget").is_empty());
    assert_no_code(&ended, &came);
}

fn a_code_that_expires_during_the_upload_is_followed_by_one_more_approval() {
    let (job, mut server) = (Job::with("npm", SHORT_STEPS), Server::npm_with(SHORT_STEPS));
    let project = Project::npm_package(&server, "widget");
    server.tell(&json!({"late": 10}));
    let mut running = job.start(&project, &[], &[], &["npm", "publish"]);
    let mut phone = job.setting.phone.run(&["run"]);
    let number = running.match_number();
    job.setting.phone.approve(&mut phone, &number, false);
    running.wait_for("asking once more");
    let number = running.match_number();
    job.setting.phone.approve(&mut phone, &number, false);
    let ended = running.end();
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    assert_eq!(came.iter().map(|came| came.why.as_str()).collect::<Vec<_>>(), ["expired", "good"], "{came:?}");
    assert_ne!(came[0].code, came[1].code);
    assert_eq!(server.versions("widget"), ["1.0.0"]);
    assert_no_code(&ended, &came);
}

fn a_registry_that_refuses_twice_gets_codes_of_other_steps() {
    let (job, mut server) = (Job::with("npm", SHORT_STEPS), Server::npm_with(SHORT_STEPS));
    let project = Project::npm_package(&server, "widget");
    server.tell(&json!({"refuse": 2}));
    let mut running = job.start(&project, &["--codes", "20"], &[], &["npm", "publish"]);
    job.approve_batch(&mut running);
    let ended = running.end();
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    assert_eq!(came.iter().map(|came| came.verdict.as_str()).collect::<Vec<_>>(), ["wrong", "wrong", "ok"], "{came:?}");
    assert_eq!(came.iter().map(|came| &came.code).collect::<HashSet<_>>().len(), 3, "{came:?}");
    assert_fresh(&came);
    assert_eq!(server.versions("widget"), ["1.0.0"]);
    assert_no_code(&ended, &came);
}

fn a_registry_that_is_asked_too_often_is_asked_once() {
    let (job, mut server) = (Job::new("npm"), Server::npm());
    let project = Project::npm_package(&server, "widget");
    server.tell(&json!({"limit": 100}));
    let ended = job.approved(&project, &[], &[], &["npm", "publish"]);
    assert!(ended.code() == 1 && ended.stderr.contains("E429"), "{ended:?}");
    let came = server.record();
    assert_eq!((came.len(), came[0].verdict.as_str()), (1, "limited"), "{came:?}");
    assert_no_code(&ended, &came);
}

fn a_code_serves_once() {
    let (job, mut server) = (Job::new("npm"), Server::npm());
    let project = Project::new();
    for name in ["first", "second"] {
        let package = Project::npm_package(&server, name);
        project.write(&format!("{name}/package.json"), &std::fs::read_to_string(package.path().join("package.json")).unwrap());
        project.write(&format!("{name}/.npmrc"), &std::fs::read_to_string(package.path().join(".npmrc")).unwrap());
    }
    let script = "cd first && npm publish && cd ../second && npm publish";
    let ended = job.approved(&project, &["--no-retry"], &[], &["sh", "-c", script]);
    assert!(ended.code() == 1 && ended.stderr.contains("EOTP"), "{ended:?}");
    let came = server.record();
    assert_eq!(came[0].code, came[1].code);
    assert_eq!((came[0].verdict.as_str(), came[1].why.as_str()), ("ok", "used before"), "{came:?}");
    assert!(server.versions("first") == ["1.0.0"] && server.versions("second").is_empty());
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        npm_10_publishes,
        npm_11_publishes,
        npm_12_publishes,
        a_code_that_expires_during_the_upload_publishes_nothing,
        a_code_that_expires_during_the_upload_is_followed_by_one_more_approval,
        a_registry_that_refuses_twice_gets_codes_of_other_steps,
        a_registry_that_is_asked_too_often_is_asked_once,
        a_code_serves_once
    ]
}
