//! A certificate for loopback, made at start, and a client that trusts it alone.

use std::{fs, path::PathBuf, sync::Arc};

use rustls::{ClientConfig, RootCertStore, client::Resumption, pki_types::ServerName};

/// Files for servers, configuration for clients.
pub(super) struct Certificate {
    _folder: tempfile::TempDir,
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    /// Both in one file, as haproxy wants them.
    pub(super) both: PathBuf,
    client: Arc<ClientConfig>,
}

impl Certificate {
    /// ECDSA on P-256, self-signed, for 127.0.0.1.
    pub(super) fn make() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate for loopback");
        let (cert_pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a temporary file");
            path
        };
        let (cert, key, both) =
            (write("cert.pem", &cert_pem), write("key.pem", &key_pem), write("both.pem", &format!("{cert_pem}{key_pem}")));
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("an own certificate is one");
        let mut client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Every connection is another phone: it has no earlier session.
        client.resumption = Resumption::disabled();
        Self { _folder: folder, cert, key, both, client: Arc::new(client) }
    }

    /// What a connection needs to check the server.
    pub(super) fn client(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (Arc::clone(&self.client), ServerName::try_from("127.0.0.1").expect("an address is a name"))
    }
}
