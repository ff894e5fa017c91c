//! Whom the relay believes when it is the client: push services, NATS.

use tokio_rustls::rustls::RootCertStore;

/// The roots of the operating system (or of `SSL_CERT_FILE` and `SSL_CERT_DIR`); Mozilla's if there are none.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // One bad file among the system's does not spoil the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
