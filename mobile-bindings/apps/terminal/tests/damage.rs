//! What was damaged or lost on the disk is said, by every command, and never backed up in silence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::{fs, os::unix::fs::PermissionsExt as _};

use common::{Phone, copy_of_the_program, ordinary, run};

const BACKUP: &str = "a long passphrase";
const SEEDS: &str = "warning: the list of seeds was damaged or missing, and all that was in it is lost: bring the seeds back with `countersign-phone import countersign.toml`";
const PAIRINGS: &str = "warning: the list of pairings was damaged or missing, and all that was in it is lost: pair again";
const HOW_IT_ENDS: &str = "`countersign-phone backup FILE --anyway` ends this warning";
/// Where the engine remembers what was lost.
const REMEMBERED: &str = "state-lost";

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
        // Nothing was written, so nothing had to be remembered.
        assert!(!phone.file(REMEMBERED).exists());
    }
    damage(&phone, "state-seeds");
    damage(&phone, "state-pairings");
    let left = phone.run(&["backup", &path("left.age"), "--anyway", "--without-unlock-key"], &answers);
    assert!(left.err.contains("holds 0 seeds, 0 pairings but not the key"), "{}", left.err);
    let lacks = "NOT in it, as far as nobody has brought them back: the seeds and the pairings, whose lists were damaged";
    assert!(left.err.contains(lacks) && left.err.contains("no command warns of that loss any more"), "{}", left.err);
    left.ok();
    // What is left is what this phone is.
    let again = phone.run(&["backup", &path("again.age")], &answers);
    assert!(!again.err.contains("warning") && !again.err.contains("NOT"), "{}", again.err);
    again.ok();
    phone.run(&["import", "-"], &format!("{sealed}correct horse\n")).ok();
}

#[test]
fn a_loss_is_told_until_it_is_accepted() {
    let phone = Phone::set_up();
    let sealed = phone.enroll();
    let path = |name: &str| phone.home.path().join(name).to_str().unwrap().to_owned();
    let answers = format!("{BACKUP}\ncorrect horse\n");
    damage(&phone, "state-seeds");
    // The list is written anew, and is sound from then on: whether all of it is back only the person knows.
    phone.run(&["import", "-"], &format!("{sealed}correct horse\n")).ok();
    let seeds = phone.run(&["seeds"], "");
    assert!(seeds.err.contains(SEEDS) && seeds.err.contains(HOW_IT_ENDS) && seeds.out.contains("ACME:release"), "{}", seeds.err);
    let refused = phone.run(&["backup", &path("refused.age")], &answers);
    assert!(!refused.err.contains("passphrase"), "{}", refused.err);
    refused.fails("then, or to go on without it, back up what is there with --anyway");
    // One that was not written ends nothing.
    phone.run(&["backup", &path("short.age"), "--anyway"], "short\n").fails("at least 12 characters");
    assert!(phone.run(&["seeds"], "").err.contains(SEEDS));
    let written = phone.run(&["backup", &path("phone.age"), "--anyway"], &answers);
    assert!(written.err.contains("holds 1 seed"), "{}", written.err);
    written.ok();
    for command in [&["seeds"][..], &["backup", &path("again.age")]] {
        let ran = phone.run(command, &answers);
        assert!(!ran.err.contains("warning"), "{}", ran.err);
        ran.ok();
    }
}

#[test]
fn in_a_folder_that_can_only_be_read_a_loss_is_told_and_backed_up() {
    let phone = Phone::set_up();
    phone.enroll();
    let program = copy_of_the_program(&phone);
    let backup = phone.home.path().join("phone.age");
    damage(&phone, "state-seeds");
    let (mut seeds, mut again) = (ordinary(&phone, &program, &["seeds"]), ordinary(&phone, &program, &["seeds"]));
    let mut back_up = ordinary(&phone, &program, &["backup", backup.to_str().unwrap(), "--anyway"]);
    fs::set_permissions(phone.state(), fs::Permissions::from_mode(0o500)).unwrap();
    for command in [&mut seeds, &mut again] {
        let ran = run(command, "");
        assert_eq!(ran.err.matches(SEEDS).count(), 1, "{}", ran.err);
        ran.ok();
    }
    let written = run(&mut back_up, &format!("{BACKUP}\ncorrect horse\n"));
    let told = "warning: commands go on warning of that loss: ";
    assert!(written.err.contains("holds 0 seeds") && written.err.contains(told) && written.err.contains("chmod u+rwx"), "{}", written.err);
    written.ok();
    fs::set_permissions(phone.state(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(backup.exists() && !phone.file(REMEMBERED).exists());
    assert!(phone.run(&["seeds"], "").err.contains(SEEDS));
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
                assert_eq!(ran.err.matches(HOW_IT_ENDS).count(), 1, "{command:?}: {}", ran.err);
                assert!(!ran.out.contains("damaged"), "{}", ran.out);
                fs::write(phone.file(name), bytes).unwrap();
                // Remembered, also when the list is sound, once one was written anew.
                fs::write(phone.file(REMEMBERED), name.trim_start_matches("state-")).unwrap();
                let ran = phone.run(command, "");
                assert_eq!(ran.err.matches(says).count(), 1, "{command:?}: {}", ran.err);
                fs::remove_file(phone.file(REMEMBERED)).unwrap();
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

#[test]
fn every_command_says_that_the_key_that_opens_seeds_is_missing() {
    let phone = Phone::set_up();
    let missing = "warning: unlock.age, the key that opens the seeds, is missing from the state folder; bring it back from a backup: countersign-phone restore-key FILE\n";
    assert!(!phone.run(&["seeds"], "").err.contains("unlock.age"));
    fs::remove_file(phone.file("unlock.age")).unwrap();
    for command in [&["seeds"][..], &["pairings"], &["identity"], &["history"], &["run"], &["enroll"], &["pair", "hello"]] {
        let ran = phone.run(command, "");
        assert_eq!(ran.err.matches(missing).count(), 1, "{command:?}: {}", ran.err);
    }
}
