//! TLS records from anybody.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::ServerConfig;

use super::pieces;
use crate::{
    engine::Tls,
    limits::MAX_TLS_HELD,
    tls::{ServerTls, TlsFiles},
};

/// A certificate and its key, ready for use.
pub struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    /// Reads PEM files.
    #[must_use]
    pub fn new(cert: &Path, key: &Path) -> Self {
        let files = TlsFiles { cert: cert.into(), key: key.into() };
        Self(ServerTls::load(files).expect("a certificate and its key").current())
    }
}

/// What was sent never makes it keep more than its limit, nor say more than a handshake takes.
pub fn tls(server: &TlsServer, data: &[u8]) {
    let mut tls = Tls::new(Arc::clone(&server.0)).expect("a connection");
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    for mut piece in pieces(data) {
        let length = piece.len();
        if tls.receive(&mut piece, &mut plain, &mut out).is_err() {
            break;
        }
        assert!(tls.held() <= MAX_TLS_HELD + length, "{} bytes are kept", tls.held());
    }
    tls.close(&mut out);
    assert!(plain.is_empty(), "nobody without the keys says anything");
    assert!(out.len() <= MAX_TLS_HELD, "{} bytes in answer", out.len());
}
