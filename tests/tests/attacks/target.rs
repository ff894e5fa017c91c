//! The relay under attack, as a process.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use countersign_core::relay::RelayUrl;
use countersign_relay::limits::Limits;
use countersign_tests::{
    process::{Running, program},
    tight,
};

/// So little that what is held without a limit is seen.
const SMALL: [&str; 6] =
    ["max_held=1048576", "max_waiting=16", "max_denied=1000", "max_open_rate_table=1000", "max_wake_table=1", "max_wakes_in_flight=0"];

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

    /// A relay that may hold little besides its connections, with these limits (`tight-relay`); the bound is that of as many
    /// `connections` as there will be.
    pub(crate) fn tight(args: &[&str], connections: usize) -> Self {
        let args = [&SMALL[..], args].concat();
        let mut limits = Limits::default();
        for arg in &args {
            // Others are not about limits.
            let _ = tight::set(&mut limits, arg);
        }
        limits.max_connections = connections;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tight-relay"));
        command.args(&args);
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
