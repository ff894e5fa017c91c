//! The program from the outside, without a network: every answer scripted, every failure with a message that says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use common::{PROGRAM, Phone, SECRET, URI, copy_of_the_program, mode, ordinary, run};
use countersign_core::pairing::AwaitP1;
use rand_core::OsRng;

#[test]
fn setting_up_once() {
    let phone = Phone::set_up();
    assert_eq!(mode(&phone.state()), 0o700);
    for name in ["state-phone", "state-seeds", "device.key", "unlock.age", "lock"] {
        assert_eq!(mode(&phone.file(name)), 0o600, "{name}");
    }
    let before = fs::read(phone.file("unlock.age")).unwrap();
    phone.run(&["init"], "correct horse\n").fails("is set up already");
    assert_eq!(fs::read(phone.file("unlock.age")).unwrap(), before);
    let identity = phone.run(&["identity"], "").ok();
    assert!(identity.starts_with("name = \"pixel\"\nrecipient = \"age1") && identity.contains("\nsigner = \""), "{identity}");
}

#[test]
fn setting_up_needs_a_passphrase_and_can_be_repeated() {
    let phone = Phone::new();
    phone.run(&["seeds"], "").fails("countersign-phone init");
    phone.run(&["init"], "\n").fails("the passphrase is too short: it protects every seed; choose one of at least 12 characters");
    phone.run(&["init"], "").fails("cancelled");
    phone.run(&["seeds"], "").fails("set one up first");
    phone.run(&["init"], "correct horse\n").ok();
}

#[test]
fn without_anybody_who_reads_it_a_failure_is_one() {
    let phone = Phone::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = phone.command(&["seeds"]).stdin(Stdio::null()).stderr(writer).status().unwrap();
    assert_eq!(ended.code(), Some(1));
}

#[test]
fn keys_without_their_state_are_not_replaced() {
    let phone = Phone::set_up();
    let unlock = fs::read(phone.file("unlock.age")).unwrap();
    for name in phone.blobs().into_keys() {
        fs::remove_file(phone.file(&name)).unwrap();
    }
    phone.run(&["init"], "correct horse\n").fails("keys are there, but nothing else: bring its files back");
    fs::remove_file(phone.file("device.key")).unwrap();
    phone.run(&["init"], "correct horse\n").fails("has a key that opens seeds already, unlock.age, and nothing else");
    assert_eq!(fs::read(phone.file("unlock.age")).unwrap(), unlock);
}

#[test]
fn a_set_up_that_was_cut_short_is_repeated() {
    let phone = Phone::set_up();
    fs::write(phone.file("state-complete"), [0]).unwrap();
    fs::remove_file(phone.file("device.key")).unwrap();
    phone.run(&["seeds"], "").fails("set one up first");
    phone.run(&["init"], "another horse\n").ok();
    phone.run(&["enroll"], &format!("{URI}\nanother horse\n")).ok();
    // Killed after the first file.
    for name in phone.blobs().into_keys().filter(|name| name != "state-complete") {
        fs::remove_file(phone.file(&name)).unwrap();
    }
    fs::write(phone.file("state-complete"), [0]).unwrap();
    fs::remove_file(phone.file("device.key")).unwrap();
    phone.run(&["init"], "correct horse\n").ok();
}

#[test]
fn what_a_set_up_that_was_cut_short_has_left_is_not_the_key_of_a_restored_phone() {
    let phone = Phone::set_up();
    let backup = phone.home.path().join("phone.age");
    let backup = backup.to_str().unwrap();
    phone.run(&["backup", backup, "--without-unlock-key"], "correct horse\n").ok();
    let other = Phone::set_up();
    fs::write(other.file("state-complete"), [0]).unwrap();
    fs::remove_file(other.file("device.key")).unwrap();
    let restored = other.run(&["restore", backup], "correct horse\n");
    assert!(restored.err.contains("countersign-phone restore-key"), "{}", restored.err);
    restored.ok();
    other.run(&["enroll"], &format!("{URI}\ncorrect horse\n")).fails("restore-key");
}

#[test]
fn a_seed_is_sealed_listed_and_imported() {
    let phone = Phone::set_up();
    let line = phone.enroll();
    let sealed = line.strip_prefix("sealed = \"").and_then(|it| it.strip_suffix("\"\n")).expect(&line);
    let seeds = phone.run(&["seeds"], "").ok();
    assert!(seeds.contains("\tACME:release\t") && seeds.ends_with("\tnever used\n"), "{seeds}");
    // The same phone may import its own: from a file, from a line of one, bare.
    let file = phone.home.path().join("countersign.toml");
    fs::write(&file, format!("[seeds.npm]\n{line}\n[seeds.gem]\n{line}")).unwrap();
    let imported = phone.run(&["import", file.to_str().unwrap()], "correct horse\n").ok();
    assert_eq!(imported.lines().count(), 2);
    assert!(imported.ends_with("\tACME:release\n"));
    phone.run(&["import", "-"], &format!("{sealed}\ncorrect horse\n")).ok();
    phone.run(&["import", "-"], &format!("{line}correct horse\n")).ok();
    assert_eq!(phone.run(&["seeds"], "").ok(), seeds);
    for (text, problem) in [("a = 1\n", "no key named `sealed`"), ("{{\n", "neither"), ("AAAA\n", "age")] {
        phone.run(&["import", "-"], text).fails(problem);
    }
    phone.run(&["import", "/nonexistent"], "").fails("cannot read /nonexistent");
}

#[test]
fn nothing_of_a_wrong_file_is_shown() {
    let phone = Phone::set_up();
    let file = phone.home.path().join("file");
    let path = file.to_str().unwrap();
    for command in ["enroll", "import", "pair", "restore"] {
        phone.run(&[command, URI], "").fails("a seed is no argument");
    }
    // `fails` looks for the secret.
    for (text, says) in [(format!("{URI}\n"), "line 1: "), (format!("# my seed\n{SECRET} {SECRET}\n"), "line 2: ")] {
        fs::write(&file, &text).unwrap();
        phone.run(&["import", path], "").fails(says);
        phone.run(&["import", "-"], text.lines().last().unwrap()).fails("line 1: ");
        phone.run(&["wake-up", path], "").fails("push address");
        phone.run(&["wake-up", "-"], "http://ntfy.sh/abc\n").fails("an endpoint is an https URL");
        phone.run(&["enroll"], &format!("x{text}")).fails("otpauth");
        phone.run(&["restore-key", path], "a long passphrase\n").fails("no backup");
    }
}

#[test]
fn two_phones_share_a_seed() {
    let (one, two) = (Phone::set_up(), Phone::set_up());
    let field = |phone: &Phone, name: &str| {
        let identity = phone.run(&["identity"], "").ok();
        let line = identity.lines().find_map(|line| line.strip_prefix(&format!("{name} = \""))).unwrap().to_owned();
        line.trim_end_matches('"').to_owned()
    };
    let script = format!("{URI}\ncorrect horse\n");
    let line = one.run(&["enroll", "--recipient", &field(&two, "recipient")], &script).ok();
    let script = format!("{line}correct horse\n");
    two.run(&["import", "-"], &script).fails("could not be opened");
    two.run(&["trust", &field(&one, "signer")], "").ok();
    assert!(two.run(&["import", "-"], &script).ok().ends_with("\tACME:release\n"));
    // One that is not for it at all.
    let line = one.enroll();
    two.run(&["import", "-"], &format!("{line}correct horse\n")).fails("could not be opened");
}

#[test]
fn what_is_mistyped_changes_nothing() {
    let phone = Phone::set_up();
    let before = phone.blobs();
    phone.run(&["enroll"], &format!("{URI}\nwrong horse\n")).fails("the passphrase is wrong");
    phone.run(&["enroll"], &format!("{URI}\n")).fails("cancelled");
    phone.run(&["enroll"], "").fails("standard input ended");
    for (uri, problem) in [
        (URI.replace("totp", "hotp"), "counter-based"),
        (URI.replace("GEZD", "GEZ1"), "base32"),
        (URI.replace("otpauth://", "https://"), "must start with otpauth://totp/"),
        (format!("{URI}&digits=9"), "digits"),
        (String::new(), "otpauth://totp/"),
    ] {
        phone.run(&["enroll"], &format!("{uri}\ncorrect horse\n")).fails(problem);
    }
    phone.run(&["enroll", "--recipient", "age1x"], &format!("{URI}\ncorrect horse\n")).fails("age1");
    phone.run(&["trust", "-x"], "").fails("43 characters");
    phone.run(&["pair", "hello"], "").fails("COUNTERSIGN-PAIR-1");
    phone.run(&["pair", "-"], "COUNTERSIGN-PAIR-1XYZ\n").fails("damaged");
    // Read to its end, also over several lines; what follows an empty one is no part of it.
    phone.run(&["pair", "-"], "COUNTERSIGN-\n  PAIR-1XYZ\n").fails("damaged");
    phone.run(&["pair", "-"], "hello\n\nCOUNTERSIGN-PAIR-1XYZ\n").fails("COUNTERSIGN-PAIR-1");
    phone.run(&["revoke", "acme"], "").fails("there is no pairing yet");
    phone.run(&["allow", "acme", "npm"], "").fails("there is no pairing yet");
    phone.run(&["run"], "").fails("there is no pairing yet");
    assert_eq!(phone.run(&["history"], "").ok() + &phone.run(&["pairings"], "").ok() + &phone.run(&["seeds"], "").ok(), "");
    assert_eq!(phone.blobs(), before);
}

#[test]
fn a_code_of_several_lines_is_read_to_its_end() {
    let phone = Phone::set_up();
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let laptop = AwaitP1::make("acme/widget", format!("ws://127.0.0.1:{port}").parse().unwrap(), &mut OsRng);
    let code = laptop.code().to_text().to_string();
    let wrapped: Vec<&str> = code.as_bytes().chunks(40).map(|line| std::str::from_utf8(line).unwrap()).collect();
    // Standard input stays open: it is not read beyond the code.
    let mut child = phone.command(&["pair", "-"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("\n{}\n", wrapped.join("\n  ")).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("relay") && !err.contains("damaged"), "{err}");
    drop(stdin);
}

#[test]
fn a_half_written_file_is_ignored() {
    let phone = Phone::set_up();
    phone.enroll();
    let whole = phone.blobs();
    fs::write(phone.file(".new-abc"), b"half of it").unwrap();
    assert!(phone.run(&["seeds"], "").ok().contains("ACME:release"));
    assert!(!phone.file(".new-abc").exists());
    assert_eq!(phone.blobs(), whole);
}

#[test]
fn one_damaged_file_does_not_take_the_others_with_it() {
    let phone = Phone::set_up();
    let line = phone.enroll();
    let seeds = phone.file("state-seeds");
    let whole = fs::read(&seeds).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    for bytes in [&damaged[..], &whole[..whole.len() - 1], b""] {
        fs::write(&seeds, bytes).unwrap();
        assert_eq!(phone.run(&["seeds"], "").ok(), "");
        phone.run(&["init"], "correct horse\n").fails("is set up already");
        assert_eq!(fs::read(&seeds).unwrap(), bytes, "left as it is until something is saved");
    }
    // One of the two copies of what it is, and then the seed again from where it is kept.
    fs::remove_file(phone.file("state-phone")).unwrap();
    phone.run(&["import", "-"], &format!("{line}correct horse\n")).ok();
    assert!(phone.run(&["seeds"], "").ok().contains("ACME:release"));
    assert!(phone.file("state-phone").exists());
}

#[test]
fn a_state_that_does_not_fit_is_left_alone() {
    let phone = Phone::set_up();
    phone.enroll();
    let whole = phone.blobs();
    for name in ["state-phone", "state-phone-copy"] {
        fs::write(phone.file(name), b"").unwrap();
    }
    phone.run(&["seeds"], "").fails("damaged or belongs to another device key");
    phone.run(&["init"], "correct horse\n").fails("move it away first");
    for (name, bytes) in &whole {
        fs::write(phone.file(name), bytes).unwrap();
    }
    let key = fs::read(phone.file("device.key")).unwrap();
    fs::write(phone.file("device.key"), [7; 32]).unwrap();
    phone.run(&["seeds"], "").fails("damaged or belongs to another device key");
    fs::write(phone.file("device.key"), [7; 31]).unwrap();
    phone.run(&["seeds"], "").fails("device key is damaged");
    fs::remove_file(phone.file("device.key")).unwrap();
    phone.run(&["seeds"], "").fails("device key is missing");
    phone.run(&["init"], "correct horse\n").fails("device key is missing");
    fs::write(phone.file("device.key"), key).unwrap();
    assert!(phone.run(&["seeds"], "").ok().contains("ACME:release"));
    // The unlock key of another phone, and none.
    let own = fs::read(phone.file("unlock.age")).unwrap();
    fs::copy(Phone::set_up().file("unlock.age"), phone.file("unlock.age")).unwrap();
    phone.run(&["enroll"], &format!("{URI}\ncorrect horse\n")).fails("not the one that this phone was set up with");
    fs::write(phone.file("unlock.age"), &own[..own.len() - 1]).unwrap();
    phone.run(&["enroll"], &format!("{URI}\ncorrect horse\n")).fails("unlock.age is damaged");
    fs::remove_file(phone.file("unlock.age")).unwrap();
    let lost = phone.run(&["enroll"], &format!("{URI}\ncorrect horse\n"));
    assert!(lost.err.contains("bring it back from a backup: countersign-phone restore-key FILE"), "{}", lost.err);
    lost.fails("unlock.age, the key that opens the seeds, is missing");
}

#[test]
fn a_seed_is_removed_and_can_come_back() {
    let phone = Phone::set_up();
    let line = phone.enroll();
    phone.run(&["remove", "nothing"], "").fails("nothing");
    phone.run(&["remove", "ACME:release"], "").ok();
    assert_eq!(phone.run(&["seeds"], "").ok(), "");
    assert!(phone.run(&["import", "-"], &format!("{line}correct horse\n")).ok().ends_with("\tACME:release\n"));
}

#[test]
fn another_one_takes_its_place_by_a_backup() {
    const BACKUP: &str = "a long passphrase";
    let (old, new) = (Phone::set_up(), Phone::new());
    old.enroll();
    let file = old.home.path().join("phone.age");
    let path = file.to_str().unwrap();
    old.run(&["backup", path], "too short\n").fails("at least 12 characters");
    old.run(&["backup", path], &format!("{BACKUP}\nwrong horse\n")).fails("the passphrase is wrong");
    assert!(!file.exists());
    old.run(&["backup", path], &format!("{BACKUP}\ncorrect horse\n")).ok();
    assert_eq!(mode(&file), 0o600);
    old.run(&["backup", path], "").fails("is there already");
    new.run(&["restore", path], "another passphrase\n").fails("not the passphrase of this backup");
    new.run(&["restore", "/nonexistent"], "").fails("cannot read /nonexistent");
    new.run(&["restore", path], &format!("{BACKUP}\nnewer horses\n")).ok();
    assert_eq!(new.run(&["identity"], "").ok(), old.run(&["identity"], "").ok());
    new.run(&["enroll"], &format!("{URI}\nnewer horses\n")).ok();
    new.run(&["restore", path], &format!("{BACKUP}\n")).fails("is set up already");
    // Without the key that opens seeds, and that key from elsewhere.
    let (without, third) = (old.home.path().join("without.age"), Phone::new());
    old.run(&["backup", without.to_str().unwrap(), "--without-unlock-key"], &format!("{BACKUP}\n")).ok();
    third.run(&["restore", without.to_str().unwrap()], &format!("{BACKUP}\n")).ok();
    third.run(&["enroll"], &format!("{URI}\nnewer horses\n")).fails("unlock.age, the key that opens the seeds, is missing");
    third.run(&["restore-key", without.to_str().unwrap()], &format!("{BACKUP}\n")).fails("without the unlock key");
    third.run(&["restore-key", path], &format!("{BACKUP}\nnewer horses\n")).ok();
    third.run(&["enroll"], &format!("{URI}\nnewer horses\n")).ok();
}

#[test]
fn two_programs_never_share_a_state() {
    let phone = Phone::set_up();
    let mut first = phone.command(&["enroll"]).spawn().unwrap();
    // It asks, so it holds the lock.
    let mut asked = [0; 1];
    first.stderr.as_mut().unwrap().read_exact(&mut asked).unwrap();
    phone.run(&["seeds"], "").fails("another countersign-phone uses");
    phone.run(&["init"], "correct horse\n").fails("another countersign-phone uses");
    first.stdin.take().unwrap().write_all(format!("{URI}\ncorrect horse\n").as_bytes()).unwrap();
    assert!(first.wait().unwrap().success());
    phone.run(&["seeds"], "").ok();
}

#[test]
fn an_interrupt_ends_a_question() {
    let phone = Phone::set_up();
    let mut child = phone.command(&["enroll"]).spawn().unwrap();
    // Waiting for the program would close it, and that would end the question, too.
    let stdin = child.stdin.take();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut asked = vec![];
    err.read_until(b':', &mut asked).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("countersign-phone: interrupted"), "{rest}");
    drop(stdin);
}

#[test]
fn a_read_only_folder_loses_nothing() {
    let phone = Phone::set_up();
    phone.enroll();
    let program = copy_of_the_program(&phone);
    let command = |args: &[&str]| ordinary(&phone, &program, args);
    let (state, other) = (phone.blobs(), URI.replace("release", "other").replace("GEZD", "MFRG"));
    let mut enroll = command(&["enroll"]);
    fs::set_permissions(phone.state(), fs::Permissions::from_mode(0o500)).unwrap();
    let ran = run(&mut enroll, &format!("{other}\ncorrect horse\n"));
    assert!(ran.err.contains("Nothing was changed"), "{}", ran.err);
    ran.fails("folder is writable for you (chmod u+rwx)");
    assert_eq!(phone.blobs(), state);
    // Without a lock file nothing begins at all.
    fs::set_permissions(phone.state(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(phone.file("lock")).unwrap();
    let mut seeds = command(&["seeds"]);
    fs::set_permissions(phone.state(), fs::Permissions::from_mode(0o500)).unwrap();
    run(&mut seeds, "").fails("make the folder writable for you (chmod u+rwx)");
    fs::set_permissions(phone.state(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(run(&mut command(&["seeds"]), "").ok().contains("ACME:release"));
}

#[test]
fn where_the_state_is() {
    let phone = Phone::new();
    let home = phone.home.path();
    let init = |set: &[(&str, &Path)], args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(args).env_clear().envs(set.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        run(&mut command, "correct horse\n")
    };
    let (own, xdg, given) = (home.join("own"), home.join("xdg"), home.join("given"));
    init(&[("HOME", home)], &["init"]).ok();
    init(&[("HOME", home), ("XDG_STATE_HOME", &xdg)], &["init"]).ok();
    init(&[("XDG_STATE_HOME", &xdg), ("COUNTERSIGN_PHONE_STATE", &own)], &["init"]).ok();
    init(&[("COUNTERSIGN_PHONE_STATE", &own)], &["--state", given.to_str().unwrap(), "init"]).ok();
    for dir in [home.join(".local/state/countersign-phone"), xdg.join("countersign-phone"), own, given] {
        assert!(dir.join("state-phone").exists(), "{}", dir.display());
    }
    init(&[], &["init"]).fails("--state DIR");
    fs::write(home.join("file"), "").unwrap();
    init(&[], &["--state", home.join("file/x").to_str().unwrap(), "init"]).fails("choose another with --state DIR");
}

#[test]
fn help_has_an_example_for_every_command() {
    let phone = Phone::new();
    let commands = [
        "init",
        "pair",
        "run",
        "enroll",
        "import",
        "trust",
        "identity",
        "seeds",
        "pairings",
        "allow",
        "revoke",
        "wake-up",
        "remove",
        "backup",
        "restore",
        "restore-key",
        "history",
    ];
    for command in commands {
        let help = phone.run(&[command, "--help"], "").ok();
        assert!(help.contains(&format!("\n  countersign-phone {command}")), "{help}");
    }
    assert!(phone.run(&["--help"], "").ok().contains("Examples:"));
    let wrong = phone.run(&["frobnicate"], "");
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("frobnicate"));
}
