//! What was damaged or lost on the disk is said, by every command, and never backed up in silence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::fs;

use common::Phone;

const BACKUP: &str = "a long passphrase";
const SEEDS: &str =
    "the list of seeds was damaged or missing and is empty now: bring them back with `countersign-phone import countersign.toml`";
const PAIRINGS: &str = "the list of pairings was damaged or missing and is empty now: pair again";

/// One bit of it is another.
fn damage(phone: &Phone, name: &str) {
    let mut bytes = fs::read(phone.file(name)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(phone.file(name), bytes).unwrap();
}

#[test]
fn a_damaged_phone_is_not_backed_up_as_if_it_were_whole() {
    let phone = Phone::set_up();
    let sealed = phone.enroll();
    let path = |name: &str| phone.home.path().join(name).to_str().unwrap().to_owned();
    let answers = format!("{BACKUP}\ncorrect horse\n");
    let whole = phone.run(&["backup", &path("whole.age")], &answers);
    assert!(whole.err.contains("holds 1 seed, 0 pairings and the key that opens seeds\n"), "{}", whole.err);
    assert!(!whole.err.contains("NOT in it"), "{}", whole.err);
    for (name, lacks) in
        [("state-seeds", "lack the seeds, whose list was damaged"), ("state-pairings", "lack the pairings, whose list was damaged")]
    {
        let before = fs::read(phone.file(name)).unwrap();
        damage(&phone, name);
        phone.run(&["backup", &path("refused.age")], &answers).fails(lacks);
        phone.run(&["backup", &path("refused.age")], &answers).fails("--anyway");
        assert!(!phone.home.path().join("refused.age").exists());
        fs::write(phone.file(name), before).unwrap();
    }
    damage(&phone, "state-seeds");
    damage(&phone, "state-pairings");
    let left = phone.run(&["backup", &path("left.age"), "--anyway", "--without-unlock-key"], &answers);
    assert!(left.err.contains("holds 0 seeds, 0 pairings but not the key"), "{}", left.err);
    assert!(left.err.contains("NOT in it: the seeds and the pairings, whose lists were damaged"), "{}", left.err);
    left.ok();
    // Brought back, it is whole again.
    phone.run(&["import", "-"], &format!("{sealed}correct horse\n")).ok();
    let again = phone.run(&["backup", &path("again.age")], &answers);
    assert!(again.err.contains("holds 1 seed") && !again.err.contains("NOT"), "{}", again.err);
    again.ok();
}

#[test]
fn every_command_says_once_what_was_damaged() {
    let phone = Phone::set_up();
    phone.enroll();
    let whole = phone.blobs();
    let commands: [&[&str]; 12] = [
        &["seeds"],
        &["pairings"],
        &["identity"],
        &["history"],
        &["run"],
        &["allow", "acme", "npm"],
        &["revoke", "acme"],
        &["remove", "npm"],
        &["enroll"],
        &["import", "-"],
        &["pair", "hello"],
        &["wake-up", "-"],
    ];
    for (name, says) in [("state-seeds", SEEDS), ("state-pairings", PAIRINGS)] {
        let bytes = &whole[name];
        for damaged in [None, Some(&bytes[..bytes.len() - 1])] {
            for command in commands {
                match damaged {
                    Some(bytes) => fs::write(phone.file(name), bytes).unwrap(),
                    None => fs::remove_file(phone.file(name)).unwrap(),
                }
                let ran = phone.run(command, "");
                assert_eq!(ran.err.matches(says).count(), 1, "{command:?}: {}", ran.err);
                assert!(!ran.out.contains("damaged"), "{}", ran.out);
                fs::write(phone.file(name), bytes).unwrap();
            }
        }
    }
    // Nothing was, nothing is said.
    for command in commands {
        assert!(!phone.run(command, "").err.contains("damaged or missing"), "{command:?}");
    }
}

#[test]
fn a_list_that_was_lost_is_not_one_that_never_was() {
    let phone = Phone::set_up();
    phone.run(&["run"], "").fails("there is no pairing yet");
    damage(&phone, "state-pairings");
    damage(&phone, "state-seeds");
    for command in [&["run"][..], &["revoke", "acme"], &["allow", "acme", "npm"]] {
        let ran = phone.run(command, "");
        assert!(!ran.err.contains("yet"), "{}", ran.err);
        ran.fails("there is no pairing any more: the list of");
    }
    phone.run(&["remove", "npm"], "").fails("there is no seed any more: the list of them was damaged");
}
