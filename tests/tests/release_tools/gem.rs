//! `gem push`

use std::path::Path;

use serde_json::json;

use crate::{
    job::{Job, assert_fresh, assert_no_code},
    project::Project,
    server::Server,
};

const GEMSPEC: &str = "Gem::Specification.new do |s|
  s.name = 'widget'
  s.version = '1.0.0'
  s.summary = 'A widget'
  s.authors = ['Alice']
  s.files = []
end
";

fn gem() -> Project {
    let project = Project::new();
    project.write("widget.gemspec", GEMSPEC);
    assert!(
        std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| folder.join("gem").exists()),
        "gem is not installed. Get it with: apt-get install ruby"
    );
    project.done(Path::new("gem"), &["build", "widget.gemspec", "--silent"]);
    project
}

fn gem_pushes() {
    let (job, mut server) = (Job::new("gem"), Server::gem());
    let project = gem();
    let (url, key) = (server.report("url").to_owned(), server.report("key").to_owned());
    let command = ["gem", "push", "widget-1.0.0.gem", "--host", &url];
    let ended = job.approved(&project, &[], &[("GEM_HOST_API_KEY", &key)], &command);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("Successfully registered gem: widget (1.0.0)"), "{ended:?}");
    let came = server.record();
    assert_eq!((came.len(), came[0].verdict.as_str()), (1, "ok"), "{came:?}");
    assert!(came[0].what.starts_with("widget 1.0.0 "), "{came:?}");
    assert_fresh(&came);
    assert_no_code(&ended, &came);
}

fn a_gem_whose_code_has_expired_is_not_pushed() {
    let (job, mut server) = (Job::new("gem"), Server::gem());
    let project = gem();
    server.tell(&json!({"late": 10}));
    let (url, key) = (server.report("url").to_owned(), server.report("key").to_owned());
    let command = ["gem", "push", "widget-1.0.0.gem", "--host", &url];
    let ended = job.approved(&project, &["--no-retry"], &[("GEM_HOST_API_KEY", &key)], &command);
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.stdout.contains("Your OTP code is incorrect"), "{ended:?}");
    let came = server.record();
    assert_eq!((came.len(), came[0].why.as_str()), (1, "expired"), "{came:?}");
    assert_no_code(&ended, &came);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![gem_pushes, a_gem_whose_code_has_expired_is_not_pushed]
}
