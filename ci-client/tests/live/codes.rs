//! Many codes of one approval: what runs inside `exec` and `serve`, and the holder that `approve` leaves.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::PathBuf,
};

#[cfg(target_os = "linux")]
use crate::common::codes::{catches_signals, children_of, kill, wait_until};
use crate::common::{
    Reply,
    codes::{Codes, files_with, is_code, is_dead, process_in, runtime},
};
use countersign_core::phone::HistoryOutcome;
use rustix::process::Signal;

fn a_command_takes_fresh_codes_and_not_more_than_were_approved() {
    let codes = Codes::new();
    // Two at the same moment, then one too many.
    let script = r#"echo "$COUNTERSIGN_CODE"
        "$PROGRAM" next npm --min-life 1s > one & "$PROGRAM" next npm --min-life 1s > two & wait
        cat one two; rm one two; "$PROGRAM" next npm; echo "exit $?""#;
    let end = codes.approved(codes.start(&["exec", "npm", "--key-file", "ci.key", "--codes", "3", "--", "sh", "-c", script]));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let lines: Vec<&str> = end.stdout.lines().collect();
    assert!(lines.len() == 4 && lines[..3].iter().all(|line| is_code(line)), "{lines:?}\n{}", end.stderr);
    assert!(lines[0] != lines[1] && lines[1] != lines[2] && lines[0] != lines[2], "{lines:?}");
    assert_eq!(lines[3], "exit 210");
    assert!(end.stderr.contains("countersign: all codes of this approval were handed out already\nhint: "), "{}", end.stderr);
    assert!(lines[..3].iter().all(|code| !end.stderr.contains(code)));
    assert_eq!(codes.left(), Vec::<PathBuf>::new());
    codes.world.phone.wait_for(HistoryOutcome::Used);
}

fn codes_that_a_failing_command_took_are_told_as_used() {
    let codes = Codes::new();
    let script = r#"env | grep -c ^COUNTERSIGN_KEY; taken=$("$PROGRAM" next npm --min-life 1s) && exit 9"#;
    let end = codes.approved(codes.start(&["exec", "npm", "--key-file", "ci.key", "--codes", "2", "--", "sh", "-c", script]));
    assert_eq!((end.code, end.stdout.as_str()), (Some(9), "0\n"), "{}", end.stderr);
    codes.world.phone.wait_for(HistoryOutcome::Used);
}

fn next_says_what_is_wrong() {
    let codes = Codes::new();
    let end = codes.run(&["next", "npm"]);
    assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{}", end.stderr);
    assert!(end.stderr.contains("COUNTERSIGN_SOCKET and COUNTERSIGN_TOKEN are not set"), "{}", end.stderr);
    let gone = [("COUNTERSIGN_SOCKET", "/nobody/is/here"), ("COUNTERSIGN_TOKEN", "x")];
    let end = codes.start_with(&["next", "npm"], &gone).end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(210), ""), "{}", end.stderr);
    let script = r#""$PROGRAM" next pypi; echo $?; COUNTERSIGN_TOKEN=x "$PROGRAM" next npm; echo $?; "$PROGRAM" next npm --min-life 30s; echo $?
        "$PROGRAM" next npm >/dev/null; echo $?"#;
    let end = codes.approved(codes.start(&["exec", "npm", "--key-file", "ci.key", "--codes", "2", "--", "sh", "-c", script]));
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), "207\n206\n210\n207\n"), "{}", end.stderr);
    assert!(end.stderr.contains("the codes there are of the seed \"npm\", not \"pypi\""), "{}", end.stderr);
    assert!(end.stderr.contains("no code of this seed lives that long"), "{}", end.stderr);
    assert!(end.stderr.contains("standard output is closed or /dev/null, where what this prints would be lost; nothing was done\nhint: "));
}

#[cfg(target_os = "linux")]
fn next_is_interrupted_while_it_waits_and_spends_nothing() {
    let codes = Codes::new();
    let (mut program, variables) = codes.exec_with_socket(2, r#""$PROGRAM" next npm --min-life 1s"#);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    // Both codes of two steps: the second one is waited for, and the one who waits is ended.
    let waiting = codes.start_with(&["next", "npm", "--min-life", "1s"], &variables);
    wait_until(|| catches_signals(waiting.child.id()), || "it never listens for signals".into());
    waiting.signal(Signal::TERM);
    let waited = waiting.end();
    program.type_line("");
    let end = program.end();
    let code = end.stdout.trim();
    // If the step began in just that moment the code was there already.
    match waited.code {
        Some(130) => assert!(is_code(code) && waited.stdout.is_empty() && end.code == Some(0), "{}", end.stderr),
        Some(0) => assert!(is_code(waited.stdout.trim()) && end.code == Some(210), "{}", end.stderr),
        _ => panic!("{}", waited.stderr),
    }
}

fn what_was_approved_is_used_later_without_asking() {
    let codes = Codes::new();
    let end = codes.approve(&["--codes", "1", "--for", "1m", "--reason", "release 1.2"]);
    assert!(end.stderr.contains("countersign: asking pixel for 2 codes (1 min), at most 1 used of npm"), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: reason: release 1.2 [2 codes (1 min), at most 1 used]"), "{}", end.stderr);
    // It tells nothing to the phone that it does not know.
    codes.world.phone.wait_for(HistoryOutcome::Approved);
    // Nobody else can reach it, and no code is in a file, its arguments or its environment.
    let [folder] = &codes.left()[..] else { panic!("{:?}", codes.left()) };
    for path in [&codes.folder(), folder] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
    for file in ["s", "address", "lock"] {
        assert_eq!(fs::metadata(folder.join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    let holder = process_in(&end.stderr);
    if cfg!(target_os = "linux") {
        let arguments = fs::read_to_string(format!("/proc/{}/cmdline", holder.as_raw_nonzero())).unwrap();
        assert!(arguments.ends_with("\0hold\0"), "{arguments:?}");
    }
    // No key is needed.
    let end = codes.run(&["code", "npm"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let code = end.stdout.trim();
    assert!(is_code(code) && end.stdout.lines().count() == 1, "{:?}", end.stdout);
    assert!(end.stderr.contains("countersign: using what was approved before: the holder of npm (process "), "{}", end.stderr);
    assert!(end.stderr.contains("has 1 code left for") && !end.stderr.contains("asking"), "{}", end.stderr);
    assert_eq!(files_with(codes.runtime.path(), code), Vec::<PathBuf>::new());
    assert_eq!(files_with(codes.world.folder.path(), code), Vec::<PathBuf>::new());
    // Its codes were all that it lived for.
    codes.wait_until_nothing_is_left();
    let end = codes.run(&["code", "npm", "--no-ask"]);
    assert_eq!((end.code, end.stdout.as_str()), (Some(210), ""), "{}", end.stderr);
    let end = codes.approved(codes.start(&["code", "npm", "--key-file", "ci.key"]));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

fn exec_uses_the_holder_and_lets_its_command_do_so() {
    let codes = Codes::new();
    codes.approve(&["--codes", "2", "--for", "2m"]);
    let script = r#"echo "$NPM_CONFIG_OTP"; "$PROGRAM" next npm --min-life 1s; "$PROGRAM" next npm; exit $?"#;
    let end = codes.run(&["exec", "npm", "--codes", "3", "--", "sh", "-c", script]);
    let lines: Vec<&str> = end.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0] != lines[1] && lines.iter().all(|line| is_code(line)), "{lines:?}\n{}", end.stderr);
    assert_eq!(end.code, Some(210), "{}", end.stderr);
    // Known from the start, and the same at its end whether the holder is ending or has ended.
    let warning =
        "countersign: warning: 3 codes are wanted and the holder has 2 left: whoever asks for one more gets none (exit code 210)\nhint: ";
    assert!(end.stderr.contains(warning), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: no code is left: the process that had them ended"), "{}", end.stderr);
    codes.wait_until_nothing_is_left();
}

/// A seed whose service takes a code twice: what a script takes one by one is a new code all the same.
fn next_repeats_no_code_where_a_step_may_serve_twice() {
    let codes = Codes::new();
    codes.set_target("gem");
    let script = r#"echo "$COUNTERSIGN_CODE"; "$PROGRAM" next npm --min-life 1s; exit 9"#;
    let end = codes.approved(codes.start(&["exec", "npm", "--key-file", "ci.key", "--codes", "2", "--", "sh", "-c", script]));
    let lines: Vec<&str> = end.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0] != lines[1] && lines.iter().all(|line| is_code(line)), "{lines:?}\n{}", end.stderr);
    assert_eq!(end.code, Some(9), "{}", end.stderr);
    codes.world.phone.wait_for(HistoryOutcome::Used);
    // Of a holder, one after the other may have the same; who asks for two gets two.
    codes.approve(&["--codes", "2"]);
    let end = codes.run(&["code", "npm", "--codes", "2", "--json"]);
    let lines: Vec<&str> = end.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0] != lines[1], "{lines:?}\n{}", end.stderr);
    let used = "{\"event\":\"used\",\"seed\":\"npm\",\"command\":null,\"exit\":null}";
    assert_eq!(end.stderr.lines().filter(|line| *line == used).count(), 2, "{}", end.stderr);
    // The wait for the second is an event as well.
    assert!(end.stderr.contains("{\"event\":\"step\",\"seed\":\"npm\",\"left_s\":"), "{}", end.stderr);
}

fn fresh_asks_although_there_is_a_holder() {
    let codes = Codes::new();
    codes.approve(&["--codes", "1", "--for", "1m"]);
    let mut program = codes.start(&["exec", "npm", "--key-file", "ci.key", "--fresh", "--", "sh", "-c", "exit 3"]);
    codes.world.phone.reply(Reply::Approve(program.number()));
    // The steps before are those of the holder, which has its codes still.
    let why = program.line("countersign: the code is of a later step of time: waiting ");
    assert!(why.ends_with("All steps before it belong to an earlier approval, used or not, and no step is issued twice"), "{why}");
    let end = codes.run(&["close", "npm"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: the holder of npm has ended"), "{}", end.stderr);
    assert_eq!(codes.left(), Vec::<PathBuf>::new());
    let end = codes.run(&["close", "npm"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: there is no holder of npm"), "{}", end.stderr);
    let end = program.end();
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    assert!(end.stderr.contains("\ncountersign: waiting for the code's step of time, "), "{}", end.stderr);
}

#[cfg(target_os = "linux")]
fn a_holder_keeps_no_file_of_its_starter_open() {
    let codes = Codes::new();
    let path = codes.world.folder.path().join("foreign");
    let foreign = fs::File::create(&path).unwrap();
    rustix::io::fcntl_setfd(&foreign, rustix::io::FdFlags::empty()).unwrap();
    let holder = process_in(&codes.approve(&[]).stderr);
    let open = |process: &str| {
        let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        files.flatten().filter_map(|file| fs::read_link(file.path()).ok()).collect::<Vec<_>>()
    };
    assert!(open("self").contains(&path), "what is to be closed must be open");
    let kept = open(&holder.as_raw_nonzero().to_string());
    assert!(!kept.is_empty() && !kept.contains(&path), "{kept:?}");
}

#[cfg(target_os = "linux")]
fn a_holder_that_was_stopped_holds_up_nobody() {
    let codes = Codes::new();
    let holder = process_in(&codes.approve(&["--codes", "2"]).stderr);
    rustix::process::kill_process(holder, Signal::STOP).unwrap();
    let end = codes.run(&["code", "npm", "--no-ask"]);
    assert_eq!((end.code, end.stdout.as_str()), (Some(210), ""), "{}", end.stderr);
    assert!(end.stderr.contains("the holder of npm does not answer"), "{}", end.stderr);
    // A signal ends who waits for its end.
    let waiting = codes.start(&["approve", "npm", "--key-file", "ci.key", "--replace"]);
    wait_until(|| catches_signals(waiting.child.id()), || "it never listens for signals".into());
    waiting.signal(Signal::TERM);
    assert_eq!(waiting.end().code, Some(130));
    let end = codes.run(&["close", "npm"]);
    assert_eq!(end.code, Some(211), "{}", end.stderr);
    assert!(end.stderr.contains("the holder of npm does not end\nhint: kill its process"), "{}", end.stderr);
    kill(holder);
    assert_eq!(codes.run(&["close", "npm"]).code, Some(0));
}

#[cfg(target_os = "linux")]
fn approve_ends_at_a_signal_while_its_holder_does_not_take_the_codes() {
    let codes = Codes::new();
    let mut program = codes.start(&["approve", "npm", "--key-file", "ci.key"]);
    let number = program.number();
    let [holder] = children_of(program.child.id())[..] else { panic!("{:?}", children_of(program.child.id())) };
    rustix::process::kill_process(holder, Signal::STOP).unwrap();
    codes.world.phone.reply(Reply::Approve(number));
    program.line("countersign: approved on");
    program.signal(Signal::TERM);
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(130), ""), "{}", end.stderr);
    wait_until(|| is_dead(holder), || "the holder lives".into());
    codes.world.phone.wait_for(HistoryOutcome::NotUsed);
}

fn one_holder_for_a_seed() {
    let codes = Codes::new();
    let first = process_in(&codes.approve(&["--codes", "2"]).stderr);
    let end = codes.run(&["approve", "npm", "--key-file", "ci.key", "--codes", "2"]);
    assert_eq!((end.code, end.stdout.as_str()), (Some(211), ""), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: there is a holder for npm already; nobody was asked\nhint: "), "{}", end.stderr);
    assert!(!is_dead(first));
    let second = process_in(&codes.approve(&["--codes", "2", "--replace"]).stderr);
    assert!(is_dead(first) && !is_dead(second));
    assert_eq!(codes.left().len(), 1);
    rustix::process::kill_process(second, Signal::TERM).unwrap();
    codes.wait_until_nothing_is_left();
    // One that still waits for its approval is in the way too.
    let mut waiting = codes.start(&["approve", "npm", "--key-file", "ci.key"]);
    waiting.number();
    for arguments in
        [&["approve", "npm", "--key-file", "ci.key"][..], &["approve", "npm", "--key-file", "ci.key", "--replace"], &["close", "npm"]]
    {
        let end = codes.run(arguments);
        assert_eq!((end.code, end.stdout.as_str()), (Some(211), ""), "{}", end.stderr);
    }
    waiting.signal(Signal::TERM);
    assert_eq!(waiting.end().code, Some(130));
    codes.wait_until_nothing_is_left();
}

fn a_denied_approve_leaves_no_holder() {
    let codes = Codes::new();
    let mut program = codes.start(&["approve", "npm", "--key-file", "ci.key"]);
    program.number();
    codes.world.phone.reply(Reply::Deny("no"));
    assert_eq!(program.end().code, Some(200));
    codes.wait_until_nothing_is_left();
}

fn folders_that_do_not_do_are_told_before_anybody_is_asked() {
    let codes = Codes::new();
    let deep = codes.runtime.path().join("x".repeat(90));
    fs::DirBuilder::new().mode(0o700).create(&deep).unwrap();
    let (open, file) = (runtime(), runtime());
    fs::create_dir(open.path().join("countersign")).unwrap();
    fs::set_permissions(open.path().join("countersign"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(file.path().join("countersign"), "").unwrap();
    for (runtime, words) in [
        (deep.as_path(), "countersign: the path of the private socket is too long ("),
        (open.path(), "is not a folder of this user alone: others could take codes there"),
        (file.path(), "is not a folder of this user alone: others could take codes there"),
    ] {
        let environment = [("XDG_RUNTIME_DIR", runtime.to_str().unwrap())];
        for arguments in
            [&["exec", "npm", "--key-file", "ci.key", "--codes", "2", "--", "true"][..], &["approve", "npm", "--key-file", "ci.key"]]
        {
            let end = codes.start_with(arguments, &environment).end();
            assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{}", end.stderr);
            assert!(end.stderr.contains(words) && end.stderr.contains("hint: ") && !end.stderr.contains("asking"), "{}", end.stderr);
        }
        // Who needs no socket is not held up.
        let end = codes.approved(codes.start_with(&["exec", "npm", "--key-file", "ci.key", "--", "true"], &environment));
        assert_eq!(end.code, Some(0), "{}", end.stderr);
    }
}

/// Sends a GET and gives status and body.
fn get(url: &str) -> (String, String) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
}

fn a_url_gives_codes() {
    let codes = Codes::new();
    let mut program = codes.start(&["serve", "npm", "--key-file", "ci.key", "--codes", "1", "--for", "1m", "--min-life", "1s"]);
    codes.world.phone.reply(Reply::Approve(program.number()));
    let mut url = String::new();
    BufReader::new(program.child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let url = url.trim();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(get(&url[..url.len() - 1]), ("404".into(), String::new()));
    let (status, body) = get(url);
    assert!(status == "200" && is_code(body.strip_suffix('\n').unwrap()), "{status} {body:?}");
    for _ in 0..3 {
        assert_eq!(get(url), ("410".into(), String::new()));
    }
    program.signal(Signal::TERM);
    program.says("countersign: a GET got no code (410): all codes of this approval were handed out already");
    // A line for the first, and one for all others.
    assert_eq!(program.line("countersign: "), "2 more GETs got no code (410)");
    program.says("countersign: 1 of 1 codes were handed out");
    assert_eq!(program.child.wait().unwrap().code(), Some(130));
    codes.world.phone.wait_for(HistoryOutcome::Used);
}

fn a_program_is_told_how_the_command_of_serve_ended() {
    let codes = Codes::new();
    let mut program = codes.start(&["--json", "serve", "npm", "--key-file", "ci.key", "--", "sh", "-c", "exit 7"]);
    let number = program.line("{\"event\":\"number\",\"phone\":\"pixel\",\"number\":\"");
    codes.world.phone.reply(Reply::Approve(number[..6].to_owned()));
    program.line("{\"event\":\"running\",\"seed\":\"npm\",\"command\":\"sh\"}");
    program.line("{\"event\":\"used\",\"seed\":\"npm\",\"command\":\"sh\",\"exit\":7}");
    assert_eq!(program.end().code, Some(7));
}

fn a_life_that_no_step_has_is_told_as_soon_as_it_is_known() {
    let codes = Codes::new();
    let end = codes.approved(codes.start(&["serve", "npm", "--key-file", "ci.key", "--min-life", "15s", "--", "true"]));
    assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{}", end.stderr);
    let words = "countersign: no code of npm lives as long as --min-life says\nhint: give --min-life 14s or less; no code was handed out";
    assert!(end.stderr.ends_with(words), "{}", end.stderr);
    codes.world.phone.wait_for(HistoryOutcome::NotUsed);
}

fn serve_runs_a_command_and_passes_its_exit_code_on() {
    let codes = Codes::new();
    let script = r#"test -z "${COUNTERSIGN_CODE+x}" && echo "$COUNTERSIGN_URL"; exit 7"#;
    let end = codes.approved(codes.start(&["serve", "npm", "--key-file", "ci.key", "--", "sh", "-c", script]));
    assert_eq!(end.code, Some(7), "{}", end.stderr);
    assert!(end.stdout.starts_with("http://127.0.0.1:"), "{}", end.stdout);
    assert!(TcpStream::connect(end.stdout.strip_prefix("http://").unwrap().split('/').next().unwrap()).is_err());
    codes.world.phone.wait_for(HistoryOutcome::NotUsed);
}

fn a_port_that_is_taken_is_told_before_anybody_is_asked() {
    let codes = Codes::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let end = codes.run(&["serve", "npm", "--key-file", "ci.key", "--port", &port]);
    assert_eq!((end.code, end.stdout.as_str()), (Some(211), ""), "{}", end.stderr);
    assert!(end.stderr.contains("is taken by another process; nobody was asked"), "{}", end.stderr);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        a_command_takes_fresh_codes_and_not_more_than_were_approved,
        codes_that_a_failing_command_took_are_told_as_used,
        next_says_what_is_wrong,
        #[cfg(target_os = "linux")]
        next_is_interrupted_while_it_waits_and_spends_nothing,
        what_was_approved_is_used_later_without_asking,
        exec_uses_the_holder_and_lets_its_command_do_so,
        next_repeats_no_code_where_a_step_may_serve_twice,
        fresh_asks_although_there_is_a_holder,
        #[cfg(target_os = "linux")]
        a_holder_keeps_no_file_of_its_starter_open,
        #[cfg(target_os = "linux")]
        a_holder_that_was_stopped_holds_up_nobody,
        #[cfg(target_os = "linux")]
        approve_ends_at_a_signal_while_its_holder_does_not_take_the_codes,
        one_holder_for_a_seed,
        a_denied_approve_leaves_no_holder,
        folders_that_do_not_do_are_told_before_anybody_is_asked,
        a_url_gives_codes,
        a_program_is_told_how_the_command_of_serve_ended,
        a_life_that_no_step_has_is_told_as_soon_as_it_is_known,
        serve_runs_a_command_and_passes_its_exit_code_on,
        a_port_that_is_taken_is_told_before_anybody_is_asked,
    ]
}
