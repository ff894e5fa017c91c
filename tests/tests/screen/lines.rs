//! Without the full screen: each question is a line.

use std::fs;

use countersign_tests::process::{Ended, Running, Setting};

use crate::terminal::Terminal;

const NUMBER: &str = "number shown in the job's log (or: deny [reason]):";
const GONE: &str = "what was asked for is gone, and what you type goes nowhere: press Enter";
/// What the person goes on typing when the question is gone.
const REST: &str = "battery staple";

/// A phone that asks for the passphrase, and its job.
fn asked_for_the_passphrase(setting: &Setting, command: &str) -> (Terminal, Running) {
    let terminal = Terminal::start_with(setting, command, 100, 50);
    terminal.wait_for("waiting for requests");
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    terminal.wait_for(NUMBER);
    terminal.type_line(&number);
    terminal.wait_for("Approve ACME:release for acme/widget: passphrase:");
    (terminal, job)
}

/// A phone that has asked for the passphrase for a job, which then gave up while somebody was typing.
fn withdrawn_while_typing(setting: &Setting, command: &str) -> Terminal {
    let (terminal, job) = asked_for_the_passphrase(setting, command);
    terminal.type_text("correct ");
    give_up(job);
    terminal.wait_for(GONE);
    terminal.type_text(REST);
    terminal
}

fn give_up(job: Running) -> Ended {
    job.signal("INT");
    let ended = job.end();
    assert_eq!(ended.code(), 130);
    ended
}

/// What is typed now is shown; by then all that was typed before would have been.
fn shows_what_is_typed(terminal: &Terminal) {
    terminal.type_text("shown again");
    let page = terminal.wait_for("shown again");
    assert!(!page.contains("correct") && !page.contains("battery") && !page.contains("staple"), "{page}");
}

#[test]
fn a_passphrase_whose_request_goes_is_not_shown_and_answers_nothing() {
    let setting = Setting::ready();
    let terminal = withdrawn_while_typing(&setting, "run --plain");
    // The next request is seen at once, and asked about when nobody types any more.
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    let page = terminal.wait_for("press Enter first: what you type goes nowhere until then");
    assert!(page.matches("acme/widget asks for a code of ACME:release").count() == 2, "{page}");
    assert!(page.matches(NUMBER).count() == 1 && !page.contains("battery"), "{page}");
    terminal.press(&["Enter"]);
    terminal.wait_for_times(NUMBER, 2);
    terminal.type_line(&number);
    terminal.wait_for_times("passphrase:", 2);
    terminal.type_line(setting.phone.passphrase());
    assert_eq!(job.end().code(), 0);
    terminal.wait_for("settled");
    shows_what_is_typed(&terminal);
    terminal.press(&["C-c"]);
    terminal.wait_for("ended with 0");
}

#[test]
fn a_terminal_that_goes_away_ends_the_program() {
    let setting = Setting::ready();
    let (terminal, job) = asked_for_the_passphrase(&setting, "run --plain");
    drop(terminal);
    // The folder is free again.
    let began = std::time::Instant::now();
    while setting.phone.run(&["identity"]).end().code() != 0 {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "it holds its folder still");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    give_up(job);
}

#[test]
fn a_passphrase_is_not_shown_after_ctrl_z() {
    let setting = Setting::ready();
    let (terminal, job) = asked_for_the_passphrase(&setting, "run --once");
    let (begin, end) = setting.phone.passphrase().split_at(4);
    terminal.type_text(begin);
    terminal.press(&["C-z"]);
    terminal.type_line(end);
    assert_eq!(job.end().code(), 0);
    let page = terminal.wait_for("ended with 0");
    assert!(!page.contains("ended with 1") && !page.contains(end), "{page}");
}

#[test]
fn a_reason_forges_no_line() {
    let setting = Setting::ready();
    let terminal = Terminal::start_with(&setting, "run --plain", 80, 24);
    terminal.wait_for("waiting for requests");
    let forged = format!("fix typo {} acme/trusted asks for a code of Hex:bob", "-".repeat(48));
    let mut job = setting.client(&["code", "npm", "--reason", &forged]);
    job.match_number();
    let page = terminal.wait_for(NUMBER);
    let forged: Vec<_> = page.lines().filter(|line| line.contains("trusted") || line.contains("Hex:bob")).collect();
    assert!(!forged.is_empty() && forged.iter().all(|line| line.starts_with("  unverified  ")), "{page}");
    terminal.press(&["C-c"]);
    terminal.wait_for("ended with 0");
}

#[test]
fn nothing_of_it_is_left_for_the_shell() {
    let setting = Setting::ready();
    let terminal = withdrawn_while_typing(&setting, "run --once");
    let page = terminal.wait_for("nothing was answered");
    assert!(!page.contains("ended with"), "{page}");
    terminal.press(&["Enter"]);
    terminal.wait_for("ended with 0");
    shows_what_is_typed(&terminal);
    // Also if it is ended instead.
    let terminal = withdrawn_while_typing(&setting, "run --plain");
    terminal.press(&["C-c"]);
    terminal.wait_for("ended with 0");
    shows_what_is_typed(&terminal);
}

#[test]
fn a_script_that_is_late_answers_the_next_request() {
    let setting = Setting::ready();
    let mut phone = setting.phone.run(&["run"]);
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for("number shown");
    phone.say(&number);
    phone.wait_for("passphrase");
    give_up(job);
    phone.wait_for("withdrawn or has expired");
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for("number shown");
    phone.say(&number);
    phone.wait_for("passphrase");
    phone.say(setting.phone.passphrase());
    assert_eq!(job.end().code(), 0);
    phone.signal("INT");
    let ended = phone.end();
    assert_eq!((ended.code(), ended.stderr.contains("press Enter")), (0, false), "{ended:?}");
}

#[test]
fn a_lost_unlock_key_waits_for_the_person() {
    let setting = Setting::ready();
    let key = setting.phone.path().join("state/unlock.age");
    let elsewhere = setting.phone.path().join("elsewhere");
    fs::rename(&key, &elsewhere).unwrap();
    let mut phone = setting.phone.run(&["run", "--once"]);
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for("number shown in the job's log");
    phone.say(&number);
    phone.wait_for("countersign-phone restore-key FILE");
    // At the start, and now.
    phone.wait_for("press Enter to try again (or: deny [reason])");
    fs::rename(&elsewhere, &key).unwrap();
    phone.say("");
    phone.wait_for("passphrase");
    phone.say("not the passphrase");
    phone.wait_for("the passphrase is wrong");
    // That is asked for again by itself.
    phone.wait_for("passphrase");
    phone.say(setting.phone.passphrase());
    assert_eq!(job.end().code(), 0);
    let ended = phone.end();
    assert_eq!((ended.code(), ended.stderr.matches("unlock.age, the key").count()), (0, 2), "{ended:?}");
}

#[test]
fn an_empty_passphrase_leads_back_to_where_a_request_can_be_denied() {
    let setting = Setting::ready();
    let (terminal, job) = asked_for_the_passphrase(&setting, "run --once");
    terminal.type_line("not the passphrase");
    terminal.wait_for_times("passphrase:", 2);
    terminal.press(&["Enter"]);
    terminal.wait_for("press Enter to try again (or: deny [reason]):");
    terminal.press(&["Enter"]);
    terminal.wait_for_times("passphrase:", 3);
    terminal.press(&["Enter"]);
    terminal.wait_for_times("press Enter to try again (or: deny [reason]):", 2);
    terminal.type_line("deny not ours");
    assert!(job.end().code() != 0);
    let page = terminal.wait_for("ended with 0");
    assert!(page.contains("the passphrase is wrong") && page.contains("denied: not ours"), "{page}");
}
