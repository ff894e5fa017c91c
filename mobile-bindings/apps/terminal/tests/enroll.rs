//! Seeds on their way in: exports with accounts that can't be used, several parts, pictures, a choice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;
#[path = "common/export.rs"]
mod export;

use std::{
    fs,
    process::{Command, Stdio},
};

use common::{PROGRAM, Phone, URI, on_a_terminal, run};
use export::{Account, export, picture};

const GOOD: Account = Account { secret: b"12345678901234567890", name: "alice", kind: 2 };
const OTHER: Account = Account { secret: b"12345678901234567891", name: "bob", kind: 2 };
const SHORT: Account = Account { secret: b"1234", name: "carol", kind: 2 };
const COUNTER: Account = Account { secret: b"12345678901234567892", name: "dave", kind: 1 };

fn answers(text: &str) -> String {
    format!("{text}\ncorrect horse\n")
}

#[test]
fn accounts_that_are_left_out_are_named() {
    let phone = Phone::set_up();
    let ran = phone.run(&["enroll"], &answers(&export(&[GOOD, SHORT, OTHER, COUNTER], 0, 1)));
    for reason in ["left out ACME:carol: ", "left out ACME:dave: "] {
        let line = ran.err.lines().find_map(|line| line.split(reason).nth(1)).expect(&ran.err);
        assert!(line.len() > 10, "{line}");
    }
    assert!(
        ran.err.contains("sealed ACME:alice") && ran.err.contains("sealed ACME:bob") && !ran.err.contains("this is part"),
        "{}",
        ran.err
    );
    assert_eq!(ran.ok().lines().count(), 2);
    let none = phone.run(&["enroll"], &answers(&export(&[SHORT, COUNTER], 0, 1)));
    assert!(none.err.contains("left out ACME:carol: ") && none.err.contains("left out ACME:dave: "), "{}", none.err);
    none.fails("nothing was sealed: no account in this can be used");
}

#[test]
fn parts_of_an_export_that_are_missing_are_named() {
    let phone = Phone::set_up();
    let ran = phone.run(&["enroll"], &answers(&export(&[GOOD], 0, 3)));
    assert!(ran.err.contains("this is part 1 of 3 of an export: the other QR codes hold more accounts"), "{}", ran.err);
    ran.ok();
}

#[test]
fn only_what_was_chosen_is_sealed() {
    let phone = Phone::set_up();
    let text = answers(&export(&[GOOD, OTHER, COUNTER], 0, 1));
    assert_eq!(phone.run(&["enroll", "--only", "ACME:bob"], &text).ok().lines().count(), 1);
    let seeds = phone.run(&["seeds"], "").ok();
    assert!(seeds.contains("ACME:bob") && !seeds.contains("ACME:alice"), "{seeds}");
    phone.run(&["enroll", "--only", "ACME:dave"], &text).fails("nothing was sealed: ACME:dave can't be used: ");
    phone
        .run(&["enroll", "--only", "ACME:bob", "--only", "bob"], &text)
        .fails("there is no account \"bob\" in this; there are:\n  ACME:alice\n");
    assert_eq!(phone.run(&["seeds"], "").ok(), seeds);
}

#[test]
fn a_picture_is_as_good_as_its_text() {
    let phone = Phone::set_up();
    let file = phone.home.path().join("code.png");
    let path = file.to_str().unwrap();
    fs::write(&file, picture(URI)).unwrap();
    let ran = phone.run(&["enroll", "--picture", path], "correct horse\n");
    assert!(ran.err.contains("sealed ACME:release"), "{}", ran.err);
    assert!(ran.ok().starts_with("sealed = \""));
    fs::write(&file, b"no picture").unwrap();
    phone.run(&["enroll", "--picture", path], "correct horse\n").fails("take a PNG or JPEG that shows the QR code alone");
    fs::File::create(&file).unwrap().set_len((16 << 20) + 1).unwrap();
    phone.run(&["enroll", "--picture", path], "correct horse\n").fails("the picture has more than 16 MiB");
    phone.run(&["enroll", "--picture", "/nonexistent"], "").fails("cannot read /nonexistent");
}

#[test]
fn a_picture_on_standard_input_leaves_the_terminal_for_the_passphrase() {
    let phone = Phone::set_up();
    let file = phone.home.path().join("code.png");
    fs::write(&file, picture(&export(&[GOOD, OTHER], 0, 1))).unwrap();
    let line = format!("enroll --picture - < {}", file.display());
    let shown = on_a_terminal(&phone, &line, &[("which? ", "2 3"), ("which? ", "2"), ("passphrase: ", "correct horse")]);
    assert!(shown.contains("  1  ACME:alice") && shown.contains("numbers from 1 to 2") && shown.contains("sealed ACME:bob"), "{shown}");
    let seeds = phone.run(&["seeds"], "").ok();
    assert!(seeds.contains("ACME:bob") && !seeds.contains("ACME:alice"), "{seeds}");
    // Without one there is nobody to ask.
    let mut alone = Command::new("setsid");
    alone.args(["--wait", PROGRAM, "enroll", "--picture", "-"]).env("COUNTERSIGN_PHONE_STATE", phone.state());
    alone.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    run(&mut alone, "").fails("give the picture as a file: --picture FILE");
}

#[test]
fn a_text_that_went_nowhere_can_be_printed_again() {
    let phone = Phone::set_up();
    let mut command = phone.command(&["enroll"]);
    command.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
    let told = "ACME:release is on this phone now, but its sealed text went nowhere: the same countersign-phone enroll again prints it";
    run(&mut command, &answers(URI)).fails(told);
    let seeds = phone.run(&["seeds"], "").ok();
    assert!(phone.enroll().starts_with("sealed = "));
    assert_eq!(phone.run(&["seeds"], "").ok(), seeds);
}
