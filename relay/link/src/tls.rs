//! TLS to a relay: rustls with ring, the system's roots.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{self, ClientConfig, RootCertStore},
};

use crate::LinkError;

/// How long roots that were read serve: reading a hundred files for each attempt would cost a phone more than the attempt.
const ROOTS_SERVE: Duration = Duration::from_secs(3600);

static ROOTS: Mutex<Option<(Instant, Arc<RootCertStore>)>> = Mutex::new(None);

/// The roots of the operating system (or of `SSL_CERT_FILE` and `SSL_CERT_DIR`), read at most once an hour; Mozilla's if there are none.
pub(crate) fn system_roots() -> Arc<RootCertStore> {
    let mut roots = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, roots)) = roots.as_ref().filter(|(read, _)| read.elapsed() < ROOTS_SERVE) {
        return roots.clone();
    }
    let read = Arc::new(read_roots());
    *roots = Some((Instant::now(), read.clone()));
    read
}

fn read_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // One bad file among the system's does not spoil the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

pub(crate) async fn connect(stream: TcpStream, host: &str, roots: Arc<RootCertStore>) -> Result<TlsStream<TcpStream>, LinkError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| LinkError::Tls(io::Error::other(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| LinkError::Tls(io::Error::other(error)))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
        // rustls's own verdicts come inside an io::Error; everything else is the network's.
        if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) { LinkError::Tls(error) } else { LinkError::Unreachable(error) }
    })
}

/// TLS for another connection than a relay's, by the same rules: the name is checked against the system's roots.
///
/// # Errors
/// [`io::Error`]: the network's, or around rustls's verdict.
pub async fn connect_tls(stream: TcpStream, host: &str) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    connect(stream, host, system_roots()).await.map_err(|error| match error {
        LinkError::Tls(error) | LinkError::Unreachable(error) => error,
        other => io::Error::other(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_read_once() {
        assert!(Arc::ptr_eq(&system_roots(), &system_roots()));
    }
}
