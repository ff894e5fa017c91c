//! `pnpm publish`

use crate::{
    job::{Job, assert_published},
    project::Project,
    server::Server,
    tools,
};

fn publishes(script: &str) {
    let (job, mut server) = (Job::new("pnpm"), Server::npm());
    let project = Project::npm_package(&server, "widget");
    let script = tools::script(script);
    let ended = job.approved(&project, &[], &[], &["node", script.to_str().unwrap(), "publish", "--no-git-checks"]);
    assert_published(&ended, &mut server);
}

/// It hands over to npm.
fn pnpm_10_publishes() {
    publishes("pnpm-10/bin/pnpm.cjs");
}

fn pnpm_11_publishes() {
    publishes("pnpm-11/bin/pnpm.mjs");
}

fn pnpm_12_publishes() {
    publishes("pnpm-12/bin/pnpm.mjs");
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![pnpm_10_publishes, pnpm_11_publishes, pnpm_12_publishes]
}
