//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use countersign_core::relay::RelayUrl;
use countersign_relay::{
    Config, NatsConfig, NatsCredentials, NatsError, NatsPrefix, NatsUrl, TlsFiles,
    limits::{self, Limits},
};

/// Runs a blind relay: joins CI jobs and phones, reads nothing, stores nothing.
///
/// Prints one line on standard output, `listening on URL`, and everything else on standard error. SIGTERM and SIGINT stop it.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  countersign-relay\n  countersign-relay --listen 0.0.0.0:443 --origin wss://relay.example.org \\\n      \
                  --tls-cert fullchain.pem --tls-key privkey.pem\n  countersign-relay --listen 127.0.0.1:7700 --behind-proxy --origin wss://relay.example.org"
)]
pub(crate) struct Args {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7700")]
    listen: SocketAddr,
    /// URL that phones and jobs use for this relay; may be repeated. Needed unless listening on loopback
    #[arg(long = "origin", value_name = "URL")]
    origins: Vec<RelayUrl>,
    /// Certificate chain, PEM; without it, a proxy in front must speak TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Join other relays through this NATS server, nats://HOST:PORT or tls://HOST:PORT; may be repeated. All of them need the same --origin
    #[arg(long, value_name = "URL")]
    nats: Vec<NatsUrl>,
    /// File with USER:PASSWORD, a token, or a .creds file of NATS; or put the same into COUNTERSIGN_RELAY_NATS_CREDENTIALS
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_credentials: Option<PathBuf>,
    /// Certificates (PEM) to trust for tls:// instead of the system's
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_ca: Option<PathBuf>,
    /// What subjects at NATS begin with; the same for all relays of a cluster
    #[arg(long, value_name = "PREFIX", default_value_t)]
    nats_prefix: NatsPrefix,
    /// Lift the limits per address, because all connections come from a proxy (which should have its own)
    #[arg(long)]
    behind_proxy: bool,
    /// Most connections in all
    #[arg(long, value_name = "N", default_value_t = limits::MAX_CONNECTIONS)]
    max_connections: usize,
    /// Most connections from one IPv4 address or IPv6 /64
    #[arg(long, value_name = "N", default_value_t = limits::MAX_CONNECTIONS_PER_IP, conflicts_with = "behind_proxy")]
    max_connections_per_ip: usize,
    /// Most requests that wait for phones that are away
    #[arg(long, value_name = "N", default_value_t = limits::MAX_WAITING)]
    max_waiting: usize,
    /// Most pairings at a time
    #[arg(long, value_name = "N", default_value_t = limits::MAX_RENDEZVOUS)]
    max_rendezvous: usize,
}

impl Args {
    /// The configuration, with the credentials read.
    pub(crate) fn config(self, log: fn(&str)) -> Result<Config, NatsError> {
        let mut limits = Limits::default();
        limits.max_connections = self.max_connections;
        limits.max_connections_per_ip = self.max_connections_per_ip;
        limits.max_waiting = self.max_waiting;
        limits.max_rendezvous = self.max_rendezvous;
        if self.behind_proxy {
            limits = limits.without_addresses();
        }
        let tls = self.tls_cert.zip(self.tls_key).map(|(cert, key)| TlsFiles { cert, key });
        let nats = if self.nats.is_empty() {
            None
        } else {
            let credentials = match self.nats_credentials {
                Some(file) => Some(NatsCredentials::read(&file)?),
                None => std::env::var("COUNTERSIGN_RELAY_NATS_CREDENTIALS").ok().map(|text| NatsCredentials::parse(&text)).transpose()?,
            };
            Some(NatsConfig { urls: self.nats, prefix: self.nats_prefix, credentials, roots: self.nats_ca })
        };
        Ok(Config { listen: self.listen, origins: self.origins, tls, nats, limits, log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
