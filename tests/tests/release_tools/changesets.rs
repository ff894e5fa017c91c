//! `changeset publish`

use serde_json::json;

use crate::{
    job::{Job, assert_no_code},
    project::Project,
    server::Server,
    tools,
};

/// changesets sends one code with every package, so the registry has to take it more than once.
#[test]
fn changesets_publishes_a_workspace() {
    let (job, mut server) = (Job::new("npm"), Server::npm());
    server.tell(&json!({"reuse": true}));
    let project = Project::workspace(&server, &["gadget", "widget"]);
    project.write_json(".changeset/config.json", &json!({"access": "public", "baseBranch": "main"}));
    project.commit();
    let script = tools::script("@changesets/cli/bin.js");
    let ended = job.approved(&project, &[], &[], &["node", script.to_str().unwrap(), "publish"]);
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    assert!(came.len() == 2 && came.iter().all(|came| came.verdict == "ok"), "{came:?}");
    assert!(server.versions("gadget") == ["1.0.0"] && server.versions("widget") == ["1.0.0"]);
    assert_eq!(project.git(&["tag"]), "gadget@1.0.0\nwidget@1.0.0\n");
    assert_no_code(&ended, &came);
}
