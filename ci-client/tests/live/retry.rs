//! A command whose code was refused: how often it runs, with which codes, and who is asked.

use std::fs;

use crate::common::{End, Program, Reply, World};
use countersign_core::phone::HistoryOutcome;

/// Exit code 3 says that the code was refused, 4 that there were too many attempts.
const TARGET: &str = "
[target.fussy]
about = \"says by its exit code what is wrong\"
min_life = 1
retry = true
wrong = [{ exit = [3] }]
limited = [{ exit = [4] }]
";

/// Prints the code and ends with the next of its arguments, for each run another one.
const SCRIPT: &str = r#"echo "$COUNTERSIGN_CODE"; echo >> runs; run=$(wc -l < runs); shift $((run - 1)); exit "$1""#;

struct Fussy(World);

impl Fussy {
    fn new() -> Self {
        let world = World::enrolled();
        let config = fs::read_to_string(world.config()).unwrap().replace("target = \"npm\"", "target = \"fussy\"");
        assert!(config.contains("target = \"fussy\""), "{config}");
        fs::write(world.config(), config + TARGET).unwrap();
        Self(world)
    }

    /// `exec` with a command that ends with these codes, one after the other.
    fn start(&self, options: &[&str], exits: &[&str]) -> Program {
        self.0.start(&[&["exec", "npm", "--key-file", "ci.key"], options, &["--", "sh", "-c", SCRIPT, "sh"], exits].concat(), "")
    }

    fn approve(&self, program: &mut Program) {
        self.0.phone.reply(Reply::Approve(program.number()));
    }
}

/// The codes of the runs, all different.
fn codes(end: &End, runs: usize) {
    let lines: Vec<&str> = end.stdout.lines().collect();
    let mut different = lines.clone();
    different.sort_unstable();
    different.dedup();
    assert!(lines.len() == runs && different.len() == runs && lines.iter().all(|line| line.len() == 6), "{lines:?}\n{}", end.stderr);
}

fn numbers(end: &End) -> usize {
    end.stderr.matches("match number").count()
}

fn within_what_was_approved_it_runs_again_with_another_code() {
    let fussy = Fussy::new();
    let mut program = fussy.start(&["--codes", "2"], &["3", "0"]);
    fussy.approve(&mut program);
    let end = program.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    codes(&end, 2);
    assert_eq!(numbers(&end), 1, "{}", end.stderr);
    fussy.0.phone.wait_for(HistoryOutcome::Used);
}

fn then_it_asks_once_more_and_gives_up() {
    let fussy = Fussy::new();
    let mut program = fussy.start(&[], &["3", "3", "0"]);
    fussy.approve(&mut program);
    fussy.approve(&mut program);
    let end = program.end();
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    codes(&end, 2);
    assert_eq!(numbers(&end), 2, "{}", end.stderr);
    fussy.0.phone.wait_for(HistoryOutcome::Rejected);
}

fn a_denied_second_approval_leaves_the_exit_code_of_the_command() {
    let fussy = Fussy::new();
    let mut program = fussy.start(&[], &["3", "0"]);
    fussy.approve(&mut program);
    program.number();
    fussy.0.phone.reply(Reply::Deny("enough"));
    let end = program.end();
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    codes(&end, 1);
    assert!(end.stderr.contains("denied the request: enough"), "{}", end.stderr);
}

/// What stops another run is told, and is no end of the program: no event names another exit code than the program's own.
fn a_program_is_told_one_exit_code() {
    let fussy = Fussy::new();
    for kind in ["denied", "interrupted"] {
        let _ = fs::remove_file(fussy.0.folder.path().join("runs"));
        let mut program = fussy.start(&["--json"], &["3", "0"]);
        let number = program.line("{\"event\":\"number\",\"phone\":\"pixel\",\"number\":\"");
        fussy.0.phone.reply(Reply::Approve(number[..6].to_owned()));
        program.line("{\"event\":\"used\",\"seed\":\"npm\",\"command\":\"sh\",\"exit\":3}");
        program.line("{\"event\":\"number\"");
        if kind == "denied" {
            fussy.0.phone.reply(Reply::Deny("enough"));
        } else {
            program.signal(rustix::process::Signal::TERM);
        }
        let end = program.end();
        let events: Vec<serde_json::Value> = end.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(
            events.iter().all(|event| event["event"] != "failed" && event["exit"].as_i64().is_none_or(|exit| exit == 3)),
            "{}",
            end.stderr
        );
        let last = events.last().unwrap();
        assert_eq!((end.code, &last["event"], &last["kind"]), (Some(3), &"not_again".into(), &kind.into()), "{}", end.stderr);
    }
}

fn what_must_not_run_twice_does_not() {
    let once = |options: &[&str], exit: &str, code| {
        // A seed of its own for each: none waits for the steps of another.
        let fussy = Fussy::new();
        let mut program = fussy.start(options, &[exit, "0"]);
        fussy.approve(&mut program);
        let end = program.end();
        assert_eq!(end.code, Some(code), "{}", end.stderr);
        codes(&end, 1);
        assert_eq!(numbers(&end), 1, "{}", end.stderr);
    };
    once(&["--codes", "2", "--no-retry"], "3", 3);
    once(&["--codes", "2"], "4", 4);
    once(&["--codes", "2"], "5", 5);
    once(&["--codes", "2"], "0", 0);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        within_what_was_approved_it_runs_again_with_another_code,
        then_it_asks_once_more_and_gives_up,
        a_denied_second_approval_leaves_the_exit_code_of_the_command,
        a_program_is_told_one_exit_code,
        what_must_not_run_twice_does_not,
    ]
}
