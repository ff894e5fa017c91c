//! A release job: relay, phone and job folder, and the command it runs with a code.

use std::process::Command;

use countersign_tests::process::{Ended, Running, Setting, URI};

use crate::{
    project::Project,
    server::{Came, Server},
};

/// What the seed is called.
const SEED: &str = "release";

/// A seed whose steps are soon over, for tests that need several.
pub(crate) const SHORT_STEPS: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME&period=15";

/// A relay, a phone, and a job that is paired with it and may use one seed.
pub(crate) struct Job {
    /// The parts.
    pub(crate) setting: Setting,
}

impl Job {
    /// One whose seed is for `target`.
    pub(crate) fn new(target: &str) -> Self {
        Self::with(target, URI)
    }

    /// The same with another seed.
    pub(crate) fn with(target: &str, uri: &str) -> Self {
        let setting = Setting::paired();
        setting.enroll_with(&[SEED, "--uri-stdin", "--target", target], uri);
        Self { setting }
    }

    /// Makes the seed's target another one than `old`: that of this table, `[target.NAME]` first.
    pub(crate) fn retarget(&self, old: &str, table: &str) {
        let file = self.setting.laptop.path().join("countersign.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let name = table.split(']').next().unwrap().strip_prefix("[target.").unwrap();
        let changed = config.replace(&format!("target = {old:?}"), &format!("target = {name:?}"));
        assert_ne!(config, changed);
        std::fs::write(&file, format!("{changed}\n{table}")).unwrap();
    }

    /// Starts `countersign exec` in the project with further options, and a command.
    pub(crate) fn start(&self, project: &Project, options: &[&str], variables: &[(&str, &str)], command: &[&str]) -> Running {
        let mut exec = self.setting.command(&[&["exec", SEED], options, &["--"], command].concat());
        project.surround(&mut exec);
        exec.env("COUNTERSIGN_CONFIG", self.setting.laptop.path().join("countersign.toml"));
        exec.envs(variables.iter().copied());
        Running::start(exec)
    }

    /// Starts a command that asks by itself.
    pub(crate) fn start_asking(&self, project: &Project, variables: &[(&str, &str)], command: &[&str]) -> Running {
        let mut asking = Command::new(command[0]);
        asking.args(&command[1..]).env_clear().env("COUNTERSIGN_KEY_FILE", self.setting.key_file());
        project.surround(&mut asking);
        asking.env("COUNTERSIGN_CONFIG", self.setting.laptop.path().join("countersign.toml"));
        asking.envs(variables.iter().copied());
        Running::start(asking)
    }

    /// Approves on the phone all codes that a job asks for. Ask for more than are needed: on a slow machine some steps pass unused.
    pub(crate) fn approve_batch(&self, job: &mut Running) {
        let mut phone = self.setting.phone.run(&["run", "--once"]);
        let number = job.match_number();
        self.setting.phone.approve_batch(&mut phone, &number);
        // It has answered, and hears what became of the codes if it is still there; the job does not wait for it.
        job.wait_for("approved on");
    }

    /// The same, approved on the phone, to its end.
    pub(crate) fn approved(&self, project: &Project, options: &[&str], variables: &[(&str, &str)], command: &[&str]) -> Ended {
        let mut job = self.start(project, options, variables, command);
        let mut phone = self.setting.phone.run(&["run", "--once"]);
        let number = job.match_number();
        self.setting.phone.approve(&mut phone, &number, false);
        let ended = job.end();
        let phone = phone.end();
        assert!(phone.status.success(), "{phone:?}");
        ended
    }
}

/// The job has published `widget` with its first code, which is not in its log.
#[track_caller]
pub(crate) fn assert_published(ended: &Ended, server: &mut Server) {
    let came = server.record();
    assert_eq!(ended.code(), 0, "{ended:?} {came:?}");
    assert_eq!((came.len(), came[0].what.as_str(), came[0].verdict.as_str()), (1, "widget", "ok"), "{came:?}");
    assert_fresh(&came);
    assert_eq!(server.versions("widget"), ["1.0.0"]);
    assert_no_code(ended, &came);
}

/// Every code that came was of the step of that moment, or of the one before: it was handed out with time left, and tools are not instant.
#[track_caller]
pub(crate) fn assert_fresh(came: &[Came]) {
    assert!(came.iter().all(|came| matches!(came.age, Some(0 | 1))), "{came:?}");
}

/// The log of a job holds none of the codes that a server saw.
pub(crate) fn assert_no_code(ended: &Ended, came: &[Came]) {
    for came in came.iter().filter(|came| !came.code.is_empty()) {
        assert!(!ended.stdout.contains(&came.code) && !ended.stderr.contains(&came.code), "a code is in the log: {ended:?}");
    }
}
