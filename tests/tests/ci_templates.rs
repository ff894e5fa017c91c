//! The GitHub action and the templates for GitLab and CircleCI: their scripts are taken out of the YAML and run by `bash` in the environment that
//! each CI sets, with the real program, relay and phone, and with a program that writes down what it was called with.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use countersign_tests::process::{Ended, Running, Setting, URI, program};
use yaml_rust2::{Yaml, YamlLoader};

/// What the maintainer writes into the workflow.
struct Inputs<'a> {
    seed: &'a str,
    run: &'a str,
    codes: &'a str,
    env: &'a str,
    reason: &'a str,
}

impl Inputs<'_> {
    /// `None` for what nobody gave.
    fn value(&self, name: &str) -> Option<String> {
        let value = match name {
            "seed" => self.seed,
            "run" => self.run,
            "codes" => self.codes,
            "env" => self.env,
            "reason" => self.reason,
            _ => "",
        };
        Some(value.to_owned()).filter(|value| !value.is_empty())
    }
}

/// A script and the variables that the template gives it.
struct Step {
    script: String,
    variables: Vec<(String, String)>,
    shell: &'static [&'static str],
}

fn load(file: &str) -> Yaml {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci-client").join(file);
    YamlLoader::load_from_str(&fs::read_to_string(path).unwrap()).unwrap().remove(0)
}

fn text(yaml: &Yaml) -> String {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}")).to_owned()
}

/// The name in `open NAME close`; the value must be nothing but that.
fn name_in(value: &str, open: &str, close: &str) -> String {
    let name =
        value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).unwrap_or_else(|| panic!("more than one expression: {value}"));
    name.trim().to_owned()
}

/// The steps of the action, with its expressions replaced as the runner does. `outputs` are those of the step `program`.
fn github(inputs: &Inputs<'_>, path: &str, program: &str) -> Vec<Step> {
    let action = load("action/action.yml");
    assert_eq!(text(&action["runs"]["using"]), "composite");
    let steps = action["runs"]["steps"].as_vec().unwrap();
    let value = |expression: &str| {
        let name = name_in(expression, "${{", "}}");
        match name.strip_prefix("inputs.") {
            Some("path") => path.to_owned(),
            Some(input) => {
                let declared = &action["inputs"][input];
                assert!(!declared.is_badvalue(), "{input} is no input");
                inputs.value(input).unwrap_or_else(|| declared["default"].as_str().unwrap_or_default().to_owned())
            }
            None if name == "steps.program.outputs.path" => program.to_owned(),
            None if name == "github.action_path" => "/the/action".to_owned(),
            None => panic!("unknown: {name}"),
        }
    };
    let step = |step: &Yaml| Step {
        script: text(&step["run"]),
        variables: step["env"].as_hash().unwrap().iter().map(|(name, it)| (text(name), value(&text(it)))).collect(),
        shell: &["--noprofile", "--norc", "-eo", "pipefail", "-c"],
    };
    steps.iter().map(step).collect()
}

fn gitlab(inputs: &Inputs<'_>) -> Step {
    let job = &load("templates/gitlab.yml")[".countersign"];
    let variable = |(name, default): (&Yaml, &Yaml)| {
        let name = text(name);
        let input = name.strip_prefix("COUNTERSIGN_").unwrap().to_lowercase();
        (name, inputs.value(&input).unwrap_or_else(|| text(default)))
    };
    let script = job["script"].as_vec().unwrap();
    assert_eq!(script.len(), 1);
    Step { script: text(&script[0]), variables: job["variables"].as_hash().unwrap().iter().map(variable).collect(), shell: &["-c"] }
}

fn circleci(inputs: &Inputs<'_>) -> Step {
    let command = &load("templates/circleci.yml")["commands"]["countersign"];
    let run = &command["steps"][0]["run"];
    let variable = |(name, value): (&Yaml, &Yaml)| {
        let parameter = name_in(&text(value), "<<", ">>");
        let parameter = parameter.strip_prefix("parameters.").unwrap();
        let declared = &command["parameters"][parameter];
        assert_eq!(text(&declared["type"]), "string");
        (text(name), inputs.value(parameter).unwrap_or_else(|| declared["default"].as_str().unwrap_or_default().to_owned()))
    };
    Step {
        script: text(&run["command"]),
        variables: run["environment"].as_hash().unwrap().iter().map(variable).collect(),
        shell: &["-eo", "pipefail", "-c"],
    }
}

/// `bash` on a runner: what the CI sets, the programs on its PATH, and the secret.
fn on_a_runner(step: &Step, folder: &Path, programs: &Path, ci: &[(&str, &str)], key: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(step.shell).arg(&step.script).current_dir(folder).env_clear();
    command.env("PATH", format!("{}:/usr/bin:/bin", programs.display())).env("COUNTERSIGN_KEY", key);
    command.envs(ci.iter().copied()).envs(step.variables.iter().map(|(name, value)| (name, value)));
    command
}

const GITHUB: &[(&str, &str)] = &[
    ("CI", "true"),
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_REPOSITORY", "acme/widget"),
    ("GITHUB_WORKFLOW", "Release"),
    ("GITHUB_REF", "refs/tags/v1"),
];
const GITLAB: &[(&str, &str)] = &[("CI", "true"), ("GITLAB_CI", "true"), ("CI_PROJECT_PATH", "acme/widget"), ("CI_JOB_NAME", "publish")];
const CIRCLECI: &[(&str, &str)] =
    &[("CI", "true"), ("CIRCLECI", "true"), ("CIRCLE_PROJECT_USERNAME", "acme"), ("CIRCLE_PROJECT_REPONAME", "widget")];

/// The key as a secret of the CI.
fn key(setting: &Setting) -> String {
    let file = fs::read_to_string(setting.key_file()).unwrap();
    file.lines().find(|line| line.starts_with("COUNTERSIGN-KEY-1")).unwrap().to_owned()
}

/// A folder with nothing but the real program in it.
fn programs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(program("countersign"), folder.path().join("countersign")).unwrap();
    folder
}

fn approve(setting: &Setting, mut job: Running) -> Ended {
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve(&mut phone, &number, false);
    let ended = job.end();
    let phone = phone.end();
    assert!(phone.status.success() && phone.stderr.contains("acme/widget"), "{phone:?}");
    ended
}

/// Says whether the code is there and the key is not, and ends with 7.
const SCRIPT: &str = "echo \"code of ${#COUNTERSIGN_CODE} digits\"\nif env | grep -q COUNTERSIGN-KEY-[1]; then echo LEAK; fi\nexit 7";
const ASKED: Inputs<'_> = Inputs { seed: "npm", run: SCRIPT, codes: "", env: "", reason: "release \"1.2\" $(id)" };

fn is_as_asked(ended: &Ended, setting: &Setting) {
    assert_eq!((ended.code(), ended.stdout.as_str()), (7, "code of 6 digits\n"), "{ended:?}");
    assert!(!ended.stderr.contains(&key(setting)));
    let history = setting.phone.done(&["history"], &[]);
    assert!(history.stdout.contains("release \"1.2\" $(id)"), "{history:?}");
}

#[test]
fn the_github_action_runs_a_script_with_a_code() {
    let (setting, programs, output) = (Setting::ready(), programs(), tempfile::NamedTempFile::new().unwrap());
    let environment = [GITHUB, &[("GITHUB_OUTPUT", output.path().to_str().unwrap())]].concat();
    let [find, _] = &github(&ASKED, "", "")[..] else { panic!("two steps") };
    let ended = Running::start(on_a_runner(find, setting.laptop.path(), programs.path(), &environment, &key(&setting))).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let found = fs::read_to_string(output.path()).unwrap();
    let found = found.strip_prefix("path=").unwrap().trim_end();
    assert_eq!(found, programs.path().join("countersign").to_str().unwrap());
    let [_, run] = &github(&ASKED, "", found)[..] else { panic!("two steps") };
    let ended = approve(&setting, Running::start(on_a_runner(run, setting.laptop.path(), programs.path(), &environment, &key(&setting))));
    assert!(ended.stderr.contains("::add-mask::"), "{ended:?}");
    is_as_asked(&ended, &setting);
}

#[test]
fn the_gitlab_template_runs_a_script_with_a_code() {
    let (setting, programs) = (Setting::ready(), programs());
    let job = on_a_runner(&gitlab(&ASKED), setting.laptop.path(), programs.path(), GITLAB, &key(&setting));
    is_as_asked(&approve(&setting, Running::start(job)), &setting);
}

#[test]
fn the_circleci_template_runs_a_script_with_a_code() {
    let (setting, programs) = (Setting::ready(), programs());
    let job = on_a_runner(&circleci(&ASKED), setting.laptop.path(), programs.path(), CIRCLECI, &key(&setting));
    is_as_asked(&approve(&setting, Running::start(job)), &setting);
}

/// A script does not hand on the argument with the code; a variable does.
#[test]
fn a_target_that_takes_arguments_wants_a_variable() {
    let (setting, programs) = (Setting::paired(), programs());
    setting.enroll_with(&["yarn", "--uri-stdin", "--target", "yarn"], URI);
    let inputs = Inputs { seed: "yarn", run: "test ${#COUNTERSIGN_CODE} = 6 && exit 7", ..ASKED };
    type Make<'a> = &'a dyn Fn(&Inputs<'_>) -> Step;
    let with = |inputs: &Inputs<'_>, make: Make<'_>, ci| {
        Running::start(on_a_runner(&make(inputs), setting.laptop.path(), programs.path(), ci, &key(&setting)))
    };
    let path = programs.path().join("countersign");
    let make_github = |inputs: &Inputs<'_>| github(inputs, "", path.to_str().unwrap()).remove(1);
    let all: [(Make<'_>, _); 3] = [(&make_github, GITHUB), (&gitlab, GITLAB), (&circleci, CIRCLECI)];
    for (make, ci) in all {
        let ended = with(&inputs, make, ci).end();
        assert_eq!(ended.code(), 207, "{ended:?}");
        assert!(ended.stderr.contains("(in the action and the templates: env)"), "{ended:?}");
        // Nobody is asked before it is known that the script will have the code.
        let mut job = with(&Inputs { env: "COUNTERSIGN_CODE", ..inputs }, make, ci);
        job.wait_for("asking pixel");
        if ci == CIRCLECI {
            let ended = approve(&setting, job);
            assert_eq!(ended.code(), 7, "{ended:?}");
        }
    }
}

/// A program that writes its arguments, one a line, and its environment to the folder it is in.
fn fake(folder: &Path, name: &str) {
    let path = folder.join(name);
    fs::write(&path, "#!/bin/sh\nfolder=$(dirname \"$0\")\nprintf '<%s>\\n' \"$@\" > \"$folder/args\"\nenv > \"$folder/env\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Nothing that is given becomes a part of a script or an option of its own.
#[test]
fn inputs_are_data() {
    let evil = "echo \"$A\" '$B' `C` $(touch pwned); --key-file=x";
    let inputs = Inputs { seed: "npm", run: evil, codes: "10", env: "ONE  TWO * $(id)", reason: "--phone \"; touch pwned; #" };
    let seeds = ["", "npm; touch pwned", "--config=/elsewhere", "$(touch pwned)", "NPM"];
    type Make = fn(&Inputs<'_>, &str) -> Step;
    let all: [(Make, &[(&str, &str)]); 3] = [
        (|inputs, program| github(inputs, "", program).remove(1), GITHUB),
        (|inputs, _| gitlab(inputs), GITLAB),
        (|inputs, _| circleci(inputs), CIRCLECI),
    ];
    for (make, ci) in all {
        let (programs, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fake(programs.path(), "countersign");
        let path = programs.path().join("countersign");
        let run = |inputs: &Inputs<'_>| {
            let step = make(inputs, path.to_str().unwrap());
            assert!(!step.script.contains("${{") && !step.script.contains("parameters."), "{}", step.script);
            Running::start(on_a_runner(&step, folder.path(), programs.path(), ci, "the key")).end()
        };
        let ended = run(&inputs);
        assert_eq!(ended.code(), 0, "{ended:?}");
        let args = fs::read_to_string(programs.path().join("args")).unwrap();
        let expected = "<exec>\n<npm>\n<--timeout=5m>\n<--config=countersign.toml>\n<--codes=10>\n<--reason=--phone \"; touch pwned; #>\n\
                        <--env=ONE>\n<--env=TWO>\n<--env=*>\n<--env=$(id)>\n<-->\n";
        assert!(args.starts_with(expected) && args.ends_with(&format!("c>\n<{evil}>\n")), "{args}");
        fs::remove_file(programs.path().join("args")).unwrap();
        for seed in seeds {
            let ended = run(&Inputs { seed, ..inputs });
            assert_eq!(ended.code(), 207, "{seed}: {ended:?}");
            assert!(!programs.path().join("args").exists(), "{seed}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // And without the program it says what to do.
        fs::remove_file(&path).unwrap();
        if ci != GITHUB {
            let ended = run(&inputs);
            assert_eq!(ended.code(), 127, "{ended:?}");
            assert!(ended.stderr.contains("not on PATH"), "{ended:?}");
        }
    }
}

#[test]
fn the_action_builds_the_program_from_its_own_commit_if_there_is_none() {
    let (programs, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let inputs = Inputs { seed: "npm", run: "true", codes: "", env: "", reason: "" };
    let find = github(&inputs, "", "").remove(0);
    let output = folder.path().join("output");
    let environment = [GITHUB, &[("GITHUB_OUTPUT", output.to_str().unwrap()), ("RUNNER_TEMP", folder.path().to_str().unwrap())]].concat();
    // No cargo either. The system's own folders may have one.
    let mut command = on_a_runner(&find, folder.path(), programs.path(), &environment, "the key");
    command.env("PATH", programs.path());
    let bash = std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|it| it.join("bash")).find(|it| it.exists());
    std::os::unix::fs::symlink(bash.expect("this test needs bash"), programs.path().join("bash")).unwrap();
    let ended = Running::start(command).end();
    assert_eq!(ended.code(), 127, "{ended:?}");
    assert!(ended.stderr.contains("give the input 'path'"), "{ended:?}");
    // With one: what it is asked for, and that it sees no key.
    fake(programs.path(), "cargo");
    let built = folder.path().join("countersign/bin");
    fs::create_dir_all(&built).unwrap();
    fake(&built, "countersign");
    let ended = Running::start(on_a_runner(&find, folder.path(), programs.path(), &environment, "the key")).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let root = folder.path().join("countersign");
    let args = fs::read_to_string(programs.path().join("args")).unwrap();
    assert_eq!(args, format!("<install>\n<--locked>\n<--path>\n</the/action/..>\n<--root>\n<{}>\n", root.display()));
    assert!(!fs::read_to_string(programs.path().join("env")).unwrap().contains("the key"));
    assert_eq!(fs::read_to_string(&output).unwrap(), format!("path={}\n", built.join("countersign").display()));
}
