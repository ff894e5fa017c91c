//! The servers under test: each is a process of its own on the server's core, started for one measurement and killed after it.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use countersign_core::relay::RelayUrl;

use super::{certificate::Certificate, cores::Cores, net::Target, proxies};
use crate::process::{PATIENCE, Running, relay_program};

/// What is measured, side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Subject {
    /// Our relay, plain WebSocket.
    Ws,
    /// Our relay, TLS in the program.
    Wss,
    /// The minimal TCP relay.
    Tcp,
    /// haproxy as a WebSocket proxy.
    Haproxy,
    /// The same, TLS ended in haproxy.
    HaproxyWss,
    /// nginx as a WebSocket proxy.
    Nginx,
}

impl Subject {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] = [Self::Ws, Self::Wss, Self::Tcp, Self::Haproxy, Self::HaproxyWss, Self::Nginx];

    /// Its name in the keys of the JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Tcp => "tcp",
            Self::Haproxy => "haproxy",
            Self::HaproxyWss => "haproxy_wss",
            Self::Nginx => "nginx",
        }
    }

    /// Whether it joins two clients; a proxy joins a client and a listener, which takes twice the files for a client.
    pub(super) fn is_proxy(self) -> bool {
        matches!(self, Self::Haproxy | Self::HaproxyWss | Self::Nginx)
    }

    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    fn is_tls(self) -> bool {
        matches!(self, Self::Wss | Self::HaproxyWss)
    }

    /// Why it can't be measured here, if it can't.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let program = match self {
            Self::Haproxy | Self::HaproxyWss => "haproxy",
            Self::Nginx => "nginx",
            Self::Ws | Self::Wss | Self::Tcp => return None,
        };
        let missing = format!("{program} is not installed (apt-get install {program})");
        proxies::find(program).is_none().then_some(missing)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ws => "countersign-relay, ws",
            Self::Wss => "countersign-relay, wss",
            Self::Tcp => "minimal TCP relay",
            Self::Haproxy => "haproxy, ws",
            Self::HaproxyWss => "haproxy, wss",
            Self::Nginx => "nginx, ws",
        })
    }
}

/// What servers are started with.
pub(super) struct Yard {
    pub(super) cores: Cores,
    certificate: Certificate,
}

impl Yard {
    pub(super) fn new(cores: Cores) -> Self {
        Self { cores, certificate: Certificate::make() }
    }

    /// The real program with the limits per address lifted: all of the load comes from this machine.
    pub(super) fn relay(&self, tls: bool) -> Server {
        let mut command = Command::new(relay_program());
        command.args(["--listen", "127.0.0.1:0", "--max-connections-per-ip", "1000000", "--max-connections", "1000000"]);
        self.listening(command, tls)
    }

    /// Whatever `subject` is, ready for round trips: ours with the limits of a circuit lifted.
    pub(super) fn joining(&self, subject: Subject, backend: impl FnOnce() -> SocketAddr, connections: usize) -> Server {
        if subject.is_proxy() {
            return self.proxy(subject, backend(), connections);
        }
        let mut command = Command::new(std::env::current_exe().expect("a program has a path"));
        if subject == Subject::Tcp {
            command.arg("serve-tcp");
            return self.listening(command, false);
        }
        command.arg("serve-relay");
        self.listening(command, subject.is_tls())
    }

    /// A server that says `listening on URL` when it is ready.
    fn listening(&self, mut command: Command, tls: bool) -> Server {
        if tls {
            command.arg("--tls-cert").arg(&self.certificate.cert).arg("--tls-key").arg(&self.certificate.key);
        }
        let mut running = self.cores.on_server(|| Running::start(command));
        let line = running.wait_for_line("listening on ");
        let place = line.trim_start_matches("listening on ");
        let target = match RelayUrl::parse(place) {
            Ok(url) => Target {
                address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), url.port()),
                origin: url.origin().to_owned(),
                tls: tls.then(|| self.certificate.client()),
            },
            Err(_) => Target { address: place.parse().expect("an address"), origin: String::new(), tls: None },
        };
        Server { running, target, _folder: None }
    }

    fn proxy(&self, subject: Subject, backend: SocketAddr, connections: usize) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // A free port; nobody else takes it in the moment between.
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = probe.expect("loopback has a free port");
        let found = |name| proxies::find(name).unwrap_or_else(|| PathBuf::from(name));
        let command = if subject == Subject::Nginx {
            proxies::nginx(&found("nginx"), folder.path(), address.port(), backend, connections)
        } else {
            let tls: Option<&Path> = subject.is_tls().then_some(&self.certificate.both);
            proxies::haproxy(&found("haproxy"), folder.path(), address.port(), backend, connections, tls)
        };
        let running = self.cores.on_server(|| Running::start(command));
        let deadline = Instant::now() + Duration::from_secs(PATIENCE);
        // Proxies don't say when they are ready.
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "{subject} does not listen:\n{}", running.err_so_far());
            std::thread::sleep(Duration::from_millis(5));
        }
        let tls = subject.is_tls().then(|| self.certificate.client());
        Server { running, target: Target { address, origin: String::new(), tls }, _folder: Some(folder) }
    }
}

/// A running server; killed when dropped.
pub(super) struct Server {
    running: Running,
    pub(super) target: Target,
    _folder: Option<tempfile::TempDir>,
}

impl Server {
    pub(super) fn pid(&self) -> u32 {
        self.running.id()
    }

    /// What it said on standard error, for when it does what it should not.
    pub(super) fn complaints(&self) -> String {
        self.running.err_so_far()
    }
}
