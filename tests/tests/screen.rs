//! `countersign-phone run` in a real terminal (tmux): what the person sees, and what keys do, with the real relay and the real client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![cfg(unix)]

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use countersign_tests::process::{Setting, program};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with the phone in it; a tmux server of its own.
struct Terminal {
    socket: tempfile::TempDir,
}

impl Terminal {
    fn start(setting: &Setting, columns: u16, rows: u16) -> Self {
        let terminal = Self { socket: tempfile::tempdir().unwrap() };
        let state = setting.phone.path().join("state");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let phone = format!("{} --state {} run; echo ended with $?; cat", program("countersign-phone").display(), state.display());
        terminal.tmux(&["new-session", "-d", "-x", &columns, "-y", &rows, "env", "NO_COLOR=1", "sh", "-c", &phone]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.socket.path().join("s")).arg("-f").arg("/dev/null").args(arguments);
        let output = command.output().expect("this test needs tmux: install it with apt-get");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    fn page(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// Waits until this is on the page, and gives the page.
    #[track_caller]
    fn wait_for(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let page = self.page();
            if page.contains(text) {
                return page;
            }
            assert!(Instant::now() < until, "{text:?} is not on the page:\n{page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Types keys, by tmux's names.
    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a line.
    fn type_line(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press(&["Enter"]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended with its last session.
        let _ = Command::new("tmux").arg("-S").arg(self.socket.path().join("s")).arg("kill-server").output();
    }
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
    terminal.type_line("not the passphrase");
    terminal.wait_for("the passphrase is wrong");
    // The request still waits. In a smaller window, too.
    terminal.tmux(&["resize-window", "-x", "60", "-y", "14"]);
    terminal.press(&["a"]);
    terminal.wait_for("number in the job's log:");
    terminal.type_line(&number);
    terminal.wait_for("passphrase:");
    terminal.tmux(&["send-keys", "-l", setting.phone.passphrase()]);
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
    terminal.wait_for("Known to this phone");
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
