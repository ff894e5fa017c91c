//! What a relay is started with.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use countersign_core::relay::{RelayUrl, RelayUrlError};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::{
    limits::Limits,
    nats::{NatsConfig, NatsError},
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
    /// To be one of several relays that serve the same phones and jobs.
    pub nats: Option<NatsConfig>,
    /// The limits.
    pub limits: Limits,
    /// Takes lines for the operator, which hold no address, payload or mailbox.
    pub log: fn(&str),
}

/// Certificate and key, PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, then those that lead to a root.
    pub cert: PathBuf,
    /// Its private key (PKCS #8, PKCS #1 or SEC1).
    pub key: PathBuf,
}

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The address is in use, or not this machine's, or not allowed.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Listening for other machines without saying under which URL.
    #[error("listening on {0}, which other machines reach, needs the URL they use: add --origin wss://relay.example.org")]
    OriginMissing(SocketAddr),
    /// The default origin cannot be written as a URL.
    #[error("this address makes no relay URL")]
    Origin(#[from] RelayUrlError),
    /// A PEM file cannot be read.
    #[error("cannot read {}", file.display())]
    Pem {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key cannot be used.
    #[error("the TLS certificate and key cannot be used")]
    Tls(#[from] rustls::Error),
    /// The relay cannot be joined to others as configured.
    #[error("cannot use NATS as configured")]
    Nats(#[from] NatsError),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
            origins: Vec::new(),
            tls: None,
            nats: None,
            limits: Limits::default(),
            log: |_| {},
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

/// Reads certificate and key, with ring as the provider, TLS 1.2 and 1.3.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, RelayError> {
    let pem = |file: &PathBuf, source| RelayError::Pem { file: file.clone(), source };
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| pem(&files.cert, source))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| pem(&files.key, source))?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
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
