//! Where the phone lives: who else can get at it, disks that can't be written to, names, passphrases, and whoever reads the output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use common::{PROGRAM, Phone, URI, mode, on_a_terminal, run};

#[test]
fn what_others_can_get_at_is_closed_and_told() {
    let phone = Phone::set_up();
    let set = |name: &str, mode| fs::set_permissions(phone.file(name), fs::Permissions::from_mode(mode)).unwrap();
    for (name, open, closed) in
        [("", 0o755, 0o700), ("device.key", 0o644, 0o600), ("unlock.age", 0o640, 0o600), ("state-seeds", 0o606, 0o600)]
    {
        set(name, open);
        let ran = phone.run(&["seeds"], "");
        let path = phone.file(name);
        let says = format!("warning: other users could get at {}, and can't any more", path.display().to_string().trim_end_matches('/'));
        assert!(ran.err.contains(&says), "{says:?} is not in: {}", ran.err);
        ran.ok();
        assert_eq!(mode(&path), closed);
        assert!(!phone.run(&["seeds"], "").err.contains("other users"));
    }
    // Not a phone's: not ours to close.
    let other = tempfile::TempDir::new().unwrap();
    fs::set_permissions(other.path(), fs::Permissions::from_mode(0o755)).unwrap();
    phone.run(&["--state", other.path().to_str().unwrap(), "seeds"], "").fails("set one up first");
    assert_eq!(mode(other.path()), 0o755);
}

#[test]
fn a_disk_that_can_only_be_read_is_good_for_reading() {
    let phone = Phone::set_up();
    phone.enroll();
    let dir = phone.state();
    let script = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@""#;
    let command = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(&dir).args(args).env("COUNTERSIGN_PHONE_STATE", &dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    if !command(&["true"]).status().unwrap().success() {
        eprintln!("not tested: no mount namespaces here");
        return;
    }
    let backup = phone.home.path().join("phone.age");
    for lock in [true, false] {
        if !lock {
            fs::remove_file(phone.file("lock")).unwrap();
        }
        assert!(run(&mut command(&[PROGRAM, "seeds"]), "").ok().contains("ACME:release"));
        assert!(run(&mut command(&[PROGRAM, "identity"]), "").ok().contains("pixel"));
        run(&mut command(&[PROGRAM, "backup", backup.to_str().unwrap()]), "a long passphrase\ncorrect horse\n").ok();
        fs::remove_file(&backup).unwrap();
        let ran = run(&mut command(&[PROGRAM, "enroll"]), &format!("{}\ncorrect horse\n", URI.replace("GEZD", "MFRG")));
        assert!(!ran.err.contains("chmod"), "{}", ran.err);
        ran.fails("mount it for writing");
    }
}

#[test]
fn a_backup_that_has_no_place_asks_nothing() {
    let phone = Phone::set_up();
    let ran = phone.run(&["backup", "/nonexistent/phone.age"], "");
    assert!(!ran.err.contains("passphrase"), "{}", ran.err);
    ran.fails("there is no folder /nonexistent; make it first");
}

#[test]
fn names_are_looked_at() {
    let phone = Phone::new();
    for name in ["", " ", "\u{7}"] {
        let ran = phone.run(&["init", "--name", name], "correct horse\n");
        assert!(!ran.err.contains("passphrase"), "{}", ran.err);
        ran.fails("a phone needs a name");
    }
    let long = "a".repeat(65);
    let ran = phone.run(&["init", "--name", &long], "correct horse\n");
    assert!(
        ran.err.contains("the name was changed: it may have 64 characters") && ran.err.contains(&format!("\n{} is set up", &long[..64])),
        "{}",
        ran.err
    );
    ran.ok();
    let again = phone.run(&["init"], "correct horse\n");
    assert!(again.err.contains(&phone.state().display().to_string()) && !again.err.contains("open it"), "{}", again.err);
    again.fails("use it (countersign-phone run)");
}

#[test]
fn passphrases_that_protect_little_are_refused() {
    let phone = Phone::new();
    for short in ["x", "eleven chrs", "ééééééééééé"] {
        let ran = phone.run(&["init"], &format!("{short}\n"));
        assert!(!ran.err.contains("not available"), "{}", ran.err);
        ran.fails("countersign-phone: the passphrase is too short: it protects every seed; choose one of at least 12 characters");
    }
    let mut child = phone.command(&["init"]).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse \xff\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("countersign-phone: the passphrase: what was given is not UTF-8 text"), "{err}");
    assert_eq!(output.status.code(), Some(1));
    assert!(!phone.file("unlock.age").exists());
    phone.run(&["init"], "éééééééééééé\n").ok();
    let backup = phone.home.path().join("phone.age");
    let path = backup.to_str().unwrap();
    phone.run(&["backup", path], "a long passphrase\néééééééééééé\n").ok();
    phone.run(&["restore-key", path], "a long passphrase\nshort\n").fails("countersign-phone: the passphrase is too short");
    Phone::new().run(&["restore", path], "a long passphrase\nshort\n").fails("countersign-phone: the passphrase is too short");
    phone.run(&["enroll"], &format!("{URI}\néééééééééééé\n")).ok();
}

#[test]
fn a_slip_at_the_terminal_can_be_mended_there() {
    let phone = Phone::new();
    let (new, again) = ("asked for at every approval: ", "the same again: ");
    let slips = [(new, "x"), (new, "correct horse"), (again, "correct hors"), (new, "correct horse"), (again, "correct horse")];
    let shown = on_a_terminal(&phone, "init", &slips);
    assert!(shown.contains("the passphrase is too short") && shown.contains("the two passphrases differ; type it again"), "{shown}");
    phone.enroll();
}

#[test]
fn a_folder_that_everybody_uses_is_left_as_it_is() {
    let phone = Phone::new();
    fs::create_dir(phone.state()).unwrap();
    fs::set_permissions(phone.state(), fs::Permissions::from_mode(0o1777)).unwrap();
    phone.run(&["init"], "correct horse\n").fails("everybody uses");
    assert_eq!(mode(&phone.state()), 0o777);
}

#[test]
fn whoever_has_read_enough_may_go() {
    let phone = Phone::set_up();
    phone.enroll();
    for command in ["seeds", "identity"] {
        let mut child = phone.command(&[command]).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()), "{command}");
    }
    // A sealed seed that nobody got is a failure.
    let mut child = phone.command(&["enroll"]).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(format!("{URI}\ncorrect horse\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && err.contains("the result could not be written to standard output"), "{err}");
}

#[test]
fn what_is_left_of_a_phone_is_said_to_be_where_it_is() {
    let phone = Phone::set_up();
    fs::remove_file(phone.file("device.key")).unwrap();
    let ran = phone.run(&["seeds"], "");
    assert!(ran.err.contains(&format!("The state folder is {}:", phone.state().display())) && !ran.err.contains("the app"), "{}", ran.err);
    ran.fails("device key is missing: bring the key back");
}

#[test]
fn a_phone_that_does_not_open_says_how_to_begin_anew() {
    for damage in ["device.key", "state-phone"] {
        let phone = Phone::set_up();
        let backup = phone.home.path().join("phone.age");
        let backup = backup.to_str().unwrap();
        phone.run(&["backup", backup], "a long passphrase\ncorrect horse\n").ok();
        match damage {
            "device.key" => fs::write(phone.file(damage), [7; 32]).unwrap(),
            _ => ["state-phone", "state-phone-copy"].iter().for_each(|name| fs::remove_file(phone.file(name)).unwrap()),
        }
        let before = phone.blobs();
        for command in [&["seeds"][..], &["run"], &["restore", backup], &["init"]] {
            let ran = phone.run(command, "");
            assert!(!ran.err.contains("use it") && !ran.err.contains("passphrase"), "{}", ran.err);
            ran.fails("Bring its files and its device key back, all of them from one time; or move all of them away, and restore a backup");
        }
        let (state, old) = (phone.state(), phone.home.path().join("state-dir.old"));
        let hint = format!("mv {} {}", state.display(), old.display());
        phone.run(&["init"], "").fails(&hint);
        assert_eq!(phone.blobs(), before);
        fs::rename(state, old).unwrap();
        phone.run(&["restore", backup], "a long passphrase\ncorrect horse\n").ok();
        phone.enroll();
    }
}
