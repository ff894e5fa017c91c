//! `lerna publish from-package`

use serde_json::json;

use crate::{
    job::{Job, SHORT_STEPS, assert_fresh, assert_no_code},
    project::Project,
    server::Server,
    tools,
};

fn workspace(server: &Server) -> Project {
    let project = Project::workspace(server, &["gadget", "widget"]);
    project.write_json("lerna.json", &json!({"version": "independent", "packages": ["packages/*"], "npmClient": "npm"}));
    project.write(".gitignore", "node_modules\n");
    project.commit();
    project
}

/// The command, and what it needs.
fn with_command<T>(run: impl FnOnce(&[(&str, &str)], &[&str]) -> T) -> T {
    let script = tools::script("lerna/dist/cli.js");
    run(&[("NX_DAEMON", "false")], &["node", script.to_str().unwrap(), "publish", "from-package", "--yes", "--no-git-reset"])
}

fn both_are_there(server: &mut Server) {
    assert!(server.versions("gadget") == ["1.0.0"] && server.versions("widget") == ["1.0.0"]);
}

/// lerna sends one code with every package, so the registry has to take it more than once.
fn lerna_publishes_a_workspace() {
    let (job, mut server) = (Job::new("lerna"), Server::npm());
    server.tell(&json!({"reuse": true}));
    let project = workspace(&server);
    let ended = with_command(|variables, command| job.approved(&project, &[], variables, command));
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    assert!(came.len() == 2 && came.iter().all(|came| came.verdict == "ok"), "{came:?}");
    assert_eq!(came[0].code, came[1].code);
    both_are_there(&mut server);
    assert_no_code(&ended, &came);
}

/// A registry that takes each code once stops it half way. The target runs nothing twice, so it says why and leaves it there.
fn a_registry_that_takes_a_code_once_stops_lerna_half_way() {
    let (job, mut server) = (Job::new("lerna"), Server::npm());
    let project = workspace(&server);
    let ended = with_command(|variables, command| job.approved(&project, &[], variables, command));
    let came = server.record();
    assert_eq!(ended.code(), 1, "{ended:?} {came:?}");
    assert!(came[0].verdict == "ok" && came[1..].iter().all(|came| came.why == "used before"), "{came:?}");
    assert!(ended.stderr.contains("countersign: node: the code was refused"), "{ended:?}");
    assert_no_code(&ended, &came);
}

/// `from-package` publishes what is not there yet. In a target that may run it again it comes to its end, if what it has changed in the meantime is put
/// back first: docs/CLI.md says how.
fn from_package_may_be_run_again_with_codes_of_its_own() {
    let (job, mut server) = (Job::with("lerna", SHORT_STEPS), Server::npm_with(SHORT_STEPS));
    job.retarget("lerna", "[target.lerna-from-package]\ninherit = \"lerna\"\nretry = true\n");
    let project = workspace(&server);
    let mut running = with_command(|variables, command| {
        let again = [&["sh", "-c", "git checkout -q -- . && exec \"$@\"", "sh"], command].concat();
        job.start(&project, &["--codes", "20"], variables, &again)
    });
    job.approve_batch(&mut running);
    let ended = running.end();
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    let good: Vec<&str> = came.iter().filter(|came| came.verdict == "ok").map(|came| came.code.as_str()).collect();
    assert!(good.len() == 2 && good[0] != good[1], "{came:?}");
    both_are_there(&mut server);
    assert_fresh(&came);
    assert_no_code(&ended, &came);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        lerna_publishes_a_workspace,
        a_registry_that_takes_a_code_once_stops_lerna_half_way,
        from_package_may_be_run_again_with_codes_of_its_own
    ]
}
