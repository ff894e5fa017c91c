//! Ten packages with one approval: each with a code of its own, from `countersign next`.

use std::collections::HashSet;

use crate::{
    job::{Job, SHORT_STEPS, assert_fresh, assert_no_code},
    project::Project,
    server::Server,
};

/// Both names: npm takes whichever is last in the environment, and `exec` has put the first code into both. bash keeps the old one last.
const SCRIPT: &str = r#"
for dir in packages/*; do
    otp=$(countersign next release) || exit
    (cd "$dir" && NPM_CONFIG_OTP=$otp npm_config_otp=$otp npm publish --userconfig ../../.npmrc) || exit
    echo "published $dir"
done
"#;

fn ten_packages_are_published_with_one_approval() {
    let (job, mut server) = (Job::with("npm", SHORT_STEPS), Server::npm_with(SHORT_STEPS));
    let names: Vec<String> = (0..10).map(|number| format!("widget-{number}")).collect();
    let project = Project::workspace(&server, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut running = job.start(&project, &["--codes", "20"], &[], &["bash", "-c", SCRIPT]);
    job.approve_batch(&mut running);
    for name in &names {
        running.wait_for_line(&format!("published packages/{name}"));
    }
    let ended = running.end();
    assert_eq!(ended.code(), 0, "{ended:?}");

    let came = server.record();
    assert!(came.len() == 10 && came.iter().all(|came| came.verdict == "ok"), "{came:?}");
    assert_eq!(came.iter().map(|came| &came.code).collect::<HashSet<_>>().len(), 10, "{came:?}");
    for (name, came) in names.iter().zip(&came) {
        assert_eq!(*name, came.what);
        assert_eq!(server.versions(name), ["1.0.0"]);
    }
    assert_fresh(&came);
    assert_no_code(&ended, &came);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![ten_packages_are_published_with_one_approval]
}
