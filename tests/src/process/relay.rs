//! `countersign-relay`.

use std::{path::Path, process::Command};

use super::{Ended, Running, program};

/// A relay on loopback.
pub struct RelayProcess {
    running: Running,
    url: String,
}

impl RelayProcess {
    /// Starts one on a free port.
    #[must_use]
    pub fn start() -> Self {
        Self::listen("127.0.0.1:0")
    }

    /// Starts one on `address`.
    ///
    /// # Panics
    /// If it does not say that it listens.
    #[must_use]
    pub fn listen(address: &str) -> Self {
        Self::with(&["--listen", address])
    }

    /// Starts one with these arguments.
    ///
    /// # Panics
    /// If it does not say that it listens.
    #[must_use]
    pub fn with(args: &[&str]) -> Self {
        let mut command = Command::new(program("countersign-relay"));
        command.args(args);
        Self::run(command)
    }

    /// The same, trusting this certificate only: for what the relay connects to.
    ///
    /// # Panics
    /// If it does not say that it listens.
    #[must_use]
    pub fn trusting(root: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(program("countersign-relay"));
        command.args(args).env("SSL_CERT_FILE", root);
        Self::run(command)
    }

    /// Starts this command, which runs one.
    ///
    /// # Panics
    /// If it does not say that it listens.
    #[must_use]
    pub fn run(command: Command) -> Self {
        let mut running = Running::start(command);
        let line = running.wait_for_line("listening on ");
        Self { url: line.trim_start_matches("listening on ").to_owned(), running }
    }

    /// `ws://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:PORT`, for a successor.
    #[must_use]
    pub fn address(&self) -> String {
        self.url.trim_start_matches("ws://").to_owned()
    }

    /// Asks it to drain (SIGTERM), and waits until its port is free.
    ///
    /// # Panics
    /// If it does not.
    pub fn drain(&mut self) {
        self.running.signal("TERM");
        self.running.wait_for("event=\"draining\"");
    }

    /// Waits for its end.
    #[must_use]
    pub fn end(self) -> Ended {
        self.running.end()
    }

    /// Waits until it says this on standard error.
    ///
    /// # Panics
    /// As [`Running::wait_for`].
    pub fn wait_for(&mut self, text: &str) {
        self.running.wait_for(text);
    }

    /// Kills it and gives the address, for a successor.
    #[must_use]
    pub fn kill(self) -> String {
        let address = self.address();
        self.running.kill();
        address
    }

    /// Asks it to stop (SIGTERM).
    #[must_use]
    pub fn stop(self) -> Ended {
        self.running.signal("TERM");
        self.running.end()
    }
}
