//! What is mistyped on a terminal is asked for again: whoever were told to type again, with the program gone, would type a passphrase into the shell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;
#[path = "common/export.rs"]
mod export;

use std::fs;

use common::{Phone, URI, on_a_terminal};
use export::{Account, export};

const BACKUP: &str = "a long passphrase";
const OF_BACKUP: &str = "passphrase of the backup: ";
const NEW: &str = "asked for at every approval: ";
const AGAIN: &str = "the same again: ";
const PASSPHRASE: &str = ": passphrase: ";
const WRONG: &str = "the passphrase is wrong";

fn path(phone: &Phone, name: &str) -> String {
    phone.home.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn of_a_backup_that_is_made_and_brought_back() {
    let (phone, other) = (Phone::set_up(), Phone::new());
    phone.enroll();
    let backup = path(&phone, "phone.age");
    let new = "passphrase for the backup, 12 characters at least: ";
    let answers = [
        (new, "short"),
        (new, BACKUP),
        (AGAIN, "another"),
        (new, BACKUP),
        (AGAIN, BACKUP),
        (PASSPHRASE, "wrong"),
        (PASSPHRASE, "correct horse"),
    ];
    let shown = on_a_terminal(&phone, &format!("backup {backup}"), &answers);
    for told in ["a backup needs a passphrase of at least 12", "the two passphrases differ; type it again", WRONG, "holds 1 seed"] {
        assert!(shown.contains(told), "{shown}");
    }
    let answers = [(OF_BACKUP, "wrong"), (OF_BACKUP, BACKUP), (NEW, "correct horse"), (AGAIN, "correct horse")];
    for (phone, command) in [(&phone, "restore-key"), (&other, "restore")] {
        let shown = on_a_terminal(phone, &format!("{command} {backup}"), &answers);
        assert!(shown.contains("this is not the passphrase of this backup; type it again"), "{shown}");
        phone.run(&["enroll"], &format!("{URI}\ncorrect horse\n")).ok();
        // In a script the next line is another answer.
        let ran = phone.run(&["restore-key", &backup], &format!("wrong\n{BACKUP}\ncorrect horse\n"));
        assert_eq!(ran.err.matches(OF_BACKUP).count(), 1, "{}", ran.err);
        ran.fails("this is not the passphrase of this backup");
    }
}

#[test]
fn of_seeds_that_come() {
    let phone = Phone::set_up();
    let account = |name| Account { secret: b"12345678901234567890", name, kind: 2 };
    let text = export(&[account("alice"), account("bob")], 0, 1);
    let (question, which) = ("text of an export's QR code: ", "which? ");
    let answers =
        [(question, "http://x"), (question, &text), (which, "2"), (PASSPHRASE, "wrong"), (PASSPHRASE, ""), (PASSPHRASE, "correct horse")];
    let shown = on_a_terminal(&phone, "enroll", &answers);
    assert!(shown.matches(WRONG).count() == 2 && shown.contains("sealed ACME:bob"), "{shown}");
    let sealed = phone.enroll();
    let sealed = sealed.trim_end();
    let file = path(&phone, "countersign.toml");
    fs::write(&file, format!("[seeds.a]\n{sealed}\n[seeds.b]\n{sealed}\n")).unwrap();
    // The right one is asked for once, the wrong one is not kept.
    on_a_terminal(&phone, &format!("import {file}"), &[(PASSPHRASE, "wrong"), (PASSPHRASE, "correct horse")]);
    on_a_terminal(&phone, "import -", &[("sealed text: ", "a b"), ("\nsealed text: ", sealed), (PASSPHRASE, "correct horse")]);
}
