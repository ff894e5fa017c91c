//! `lerna publish from-package`

use serde_json::json;

use crate::{
    job::{Job, assert_no_code},
    project::Project,
    server::Server,
    tools,
};

/// lerna sends one code with every package, so the registry has to take it more than once.
#[test]
fn lerna_publishes_a_workspace() {
    let (job, mut server) = (Job::new("npm"), Server::npm());
    server.tell(&json!({"reuse": true}));
    let project = Project::workspace(&server, &["gadget", "widget"]);
    project.write_json("lerna.json", &json!({"version": "independent", "packages": ["packages/*"], "npmClient": "npm"}));
    project.commit();
    let script = tools::script("lerna/dist/cli.js");
    let command = ["node", script.to_str().unwrap(), "publish", "from-package", "--yes", "--no-git-reset"];
    let ended = job.approved(&project, &[], &[("NX_DAEMON", "false")], &command);
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    assert!(came.len() == 2 && came.iter().all(|came| came.verdict == "ok"), "{came:?}");
    assert_eq!(came[0].code, came[1].code);
    assert!(server.versions("gadget") == ["1.0.0"] && server.versions("widget") == ["1.0.0"]);
    assert_no_code(&ended, &came);
}
