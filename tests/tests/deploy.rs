//! What an operator installs, seen by the tools of the system it is for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, process::Command};

use countersign_tests::process::program;

const INSTALLED: &str = "/usr/local/bin/countersign-relay";
/// Exposure as systemd counts it, times ten: 0 is none, 100 all. A service without any hardening has 96.
const THRESHOLD: &str = "20";

/// Runs systemd-analyze; standard output and error.
fn analyze(args: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(args).output();
    let output = output.unwrap_or_else(|error| panic!("systemd-analyze: {error}: install systemd (tests/run does)"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "systemd-analyze {args:?}:\n{text}");
    text
}

#[test]
fn the_systemd_unit_is_sound_and_hardened() {
    let unit = include_str!("../../relay/deploy/countersign-relay.service");
    assert!(unit.contains(INSTALLED));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign-relay.service");
    fs::write(&file, unit.replace(INSTALLED, program("countersign-relay").to_str().unwrap())).unwrap();
    let file = file.to_str().unwrap();
    let said = analyze(&["verify", file]);
    assert!(!said.contains("countersign-relay"), "{said}");
    let said = analyze(&["security", "--no-pager", "--offline=true", &format!("--threshold={THRESHOLD}"), file]);
    assert!(said.contains("Overall exposure level"), "{said}");
}
