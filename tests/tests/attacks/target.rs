//! The relay under attack, as a process.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use countersign_core::relay::RelayUrl;
use countersign_relay::limits::Limits;
use countersign_tests::process::{Running, program};

pub(crate) struct Target {
    pub(crate) running: Running,
    pub(crate) url: RelayUrl,
    bound: usize,
}

impl Target {
    /// The real program with these arguments; `limits` are the ones they stand for.
    pub(crate) fn program(args: &[&str], limits: &Limits) -> Self {
        let mut command = Command::new(program("countersign-relay"));
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        Self::start(command, limits.memory_bound(false))
    }

    /// The relay with limits that have no flag.
    pub(crate) fn tight(args: &[&str], change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tight-relay"));
        command.args(args);
        let tls = args.iter().any(|arg| arg.starts_with("cert="));
        Self::start(command, limits.memory_bound(tls))
    }

    pub(crate) fn start(command: Command, bound: usize) -> Self {
        let mut running = Running::start(command);
        let line = running.wait_for_line("listening on ");
        let url = RelayUrl::parse(line.trim_start_matches("listening on ")).unwrap();
        Self { running, url, bound }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.url.port()).into()
    }

    /// The most resident memory that the process has had so far, in bytes.
    pub(crate) fn peak(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Whatever happened so far, the process never had more resident memory than is documented.
    #[track_caller]
    pub(crate) fn check_memory(&self) {
        let peak = self.peak();
        assert!(peak <= self.bound, "{peak} bytes are over the bound of {}", self.bound);
    }
}
