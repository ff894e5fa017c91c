//! `yarn publish` and `yarn npm publish`, which take a code as an argument only

use crate::{
    job::{Job, assert_published},
    project::Project,
    server::Server,
    tools,
};

fn publishes(project: &Project, mut server: Server, target: &str, args: &[&str]) {
    let job = Job::new(target);
    let script = tools::script(if target == "yarn" { "yarn-1/bin/yarn.js" } else { "yarn-4/bin/yarn.js" });
    let ended = job.approved(project, &[], &[], &[&["node", script.to_str().unwrap()], args].concat());
    assert_published(&ended, &mut server);
}

fn yarn_1_publishes() {
    let server = Server::npm();
    let project = Project::npm_package(&server, "widget");
    let registry = format!("{}/", server.report("url"));
    publishes(&project, server, "yarn", &["publish", "--non-interactive", "--new-version", "1.0.0", "--registry", &registry]);
}

fn yarn_4_publishes() {
    let server = Server::npm();
    let project = Project::npm_package(&server, "widget");
    let (url, token) = (server.report("url"), server.report("token"));
    let lines = [
        format!("npmRegistryServer: {url:?}\nnpmPublishRegistry: {url:?}\nnpmAuthToken: {token:?}"),
        "unsafeHttpWhitelist: [\"127.0.0.1\"]\nenableTelemetry: false\n".to_owned(),
    ];
    project.write(".yarnrc.yml", &lines.join("\n"));
    project.write("yarn.lock", "");
    let script = tools::script("yarn-4/bin/yarn.js");
    project.done(&tools::node(), &[script.to_str().unwrap(), "install", "--no-immutable"]);
    publishes(&project, server, "yarn-berry", &["npm", "publish"]);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![yarn_1_publishes, yarn_4_publishes]
}
