//! The servers that want one-time codes.

use std::process::Command;

use countersign_tests::process::{Running, URI};
use serde_json::{Value, json};

use crate::tools;

/// A server of `tests/tools`; it ends when this is dropped, or when the test ends in whatever way.
pub(crate) struct Server {
    running: Running,
    report: Value,
    told: usize,
    _folder: tempfile::TempDir,
    /// What it passes requests on to.
    _behind: Option<Running>,
}

/// A request that wanted a code.
#[derive(Debug)]
pub(crate) struct Came {
    /// The package, or what else the server calls it.
    pub(crate) what: String,
    /// The code that came with it; empty if none did.
    pub(crate) code: String,
    /// How many steps ago its own step was.
    pub(crate) age: Option<i64>,
    /// `ok`, `missing`, `wrong` or `limited`.
    pub(crate) verdict: String,
    /// Why.
    pub(crate) why: String,
}

impl Server {
    /// Verdaccio, with npm's answers about codes.
    pub(crate) fn npm() -> Self {
        Self::npm_with(URI)
    }

    /// The same for codes of another seed.
    pub(crate) fn npm_with(uri: &str) -> Self {
        Self::start("npm_gate.mjs", json!({"uri": uri}), None)
    }

    /// A gem server.
    pub(crate) fn gem() -> Self {
        Self::start("gem_server.mjs", json!({"uri": URI}), None)
    }

    /// moto, with AWS's answers about codes.
    pub(crate) fn aws() -> Self {
        let mut command = Command::new(tools::python("python"));
        command.arg(tools::own("moto_server.py"));
        let mut moto = Running::start(command);
        let ready = moto.wait_for_line("ready ");
        let report: Value = serde_json::from_str(ready.strip_prefix("ready ").unwrap()).unwrap();
        Self::start("aws_gate.mjs", json!({"uri": URI, "upstream": report["url"]}), Some(moto))
    }

    fn start(file: &str, mut setting: Value, behind: Option<Running>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        setting["storage"] = folder.path().to_str().unwrap().into();
        let mut command = Command::new(tools::node());
        command.arg(tools::own(file)).current_dir(tools::folder());
        let mut running = Running::start(command);
        running.say(&setting.to_string());
        let ready = running.wait_for_line("ready ");
        let report = serde_json::from_str(ready.strip_prefix("ready ").unwrap()).unwrap();
        Self { running, report, told: 0, _folder: folder, _behind: behind }
    }

    /// What it said when it was ready: `url`, `token`, `key`.
    pub(crate) fn report(&self, name: &str) -> &str {
        self.report[name].as_str().unwrap()
    }

    /// Changes its plan: `refuse` so many codes, answer 429 `limit` times, check the next code as if it were `late` steps later, let a code serve again (`reuse`).
    pub(crate) fn tell(&mut self, plan: &Value) -> Value {
        self.told += 1;
        self.running.say(&plan.to_string());
        let start = format!("answer {} ", self.told);
        let line = self.running.wait_for_line(&start);
        serde_json::from_str(line.strip_prefix(&start).unwrap()).unwrap()
    }

    /// What wanted a code so far.
    pub(crate) fn record(&mut self) -> Vec<Came> {
        let answer = self.tell(&json!({}));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let came = |it: &Value| Came {
            what: text(&it["what"]),
            code: text(&it["code"]),
            age: it["age"].as_i64(),
            verdict: text(&it["verdict"]),
            why: text(&it["why"]),
        };
        answer["record"].as_array().unwrap().iter().map(came).collect()
    }

    /// The versions of a package that it really has.
    pub(crate) fn versions(&mut self, package: &str) -> Vec<String> {
        let answer = self.tell(&json!({"look": package}));
        answer["versions"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }
}
