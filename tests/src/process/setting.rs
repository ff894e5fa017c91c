//! Relay, phone and laptop, paired and with a seed, as a new user would make them.

use std::{path::PathBuf, process::Command};

use super::{PhoneFolder, RelayProcess, Running, program};

/// The seed that every setting enrols.
pub const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME&algorithm=SHA1&digits=6&period=30";

/// A whole installation.
pub struct Setting {
    /// The relay; `None` while it is dead.
    pub relay: Option<RelayProcess>,
    /// The phone's folder.
    pub phone: PhoneFolder,
    /// The laptop's folder: `countersign.toml` and `countersign.key`.
    pub laptop: tempfile::TempDir,
}

impl Setting {
    /// Relay, phone and laptop, not yet paired.
    #[must_use]
    pub fn unpaired() -> Self {
        Self { relay: Some(RelayProcess::start()), phone: PhoneFolder::init("pixel"), laptop: tempfile::tempdir().unwrap() }
    }

    /// The same, paired.
    #[must_use]
    pub fn paired() -> Self {
        let setting = Self::unpaired();
        setting.pair("acme/widget");
        setting
    }

    /// The same, with the seed `npm` enrolled from the laptop and allowed.
    #[must_use]
    pub fn ready() -> Self {
        let setting = Self::paired();
        setting.enroll("npm", URI);
        setting
    }

    /// The relay's URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.relay.as_ref().unwrap().url().to_owned()
    }

    /// The key file.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.laptop.path().join("countersign.key")
    }

    /// Pairs the phone with the laptop under `name`.
    pub fn pair(&self, name: &str) {
        let mut laptop = self.client(&["pair", "--relay", &self.url(), "--name", name, "--no-qr", "--key-file", "countersign.key"]);
        let code = laptop.pairing_code();
        let mut phone = self.phone.run(&["pair", "-"]);
        phone.say(&code);
        let digits = phone.wait_for_line("");
        laptop.say(digits.trim());
        let ended = laptop.end();
        assert!(ended.status.success(), "{ended:?}\nphone: {}", phone.err_so_far());
        let ended = phone.end();
        assert!(ended.status.success(), "{ended:?}");
    }

    /// Enrols `uri` as `seed` from the laptop, and lets the pairing use it.
    pub fn enroll(&self, seed: &str, uri: &str) {
        self.enroll_with(&[seed, "--uri-stdin"], uri);
    }

    /// The same with further arguments.
    pub fn enroll_with(&self, args: &[&str], uri: &str) {
        let mut phone = self.phone.run(&["run", "--once"]);
        let mut laptop = self.client(&[&["enroll"], args].concat());
        laptop.say(uri);
        laptop.hush();
        let number = laptop.match_number();
        self.phone.approve(&mut phone, &number, true);
        let ended = laptop.end();
        assert!(ended.status.success(), "{ended:?}\nphone: {}", phone.err_so_far());
        let ended = phone.end();
        assert!(ended.status.success(), "{ended:?}");
    }

    /// `countersign` in the laptop's folder, with its key file.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("countersign"));
        command.args(args).current_dir(self.laptop.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        if let Some(root) = &self.phone.root {
            command.env("SSL_CERT_FILE", root);
        }
        if self.key_file().exists() && args.first() != Some(&"pair") {
            command.env("COUNTERSIGN_KEY_FILE", self.key_file());
        }
        command
    }

    /// Starts `countersign`.
    #[must_use]
    pub fn client(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }
}

impl Running {
    /// The pairing code that a laptop shows as text.
    ///
    /// # Panics
    /// As [`Running::wait_for`].
    pub fn pairing_code(&mut self) -> String {
        self.wait_for("COUNTERSIGN-PAIR-1");
        loop {
            let text = self.err_so_far();
            let start = text.find("COUNTERSIGN-PAIR-1").unwrap();
            if let Some(end) = text[start..].find('\n') {
                return text[start..start + end].trim().to_owned();
            }
            self.wait_for("\n");
        }
    }
}
