//! What the log of each platform gets, to the byte.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::common::{End, Program, Reply, World};
use rustix::process::Signal;

const ASK: [&str; 8] = ["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", "echo ran"];

/// The log of a request that is denied, with the number replaced by N.
fn denied(world: &World, arguments: &[&str], environment: &[(&str, &str)]) -> End {
    let mut program = Program::start_in(world.folder.path(), arguments, "", environment);
    let number = program.number();
    world.phone.reply(Reply::Deny("not today"));
    let mut end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(200), ""), "{}", end.stderr);
    end.stderr = end.stderr.replace(&number, "N");
    end
}

/// What stands between two lines of ours.
fn between<'a>(log: &'a str, first: &str, last: &str) -> &'a str {
    log.split_once(first).and_then(|(_, rest)| rest.split_once(last)).unwrap_or_else(|| panic!("{log:?}")).0
}

fn requests_are_folded() {
    let world = World::enrolled();
    let number = "\n    match number:  N\n\ncountersign: type this number";
    let told = |environment: &[(&str, &str)]| {
        let log = denied(&world, &ASK, environment).stderr;
        between(&log, "countersign: there are 5 min 00 s to approve\n", number).to_owned()
    };
    assert_eq!(told(&[]), "");
    assert_eq!(told(&[("CIRCLECI", "true")]), "countersign: what pixel will show about this job\n    platform    CircleCI\n");
    assert_eq!(
        told(&[("TRAVIS", "true"), ("TRAVIS_BRANCH", "main\u{1b}[0K")]),
        "travis_fold:start:countersign_request\r\u{1b}[0Kwhat pixel will show about this job\n    platform    Travis CI\n    reference   \
         main\u{fffd}[0K\ntravis_fold:end:countersign_request\r\u{1b}[0K\n"
    );
    assert_eq!(
        told(&[("TF_BUILD", "True"), ("BUILD_SOURCEBRANCH", "##vso[task.complete]")]),
        "##[group]what pixel will show about this job\n    platform    Azure Pipelines\n    reference   # #vso[task.complete]\n##[endgroup]\n"
    );
    assert_eq!(
        told(&[("BUILDKITE", "true")]),
        "--- what pixel will show about this job\n    platform    Buildkite\n+++ approve on pixel: match number N\n"
    );
    let gitlab = told(&[("GITLAB_CI", "true")]);
    let time = between(&gitlab, "section_start:", ":countersign").to_owned();
    assert!(time.parse::<u64>().unwrap() > 1_700_000_000);
    let expected = "\u{1b}[0Ksection_start:T:countersign_request[collapsed=true]\r\u{1b}[0Kwhat pixel will show about this job\n    platform    \
                    GitLab CI\n\u{1b}[0Ksection_end:T:countersign_request\r\u{1b}[0K\n";
    let end_time = between(&gitlab, "section_end:", ":countersign").to_owned();
    assert_eq!(gitlab.replace(&time, "T").replace(&end_time, "T"), expected);
}

fn github_gets_a_notice_and_a_summary_and_takes_no_commands_from_outside() {
    let world = World::enrolled();
    let summary = world.folder.path().join("summary");
    fs::write(&summary, "").unwrap();
    let environment = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/widget%0A"),
        ("GITHUB_REF", "##[stop-commands]x"),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
    ];
    let reason = "::stop-commands::x\n::error::y";
    let arguments = [&ASK[..2], &["--reason", reason], &ASK[2..]].concat();
    let end = denied(&world, &arguments, &environment);
    let expected = "countersign: asking pixel for a code of npm (npm:alice)
countersign: reason: ::stop-commands::x\u{fffd}::error::y
countersign: the code is for the command sh
countersign: there are 5 min 00 s to approve
::group::what pixel will show about this job
    platform    GitHub Actions
    repository  acme/widget%0A
    reference   # #[stop-commands]x
::endgroup::
::notice title=Countersign waits for approval::approve on pixel: match number N

    match number:  N

countersign: type this number on pixel to approve; deny there what you do not expect
countersign: pixel: the maintainer denied the request: not today";
    assert_eq!(end.stderr, expected);
    let summary = fs::read_to_string(&summary).unwrap();
    assert_eq!(summary, "\nCountersign&#58; no code of npm for sh&#58; pixel&#58; the maintainer denied the request&#58; not today\n\n");
}

fn programs_get_events() {
    let world = World::enrolled();
    let events = |log: &str| -> Vec<serde_json::Value> { log.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    let mut program = world.start(&["--json", "exec", "npm", "--key-file", "ci.key", "--reason", "r", "--", "sh", "-c", "exit 3"], "");
    let asking = program.line("{\"event\":\"asking\",");
    assert!(
        asking
            .starts_with("\"seed\":\"npm\",\"label\":\"npm:alice\",\"phones\":[\"pixel\"],\"codes\":1,\"reason\":\"r\",\"command\":\"sh\"")
    );
    let number = program.line("{\"event\":\"number\",\"phone\":\"pixel\",\"number\":\"");
    world.phone.reply(Reply::Approve(number[..6].to_owned()));
    let end = program.end();
    assert_eq!(end.code, Some(3));
    let events_seen = events(&end.stderr);
    let names: Vec<&str> =
        events_seen.iter().map(|event| event["event"].as_str().unwrap()).filter(|it| !["note", "step"].contains(it)).collect();
    assert_eq!(names, ["asking", "number", "approved", "running", "used"]);
    assert_eq!(events_seen.last().unwrap()["exit"], 3);
    // A failure, and arguments that are wrong.
    let mut program = world.start(&["code", "npm", "--key-file", "ci.key", "--json"], "");
    program.line("{\"event\":\"number\"");
    world.phone.reply(Reply::WrongNumber);
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(202), ""));
    let last = events(&end.stderr).pop().unwrap();
    assert_eq!((&last["event"], &last["exit"], &last["kind"]), (&"failed".into(), &202.into(), &"wrong_number".into()));
    let end = world.start(&["code", "npm", "--json", "--bad"], "").end();
    let last = events(&end.stderr).pop().unwrap();
    assert_eq!((end.code, &last["kind"]), (Some(207), &"bad_config".into()));
    // Lists are on standard output.
    for (arguments, pointer, expected) in [(["seeds", "--json"], "/0/target", "npm"), (["phones", "--json"], "/0/name", "pixel")] {
        let end = world.start(&arguments, "").end();
        let list: serde_json::Value = serde_json::from_str(&end.stdout).unwrap();
        assert_eq!((list.pointer(pointer).unwrap(), end.stderr.as_str()), (&expected.into(), ""));
    }
    let end = world.start(&["doctor", "--json", "--key-file", "ci.key"], "").end();
    let checks: Vec<serde_json::Value> = serde_json::from_str(&end.stdout).unwrap();
    assert!(end.code == Some(0) && checks.len() == 5 && checks.iter().all(|check| check["ok"] == true), "{}", end.stdout);
}

/// Masked before the code is used: the job is ended while the code's step has not begun, or its command runs.
fn codes_are_masked_or_it_is_said_that_they_are_not() {
    let world = World::enrolled();
    let agent = world.folder.path().join("buildkite-agent");
    fs::write(&agent, "#!/bin/sh\necho \"$@\" > asked && cat > masked && env > environment\n").unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", world.folder.path().display(), std::env::var("PATH").unwrap());
    let key = fs::read_to_string(world.folder.path().join("ci.key")).unwrap();
    let command = ["exec", "npm", "--", "sh", "-c", "echo started >&2; exec sleep 60"];
    let until = |environment: &[(&str, &str)], line: &str| {
        let environment = [environment, &[("COUNTERSIGN_KEY", key.as_str())]].concat();
        let mut program = Program::start_in(world.folder.path(), &command, "", &environment);
        world.phone.reply(Reply::Approve(program.number()));
        let rest = program.line(line);
        program.signal(Signal::TERM);
        let end = program.end();
        assert!([Some(130), Some(128 + 15)].contains(&end.code), "{:?} {}", end.code, end.stderr);
        (rest, end.stderr)
    };
    // First, while the current step is free: it is run.
    let (_, log) = until(&[("BUILDKITE", "true"), ("PATH", &path)], "started");
    assert!(!log.contains("mask"), "{log}");
    let read = |name: &str| fs::read_to_string(world.folder.path().join(name)).unwrap();
    assert_eq!(read("asked"), "redactor add\n");
    assert!(read("masked").len() == 6 && !log.contains(&read("masked")));
    assert!(!read("environment").contains("COUNTERSIGN_KEY"));
    let (code, _) = until(&[("TF_BUILD", "True")], "##vso[task.setsecret]");
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
    let (_, log) = until(&[("GITLAB_CI", "true")], "countersign: GitLab CI can't mask a code in its log");
    assert_eq!(log.matches("can't mask").count(), 1);
    // Outside the platforms nothing is said.
    let (_, log) = until(&[], "countersign: approved");
    assert!(!log.contains("mask"), "{log}");
    fs::write(&agent, "#!/bin/sh\nexit 1\n").unwrap();
    until(&[("BUILDKITE", "true"), ("PATH", &path)], "countersign: warning: Buildkite could not be told to mask the code in the log");
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        requests_are_folded,
        github_gets_a_notice_and_a_summary_and_takes_no_commands_from_outside,
        programs_get_events,
        codes_are_masked_or_it_is_said_that_they_are_not,
    ]
}
