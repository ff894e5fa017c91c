//! The real `nats-server`.

use std::process::Command;

use super::Running;

/// A NATS server on loopback.
pub struct NatsServer {
    running: Running,
    address: String,
    args: Vec<String>,
}

impl NatsServer {
    /// Starts one on a free port of 127.0.0.1, with further arguments.
    ///
    /// # Panics
    /// If `nats-server` is not installed, or does not say that it listens.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        Self::listen("127.0.0.1:-1", args.iter().map(|&arg| arg.to_owned()).collect())
    }

    /// Starts one at `address`; port -1 picks a free one.
    ///
    /// # Panics
    /// As [`NatsServer::start`].
    #[must_use]
    pub fn listen(address: &str, args: Vec<String>) -> Self {
        let found = Command::new("nats-server").arg("--version").output();
        assert!(found.is_ok(), "nats-server is not installed. Get it with: apt-get install nats-server");
        let (host, port) = address.rsplit_once(':').unwrap();
        let mut command = Command::new("nats-server");
        command.args(["-a", host, "-p", port]).args(&args);
        let mut running = Running::start(command);
        running.wait_for("Listening for client connections on ");
        running.wait_for("Server is ready");
        let log = running.err_so_far();
        let (_, rest) = log.split_once("Listening for client connections on ").unwrap();
        Self { address: rest.lines().next().unwrap().trim().to_owned(), running, args }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Kills it; gives how to start a successor at the same place.
    #[must_use]
    pub fn kill(self) -> (String, Vec<String>) {
        self.running.kill();
        (self.address, self.args)
    }
}
