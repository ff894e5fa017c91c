//! `countersign-phone`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Ended, Running, program};

/// The state folder of a terminal phone.
pub struct PhoneFolder {
    /// A certificate to trust besides those of the system.
    pub root: Option<PathBuf>,
    folder: tempfile::TempDir,
    passphrase: String,
}

impl PhoneFolder {
    /// A phone that has just been set up.
    ///
    /// # Panics
    /// If `init` fails.
    #[must_use]
    pub fn init(name: &str) -> Self {
        let phone = Self { root: None, folder: tempfile::tempdir().unwrap(), passphrase: "correct horse".into() };
        let mut running = phone.run(&["init", "--name", name]);
        running.say(&phone.passphrase);
        running.say(&phone.passphrase);
        let ended = running.end();
        assert!(ended.status.success(), "{ended:?}");
        phone
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What unlocks it.
    #[must_use]
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// Starts a command of the phone.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Running {
        let mut command = Command::new(program("countersign-phone"));
        if let Some(root) = &self.root {
            command.env("SSL_CERT_FILE", root);
        }
        command.arg("--state").arg(self.folder.path().join("state")).args(args);
        Running::start(command)
    }

    /// Runs a command to its end with `lines` on standard input.
    #[must_use]
    pub fn done(&self, args: &[&str], lines: &[&str]) -> Ended {
        let mut running = self.run(args);
        for line in lines {
            running.say(line);
        }
        running.end()
    }

    /// Answers the next request of a phone that runs: types the number (and `yes` to a first use), then the passphrase.
    pub fn approve(&self, running: &mut Running, number: &str, first_use: bool) {
        if first_use {
            running.wait_for("[yes/no]");
            running.say("yes");
        }
        running.wait_for("number");
        running.say(number);
        running.wait_for("passphrase");
        running.say(&self.passphrase);
    }

    /// Approves a request for several codes: all of them.
    pub fn approve_batch(&self, running: &mut Running, number: &str) {
        running.wait_for("number");
        running.say(number);
        running.wait_for("how many codes");
        running.say("");
        running.wait_for("passphrase");
        running.say(&self.passphrase);
    }
}
