//! The full screen: requests.

use std::fs;

use countersign_tests::process::{RelayProcess, Running, Setting, URI};

use crate::terminal::Terminal;

/// Approves a job's request, up to the passphrase.
fn answer_to_the_passphrase(terminal: &Terminal, job: &mut Running) {
    let number = job.match_number();
    terminal.wait_for("Known to this phone");
    terminal.press(&["a"]);
    terminal.type_line(&number);
    terminal.wait_for("passphrase:");
}

#[test]
fn a_request_is_seen_mistyped_and_approved() {
    let setting = Setting::ready();
    let terminal = Terminal::start(&setting, 100, 24);
    terminal.wait_for("waiting for requests");
    terminal.wait_for(" connected  clock ");
    let mut job = setting.client(&["code", "npm", "--reason", "release 1.2"]);
    let number = job.match_number();
    // What is known and what is only claimed stand apart, in this order.
    let page = terminal.wait_for("release 1.2");
    let (known, claimed) = page.split_once("CLAIMED by the job, checked by nobody").unwrap();
    assert!(known.contains("Known to this phone") && known.contains("wants a code of ACME:release"), "{page}");
    assert!(!known.contains("release 1.2") && claimed.contains("reason      release 1.2"), "{page}");
    terminal.press(&["a"]);
    terminal.wait_for("number in the job's log:");
    terminal.type_line("12 34");
    terminal.wait_for("type the 6 digits that the job's log shows");
    terminal.type_line(&number);
    terminal.wait_for("Approve ACME:release for acme/widget: passphrase:");
    terminal.type_line("dont quit");
    // Asked for again in place. In a smaller window, too.
    terminal.wait_for("that was wrong. Approve ACME:release for acme/widget: passphrase:");
    terminal.tmux(&["resize-window", "-x", "80", "-y", "14"]);
    terminal.type_text(setting.phone.passphrase());
    assert!(!terminal.wait_for("passphrase: ****").contains(setting.phone.passphrase()));
    terminal.press(&["Enter"]);
    terminal.wait_for("approved");
    let ended = job.end();
    assert!(ended.code() == 0 && ended.stdout.trim().len() == 6, "{ended:?}");
    terminal.wait_for("waiting for requests");
    terminal.press(&["h"]);
    assert!(terminal.wait_for("History, newest first").contains("acme/widget"));
    terminal.press(&["Escape"]);
    terminal.wait_for("waiting for requests");
    terminal.press(&["q"]);
    terminal.wait_for("ended with 0");
}

#[test]
fn a_request_is_denied_withdrawn_and_its_pairing_blocked() {
    let setting = Setting::ready();
    let terminal = Terminal::start(&setting, 100, 24);
    let ask = || setting.client(&["code", "npm"]);
    let mut job = ask();
    job.match_number();
    terminal.wait_for("Known to this phone");
    terminal.press(&["d"]);
    terminal.wait_for("deny; reason:");
    terminal.type_line("not today");
    let ended = job.end();
    assert!(ended.code() == 200 && ended.stderr.contains("not today"), "{ended:?}");
    terminal.wait_for("waiting for requests");
    // One that goes takes what was half typed with it.
    let mut job = ask();
    job.match_number();
    terminal.wait_for("Known to this phone");
    terminal.press(&["a", "1", "2", "3"]);
    terminal.wait_for("number in the job's log: 123");
    job.signal("INT");
    assert_eq!(job.end().code(), 130);
    let page = terminal.wait_for("the request was withdrawn or has expired");
    assert!(page.contains("waiting for requests") && !page.contains("123"), "{page}");
    let mut job = ask();
    job.match_number();
    // The rest of it is no command, also to the request that has come meanwhile.
    terminal.wait_for("Known to this phone");
    terminal.press(&["d", "q", "4"]);
    assert!(terminal.wait_for("what you type goes nowhere: press Enter").contains("Known to this phone"));
    terminal.press(&["Enter"]);
    terminal.wait_gone("press Enter");
    terminal.press(&["b"]);
    terminal.wait_for("take the pairing acme/widget back for good? [yes/no]");
    terminal.type_line("yes");
    assert_eq!(job.end().code(), 200);
    let page = terminal.wait_for("denied, and the pairing is taken back");
    assert!(page.contains("waiting for requests"), "{page}");
    // Ctrl-C ends it, and leaves the terminal as it was.
    terminal.press(&["C-c"]);
    terminal.wait_for("ended with 0");
}

#[test]
fn a_request_that_goes_takes_the_passphrase_question_with_it() {
    let setting = Setting::ready();
    let terminal = Terminal::start(&setting, 100, 24);
    terminal.wait_for("waiting for requests");
    let mut job = setting.client(&["code", "npm"]);
    answer_to_the_passphrase(&terminal, &mut job);
    terminal.type_text("half of it");
    terminal.wait_for("passphrase: *****");
    job.signal("INT");
    assert_eq!(job.end().code(), 130);
    terminal.wait_for("this request is no longer waiting");
    terminal.wait_gone("passphrase:");
    let page = terminal.wait_for("the request was withdrawn or has expired");
    assert!(page.contains("waiting for requests"), "{page}");
    // It does not hold up the next.
    let mut job = setting.client(&["code", "npm"]);
    job.match_number();
    terminal.wait_for("Known to this phone");
    terminal.press(&["Enter"]);
    terminal.wait_gone("press Enter");
    terminal.press(&["d"]);
    terminal.type_line("not today");
    assert_eq!(job.end().code(), 200);
}

#[test]
fn what_is_pasted_is_typed_and_nothing_else() {
    let setting = Setting::ready();
    let terminal = Terminal::start(&setting, 100, 24);
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    terminal.wait_for("Known to this phone");
    // As keys, these would deny it and quit.
    terminal.paste("d\nq\n");
    terminal.press(&["a"]);
    terminal.wait_for("number in the job's log:");
    terminal.paste(&format!("{number}\n{number}"));
    terminal.wait_for(&format!("number in the job's log: {number}{number}"));
    terminal.press(&["Enter"]);
    terminal.wait_for("type the 6 digits");
    terminal.paste(&format!("{number}\n"));
    terminal.wait_for(&format!("number in the job's log: {number}"));
    terminal.press(&["Enter"]);
    terminal.wait_for("passphrase:");
    terminal.paste(setting.phone.passphrase());
    terminal.press(&["Enter"]);
    terminal.wait_for("approved");
    assert_eq!(job.end().code(), 0);
    terminal.press(&["q"]);
    terminal.wait_for("ended with 0");
    // The terminal is as it was: it marks no pastes for the next program.
    terminal.paste("the next program");
    assert!(!terminal.wait_for("the next program").contains("200~"));
}

#[test]
fn the_first_use_is_granted_and_fewer_codes_are_given() {
    let setting = Setting::paired();
    let terminal = Terminal::start(&setting, 100, 24);
    let mut laptop = setting.client(&["enroll", "npm", "--uri-stdin"]);
    laptop.say(URI);
    laptop.hush();
    let number = laptop.match_number();
    let page = terminal.wait_for("wants to enroll a seed");
    assert!(page.contains("new seed    ACME:release"), "{page}");
    terminal.press(&["a"]);
    terminal.wait_for("allow acme/widget to use ACME:release from now on? [yes/no]");
    // It may be sealed without a right to it.
    terminal.type_line("no");
    terminal.wait_for("number in the job's log:");
    terminal.type_line(&number);
    terminal.wait_for("passphrase:");
    terminal.type_line(setting.phone.passphrase());
    assert_eq!(laptop.end().code(), 0);
    terminal.wait_for("waiting for requests");
    let mut job = setting.client(&["code", "npm", "--codes", "3"]);
    let number = job.match_number();
    let page = terminal.wait_for("FIRST USE of this seed by this pairing");
    assert!(page.contains("wants 3 codes of ACME:release"), "{page}");
    terminal.press(&["a"]);
    terminal.wait_for("allow acme/widget to use ACME:release from now on? [yes/no]");
    terminal.type_line("perhaps");
    terminal.wait_for("answer yes or no");
    terminal.type_line("yes");
    terminal.wait_for("number in the job's log:");
    terminal.type_line(&number);
    terminal.wait_for("how many codes? [3]");
    terminal.type_line("4");
    terminal.wait_for("a number from 1 to 3");
    terminal.type_line("1");
    terminal.wait_for("passphrase:");
    terminal.type_line(setting.phone.passphrase());
    let ended = job.end();
    assert_eq!((ended.code(), ended.stdout.lines().count()), (0, 1), "{ended:?}");
    // It was granted for good.
    let mut job = setting.client(&["code", "npm"]);
    job.match_number();
    assert!(!terminal.wait_for("wants a code of ACME:release").contains("FIRST USE"));
}

#[test]
fn a_lost_connection_is_seen_and_comes_back() {
    let mut setting = Setting::ready();
    let terminal = Terminal::start(&setting, 100, 24);
    terminal.wait_for(" connected  clock ");
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    terminal.wait_for("Known to this phone");
    let address = setting.relay.take().unwrap().kill();
    terminal.wait_for("NOT CONNECTED: ");
    terminal.wait_for("the connection to the job is lost for now");
    setting.relay = Some(RelayProcess::listen(&address));
    terminal.press(&["r"]);
    terminal.wait_for(" connected  clock ");
    terminal.wait_gone("the connection to the job is lost for now");
    terminal.press(&["a"]);
    terminal.wait_for("number in the job's log:");
    terminal.type_line(&number);
    terminal.wait_for("passphrase:");
    terminal.type_line(setting.phone.passphrase());
    assert_eq!(job.end().code(), 0);
}

#[test]
fn a_lost_unlock_key_leaves_the_request_and_says_how_it_comes_back() {
    const BACKUP: &str = "a long passphrase";
    let setting = Setting::ready();
    let backup = setting.phone.path().join("phone.age");
    let backup = backup.to_str().unwrap();
    assert_eq!(setting.phone.done(&["backup", backup], &[BACKUP, setting.phone.passphrase()]).code(), 0);
    fs::remove_file(setting.phone.path().join("state/unlock.age")).unwrap();
    let terminal = Terminal::start(&setting, 60, 24);
    // Before there is a request.
    terminal.wait_for("THE KEY THAT OPENS SEEDS IS MISSING: s says what to do");
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    terminal.wait_for("Known to this phone");
    terminal.press(&["a"]);
    terminal.wait_for("number in the job's log:");
    terminal.type_line(&number);
    let page = terminal.wait_for("unlock.age, the key that opens the seeds, is missing");
    assert!(page.contains("countersign-phone") && page.contains("restore-key FILE") && page.contains("Known to this phone"), "{page}");
    terminal.press(&["q"]);
    terminal.wait_for("leave although a request waits? [yes/no]");
    terminal.type_line("yes");
    terminal.wait_for("ended with 0");
    let restored = setting.phone.done(&["restore-key", backup], &[BACKUP, "another horse"]);
    assert_eq!(restored.code(), 0, "{restored:?}");
    // The job still waits; it has another number now.
    let terminal = Terminal::start(&setting, 100, 24);
    answer_to_the_passphrase(&terminal, &mut job);
    terminal.type_line("another horse");
    assert_eq!(job.end().code(), 0);
}

#[test]
fn a_window_that_shrinks_takes_no_passphrase() {
    let setting = Setting::ready();
    let terminal = Terminal::start(&setting, 80, 24);
    let mut job = setting.client(&["code", "npm"]);
    answer_to_the_passphrase(&terminal, &mut job);
    terminal.tmux(&["resize-window", "-x", "20", "-y", "4"]);
    terminal.wait_gone("wants a code");
    terminal.type_line(setting.phone.passphrase());
    terminal.wait_for("too small a window");
    terminal.tmux(&["resize-window", "-x", "40", "-y", "9"]);
    let page = terminal.wait_for("who     acme/widget");
    assert!(page.contains("what    wants a code of ACME:release") && page.contains("passphrase:"), "{page}");
    // What was typed counts here.
    terminal.press(&["Enter"]);
    assert_eq!(job.end().code(), 0);
}
