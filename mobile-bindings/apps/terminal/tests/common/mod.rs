//! A phone in a folder of its own, and the program around it.
#![allow(dead_code, reason = "not every test file needs everything")]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_countersign-phone");
pub(crate) const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
pub(crate) const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.harmless();
        self.out
    }

    /// Failed, with `text` in the message and nothing on stdout.
    #[track_caller]
    pub(crate) fn fails(self, text: &str) {
        assert_eq!(self.code, Some(1), "{}", self.err);
        assert!(self.err.contains(text), "{text:?} is not in: {}", self.err);
        assert!(self.err.contains("countersign-phone: "), "{}", self.err);
        assert_eq!(self.out, "");
        self.harmless();
    }

    #[track_caller]
    fn harmless(&self) {
        assert!(!self.out.contains(SECRET) && !self.err.contains(SECRET) && !self.err.contains("correct horse"), "{}", self.err);
    }
}

pub(crate) struct Phone {
    pub(crate) home: TempDir,
}

impl Phone {
    pub(crate) fn new() -> Self {
        Self { home: TempDir::new().unwrap() }
    }

    pub(crate) fn set_up() -> Self {
        let phone = Self::new();
        phone.run(&["init", "--name", "pixel"], "correct horse\n").ok();
        phone
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state-dir")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.state().join(name)
    }

    /// What the engine keeps, by file.
    pub(crate) fn blobs(&self) -> BTreeMap<String, Vec<u8>> {
        let names = fs::read_dir(self.state()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("state-")).map(|name| (name.clone(), fs::read(self.file(&name)).unwrap())).collect()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).env_clear().env("COUNTERSIGN_PHONE_STATE", self.state());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str], stdin: &str) -> Ran {
        run(&mut self.command(args), stdin)
    }

    pub(crate) fn enroll(&self) -> String {
        self.run(&["enroll"], &format!("{URI}\ncorrect horse\n")).ok()
    }
}

pub(crate) fn run(command: &mut Command, stdin: &str) -> Ran {
    let mut child = command.spawn().unwrap();
    // A program that asks nothing may have ended already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran { code: output.status.code(), out: String::from_utf8(output.stdout).unwrap(), err: String::from_utf8(output.stderr).unwrap() }
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What the program shows on a terminal of its own (util-linux's `script`) that runs `line`, with `answers` typed as they are asked for.
pub(crate) fn on_a_terminal(phone: &Phone, line: &str, answers: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    command
        .args(["-qec", &format!("timeout --foreground -s KILL 60 {PROGRAM} {line}"), "/dev/null"])
        .env("COUNTERSIGN_PHONE_STATE", phone.state());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut typed, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut seen, mut from) = (String::new(), 0);
    for (question, answer) in answers {
        while !seen[from..].contains(question) {
            let mut byte = [0];
            assert_eq!(shown.read(&mut byte).unwrap(), 1, "{question:?} was never asked: {seen}");
            seen.push(char::from(byte[0]));
        }
        from = seen.len();
        typed.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    shown.read_to_string(&mut seen).unwrap();
    assert!(child.wait().unwrap().success(), "{seen}");
    assert!(!seen.contains("correct horse"), "{seen}");
    seen
}

/// The program may be where nobody can't go.
pub(crate) fn copy_of_the_program(phone: &Phone) -> PathBuf {
    let program = phone.home.path().join("countersign-phone");
    fs::copy(PROGRAM, &program).unwrap();
    program
}

/// A command of the phone for a user who may not write everywhere.
pub(crate) fn ordinary(phone: &Phone, program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().env("COUNTERSIGN_PHONE_STATE", phone.state());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    as_ordinary_user(phone, &mut command);
    command
}

/// Root may write anywhere, so a test that runs as root becomes nobody, who gets the whole folder.
fn as_ordinary_user(phone: &Phone, command: &mut Command) {
    const NOBODY: u32 = 65_534;
    if rustix::process::geteuid().is_root() {
        let home = phone.home.path();
        let files = fs::read_dir(phone.state()).unwrap().map(|entry| entry.unwrap().path());
        for path in files.chain([home.to_owned(), phone.state()]) {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
}
