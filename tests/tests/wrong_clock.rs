//! A job on a machine whose clock is wrong, by `faketime`: it is told, and nobody is asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(unix)]

use std::process::Command;

use countersign_tests::process::{Running, Setting};

/// The library that `faketime` loads into a program.
fn library() -> String {
    let asked = Command::new("faketime").args(["-f", "+0s", "printenv", "LD_PRELOAD"]).output();
    let asked = asked.unwrap_or_else(|_| panic!("faketime is not installed. Get it with: apt-get install faketime"));
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_clock_that_is_wrong_is_told_and_nothing_is_run() {
    let setting = Setting::ready();
    for by in ["+10m", "-10m"] {
        let mut command = setting.command(&["exec", "npm", "--", "echo", "ran"]);
        command.env("LD_PRELOAD", library()).env("FAKETIME", by).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let phone = setting.phone.run(&["run"]);
        let ended = Running::start(command).end();
        drop(phone);
        assert_eq!((ended.code(), ended.stdout.as_str()), (208, ""), "{by}: {ended:?}");
        assert!(ended.stderr.contains("hint: set the clock that is wrong"), "{by}: {ended:?}");
    }
}
