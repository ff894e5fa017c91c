//! `changeset publish`

use serde_json::json;

use crate::{
    job::{Job, SHORT_STEPS, assert_fresh, assert_no_code},
    project::Project,
    server::Server,
    tools,
};

fn workspace(server: &Server) -> Project {
    let project = Project::workspace(server, &["gadget", "widget"]);
    project.write_json(".changeset/config.json", &json!({"access": "public", "baseBranch": "main"}));
    project.commit();
    project
}

fn with_command<T>(run: impl FnOnce(&[&str]) -> T) -> T {
    let script = tools::script("@changesets/cli/bin.js");
    run(&["node", script.to_str().unwrap(), "publish"])
}

fn both_are_there(server: &mut Server, project: &Project) {
    assert!(server.versions("gadget") == ["1.0.0"] && server.versions("widget") == ["1.0.0"]);
    assert_eq!(project.git(&["tag"]), "gadget@1.0.0\nwidget@1.0.0\n");
}

/// changesets sends one code with every package, so the registry has to take it more than once.
fn changesets_publishes_a_workspace() {
    let (job, mut server) = (Job::new("changesets"), Server::npm());
    server.tell(&json!({"reuse": true}));
    let project = workspace(&server);
    let ended = with_command(|command| job.approved(&project, &[], &[], command));
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    assert!(came.len() == 2 && came.iter().all(|came| came.verdict == "ok"), "{came:?}");
    both_are_there(&mut server, &project);
    assert_no_code(&ended, &came);
}

/// Or it is run again with another code, and goes on with what is not published yet.
fn where_each_code_serves_once_it_is_run_again() {
    let (job, mut server) = (Job::with("changesets", SHORT_STEPS), Server::npm_with(SHORT_STEPS));
    let project = workspace(&server);
    let mut running = with_command(|command| job.start(&project, &["--codes", "20"], &[], command));
    job.approve_batch(&mut running);
    let ended = running.end();
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    let good: Vec<&str> = came.iter().filter(|came| came.verdict == "ok").map(|came| came.code.as_str()).collect();
    assert!(good.len() == 2 && good[0] != good[1], "{came:?}");
    both_are_there(&mut server, &project);
    assert_fresh(&came);
    assert_no_code(&ended, &came);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![changesets_publishes_a_workspace, where_each_code_serves_once_it_is_run_again]
}
