//! What a relay is started with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use countersign_core::relay::{RelayUrl, RelayUrlError};

use crate::{
    limits::Limits,
    nats::{NatsConfig, NatsError},
    proxy::Trusted,
    push::{PushConfig, PushKeysError},
    tls::{TlsError, TlsFiles},
};

/// What a relay is started with. `Default` is a relay on any free port of 127.0.0.1, for tests and demos.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The URLs this relay is known by; proofs made for any of them are accepted. May be empty when listening on loopback.
    pub origins: Vec<RelayUrl>,
    /// To speak TLS; without, a proxy in front must.
    pub tls: Option<TlsFiles>,
    /// To wake phones that are away; without, they are not.
    pub push: Option<PushConfig>,
    /// To be one of several relays that serve the same phones and jobs.
    pub nats: Option<NatsConfig>,
    /// The limits.
    pub limits: Limits,
    /// The proxies that may say who their clients are.
    pub proxies: Trusted,
    /// Where `/healthz`, `/readyz` and `/metrics` are; nowhere if `None`.
    pub admin: Option<SocketAddr>,
}

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The address is in use, or not this machine's, or not allowed.
    #[error("cannot listen on {address}: {source}{}", listening_hint(source))]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The admin address is not this machine's, or not allowed.
    #[error("cannot listen on the admin address {address}: {source}{}", listening_hint(source))]
    Admin {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The system has no thread left.
    #[error("cannot start a thread: {0}; raise the limit of threads (ulimit -u, TasksMax)")]
    Thread(#[source] std::io::Error),
    /// The system lets it open fewer files than it needs by itself.
    #[error(
        "cannot open the files that a relay needs before anybody connects: {0}; raise the limit of open files (ulimit -n, LimitNOFILE)"
    )]
    Files(#[source] std::io::Error),
    /// Listening for other machines without saying under which URL.
    #[error("listening on {0}, which other machines reach, needs the URL they use: add --origin wss://relay.example.org")]
    OriginMissing(SocketAddr),
    /// The default origin cannot be written as a URL.
    #[error("this address makes no relay URL")]
    Origin(#[from] RelayUrlError),
    /// Wake-ups cannot be set up.
    #[error(transparent)]
    PushKeys(#[from] PushKeysError),
    /// Certificate and key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The relay cannot be joined to others as configured.
    #[error("cannot use NATS as configured: {0}")]
    Nats(#[from] NatsError),
}

fn listening_hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "; another program listens there, maybe an older relay: stop it, or take another port",
        std::io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are for root and for who has CAP_NET_BIND_SERVICE (AmbientCapabilities in a unit): add it, or take a higher port"
        }
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address: take one of its own, or 0.0.0.0 or [::] for all",
        _ => "",
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
            origins: Vec::new(),
            tls: None,
            push: None,
            nats: None,
            limits: Limits::default(),
            proxies: Trusted::default(),
            admin: None,
        }
    }
}

/// The origins of a relay that was given none: the forms its loopback address is reached by.
pub(crate) fn default_origins(address: SocketAddr, tls: bool) -> Result<Vec<RelayUrl>, RelayError> {
    if !address.ip().is_loopback() {
        return Err(RelayError::OriginMissing(address));
    }
    let scheme = if tls { "wss" } else { "ws" };
    let port = address.port();
    let other = match address.ip() {
        IpAddr::V4(_) => "[::1]",
        IpAddr::V6(_) => "127.0.0.1",
    };
    [format!("{scheme}://{address}"), format!("{scheme}://localhost:{port}"), format!("{scheme}://{other}:{port}")]
        .iter()
        .map(|url| Ok(RelayUrl::parse(url)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_by_default() {
        let texts = |address: &str, tls| {
            default_origins(address.parse().unwrap(), tls).map(|urls| urls.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(texts("127.0.0.1:7700", false).unwrap(), ["ws://127.0.0.1:7700", "ws://localhost:7700", "ws://[::1]:7700"]);
        assert_eq!(texts("[::1]:443", true).unwrap(), ["wss://[::1]", "wss://localhost", "wss://127.0.0.1"]);
        assert!(matches!(texts("0.0.0.0:7700", false), Err(RelayError::OriginMissing(_))));
        assert!(texts("[::]:7700", false).unwrap_err().to_string().contains("--origin wss://"));
    }
}
