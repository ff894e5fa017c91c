//! kill -9 at each point: nothing is left that another user could use, and the next one cleans up.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

#[cfg(target_os = "linux")]
use crate::common::codes::{catches_signals, children_of, wait_until};
use crate::common::{
    Program, Reply,
    codes::{Codes, files_with, is_code, kill, process_in},
};
use countersign_core::phone::HistoryOutcome;
use rustix::process::Signal;

fn kill_9(mut program: Program) {
    program.signal(Signal::KILL);
    program.child.wait().unwrap();
}

/// Whatever is below the folder for sockets belongs to this user alone.
fn closed_to_others(codes: &Codes) {
    for path in codes.left() {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700, "{}", path.display());
    }
}

fn a_killed_approve_leaves_no_holder() {
    let codes = Codes::new();
    let mut program = codes.start(&["approve", "npm", "--key-file", "ci.key", "--codes", "2"]);
    program.number();
    assert_eq!(codes.left().len(), 1);
    program.signal(Signal::KILL);
    assert_eq!(program.end().code, None);
    codes.wait_until_nothing_is_left();
}

#[cfg(target_os = "linux")]
fn a_holder_that_is_killed_before_the_approval_is_told() {
    let codes = Codes::new();
    let mut program = codes.start(&["approve", "npm", "--key-file", "ci.key", "--codes", "2"]);
    let number = program.number();
    let [holder] = children_of(program.child.id())[..] else { panic!("{:?}", children_of(program.child.id())) };
    kill(holder);
    codes.world.phone.reply(Reply::Approve(number));
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: the holder for npm ended, or does not answer\nhint: "), "{}", end.stderr);
    codes.world.phone.wait_for(HistoryOutcome::NotUsed);
    // The next one cleans up.
    codes.approve(&["--codes", "1"]);
    assert_eq!(codes.left().len(), 1);
    let end = codes.run(&["close", "npm"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

fn a_killed_holder_takes_its_codes_with_it() {
    let codes = Codes::new();
    let end = codes.approve(&["--codes", "1"]);
    let before = codes.left();
    kill(process_in(&end.stderr));
    // What it left is in a folder that nobody else can enter, and there is no code in it.
    assert_eq!(codes.left(), before);
    let mut names: Vec<_> = fs::read_dir(&before[0]).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["address", "lock", "s"]);
    let address = fs::read_to_string(before[0].join("address")).unwrap();
    assert!(address.len() < 250 && !address.contains("code"), "{address}");
    let end = codes.run(&["code", "npm", "--no-ask"]);
    assert_eq!((end.code, end.stdout.as_str()), (Some(210), ""), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: the holder of npm is gone: it was killed, and its codes with it"), "{}", end.stderr);
    // Others ask, and the next holder cleans up.
    let end = codes.approved(codes.start(&["code", "npm", "--key-file", "ci.key"]));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    codes.approve(&["--codes", "1"]);
    assert_eq!(codes.left(), before);
    assert_eq!(codes.run(&["code", "npm"]).code, Some(0));
    codes.wait_until_nothing_is_left();
}

fn a_killed_exec_leaves_a_socket_that_nobody_can_use_and_the_next_one_removes() {
    let codes = Codes::new();
    let script = r#"echo "$COUNTERSIGN_CODE $COUNTERSIGN_SOCKET $COUNTERSIGN_TOKEN"; read end"#;
    let mut program = codes.start(&["exec", "npm", "--key-file", "ci.key", "--codes", "2", "--", "sh", "-c", script]);
    codes.world.phone.reply(Reply::Approve(program.number()));
    let mut line = String::new();
    BufReader::new(program.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let [code, socket, token] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    program.signal(Signal::KILL);
    program.child.wait().unwrap();
    assert_eq!(fs::metadata(Path::new(socket).parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(files_with(codes.runtime.path(), code), Vec::<PathBuf>::new());
    let end = codes.start_with(&["next", "npm"], &[("COUNTERSIGN_SOCKET", socket), ("COUNTERSIGN_TOKEN", token)]).end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(210), ""), "{}", end.stderr);
    let mut program = codes.start(&["exec", "npm", "--key-file", "ci.key", "--codes", "2", "--", "true"]);
    program.number();
    assert!(!Path::new(socket).exists() && codes.left().len() == 1);
    program.signal(Signal::INT);
    assert_eq!(program.end().code, Some(130));
    assert_eq!(codes.left(), Vec::<PathBuf>::new());
}

fn a_killed_exec_that_waits_for_its_approval_leaves_a_folder_that_the_next_one_removes() {
    let codes = Codes::new();
    let mut program = codes.start(&["exec", "npm", "--key-file", "ci.key", "--codes", "2", "--", "true"]);
    program.number();
    let before = codes.left();
    assert_eq!(before.len(), 1);
    kill_9(program);
    closed_to_others(&codes);
    let mut program = codes.start(&["exec", "npm", "--key-file", "ci.key", "--codes", "2", "--", "true"]);
    program.number();
    assert!(codes.left().len() == 1 && codes.left() != before, "{:?}", codes.left());
    program.signal(Signal::TERM);
    assert_eq!(program.end().code, Some(130));
    assert_eq!(codes.left(), Vec::<PathBuf>::new());
}

fn a_killed_serve_listens_no_more() {
    let codes = Codes::new();
    let mut program = codes.start(&["serve", "npm", "--key-file", "ci.key"]);
    codes.world.phone.reply(Reply::Approve(program.number()));
    let url = program.first_line();
    let host = url.trim().strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    assert!(TcpStream::connect(&host).is_ok());
    kill_9(program);
    assert!(TcpStream::connect(&host).is_err());
    assert_eq!(codes.left(), Vec::<PathBuf>::new());
}

#[cfg(target_os = "linux")]
fn a_killed_next_spends_no_code() {
    let codes = Codes::new();
    let (mut program, variables) = codes.exec_with_socket(3, r#""$PROGRAM" next npm --min-life 1s"#);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let waiting = codes.start_with(&["next", "npm", "--min-life", "1s"], &variables);
    wait_until(|| catches_signals(waiting.child.id()), || "it never listens for signals".into());
    kill_9(waiting);
    closed_to_others(&codes);
    program.type_line("");
    let end = program.end();
    assert!(end.code == Some(0) && is_code(end.stdout.trim()), "{}", end.stderr);
    assert_eq!(codes.left(), Vec::<PathBuf>::new());
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        a_killed_approve_leaves_no_holder,
        #[cfg(target_os = "linux")]
        a_holder_that_is_killed_before_the_approval_is_told,
        a_killed_holder_takes_its_codes_with_it,
        a_killed_exec_leaves_a_socket_that_nobody_can_use_and_the_next_one_removes,
        a_killed_exec_that_waits_for_its_approval_leaves_a_folder_that_the_next_one_removes,
        a_killed_serve_listens_no_more,
        #[cfg(target_os = "linux")]
        a_killed_next_spends_no_code,
    ]
}
