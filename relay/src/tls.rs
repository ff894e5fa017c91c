//! Certificate and key from PEM files, replaced while the relay runs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName,
    pem::{self, PemObject as _},
};
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    server::{NoServerSessionStorage, ProducesTickets},
};
use x509_cert::{Certificate, der::Decode as _};

use crate::files::{self, broken_pem};

/// Certificate and key, PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, then those that lead to a root.
    pub cert: PathBuf,
    /// Its private key (PKCS #8, PKCS #1 or SEC1).
    pub key: PathBuf,
}

/// Why certificate and key can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read.
    #[error("cannot read {}: {}", file.display(), broken_pem(source))]
    Pem {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// The file holds no private key.
    #[error("{} holds no private key in PEM form", .0.display())]
    NoKey(PathBuf),
    /// The private key needs a passphrase, and nobody is there to type it.
    #[error("the private key in {} is encrypted, and a relay cannot ask for its passphrase: decrypt it with `openssl pkey` into a file of mode 600", .0.display())]
    EncryptedKey(PathBuf),
    /// The first certificate is not as RFC 5280 has it.
    #[error("the first certificate in {} cannot be read", .0.display())]
    Certificate(PathBuf),
    /// The key belongs to another certificate.
    #[error("the private key is not that of the first certificate in {}: give the two that were issued together", .0.display())]
    OtherKey(PathBuf),
    /// The certificate is not valid yet.
    #[error("the certificate in {} is not valid yet: is the clock right?", .0.display())]
    NotYet(PathBuf),
    /// The certificate is no longer valid.
    #[error("the certificate in {} has expired: renew it", .0.display())]
    Expired(PathBuf),
    /// The new certificate is not for a host of the relay's.
    #[error("the certificate in {} is not for {host}, the host of an origin: clients would refuse it", file.display())]
    OtherHost {
        /// The file.
        file: PathBuf,
        /// The host it does not cover.
        host: String,
    },
    /// rustls refuses them.
    #[error("the TLS certificate and key cannot be used: {0} (P-256, P-384, Ed25519 and RSA from 2048 bits can)")]
    Refused(#[from] rustls::Error),
}

/// What a relay tells about its certificate.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The first second it is valid, Unix time.
    pub not_before: u64,
    /// The last one.
    pub not_after: u64,
    der: CertificateDer<'static>,
}

/// The TLS side of a running relay.
pub struct ServerTls {
    files: TlsFiles,
    /// One for the life of the process: a new certificate does not make clients start afresh.
    ticketer: Arc<dyn ProducesTickets>,
    loaded: RwLock<(Arc<ServerConfig>, Leaf)>,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// Every variant of [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let ticketer = ring::Ticketer::new()?;
        let loaded = RwLock::new(load(&files, &ticketer)?);
        Ok(Self { files, ticketer, loaded })
    }

    /// What a new connection is to use. Those that run keep theirs.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// The file that certificates are read from.
    #[must_use]
    pub fn cert_file(&self) -> &Path {
        &self.files.cert
    }

    /// The certificate in use.
    #[must_use]
    pub fn leaf(&self) -> Leaf {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Reads the files again at `now`, Unix time, for these `hosts`. What was in use stays if they are not good.
    ///
    /// # Errors
    /// Every variant of [`TlsError`].
    pub fn reload(&self, now: u64, hosts: &[&str]) -> Result<Leaf, TlsError> {
        let loaded = load(&self.files, &self.ticketer)?;
        let leaf = loaded.1.clone();
        if now < leaf.not_before {
            return Err(TlsError::NotYet(self.files.cert.clone()));
        }
        if leaf.not_after < now {
            return Err(TlsError::Expired(self.files.cert.clone()));
        }
        if let Some(host) = hosts.iter().find(|host| !leaf.covers(host)) {
            return Err(TlsError::OtherHost { file: self.files.cert.clone(), host: (*host).to_owned() });
        }
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(leaf)
    }
}

impl Leaf {
    /// Whether it is for this host name or address.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let (Ok(name), Ok(certificate)) = (ServerName::try_from(host), webpki::EndEntityCert::try_from(&self.der)) else { return false };
        certificate.verify_is_valid_for_subject_name(&name).is_ok()
    }

    fn parse(der: &CertificateDer<'static>, file: &Path) -> Result<Self, TlsError> {
        let certificate = Certificate::from_der(der).map_err(|_| TlsError::Certificate(file.to_owned()))?;
        let validity = certificate.tbs_certificate().validity();
        Ok(Self {
            not_before: validity.not_before.to_unix_duration().as_secs(),
            not_after: validity.not_after.to_unix_duration().as_secs(),
            der: der.clone(),
        })
    }
}

/// A chain of certificates with what is told of the first.
pub(crate) type Chain = (Vec<CertificateDer<'static>>, Leaf);

/// Reads the certificates of a file.
pub(crate) fn read_chain(file: &Path) -> Result<Chain, TlsError> {
    let unread = |source| TlsError::Pem { file: file.to_owned(), source };
    let text = files::read(file).map_err(|error| unread(pem::Error::Io(error)))?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>().map_err(unread)?;
    let first = chain.first().ok_or_else(|| TlsError::NoCertificate(file.to_owned()))?;
    let leaf = Leaf::parse(first, file)?;
    // rustls looks at the first one alone.
    if chain.iter().any(|certificate| Certificate::from_der(certificate).is_err()) {
        return Err(TlsError::Certificate(file.to_owned()));
    }
    Ok((chain, leaf))
}

/// Reads the private key of a file. rustls wipes it.
pub(crate) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unread = |source| TlsError::Pem { file: file.to_owned(), source };
    let text = files::read(file).map_err(|error| unread(pem::Error::Io(error)))?;
    if is_encrypted(&text) {
        return Err(TlsError::EncryptedKey(file.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey(file.to_owned()),
        source => unread(source),
    })
}

/// Makes of the chain in `file` and of its key what connections use: ring as the provider, TLS 1.2 and 1.3.
pub(crate) fn join((chain, _): Chain, key: PrivateKeyDer<'static>, file: &Path) -> Result<ServerConfig, TlsError> {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey(file.to_owned()),
            other => TlsError::Refused(other),
        })
}

fn load(files: &TlsFiles, ticketer: &Arc<dyn ProducesTickets>) -> Result<(Arc<ServerConfig>, Leaf), TlsError> {
    let chain = read_chain(&files.cert)?;
    let leaf = chain.1.clone();
    let mut config = join(chain, read_key(&files.key)?, &files.cert)?;
    // Only tickets, which the clients keep: a table of sessions would be memory that strangers fill.
    config.ticketer = Arc::clone(ticketer);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), leaf))
}

/// Whether a PEM file says that its key is encrypted, in the way of PKCS #8 or the older one of OpenSSL.
fn is_encrypted(text: &[u8]) -> bool {
    let says = |line: &[u8]| text.windows(line.len()).any(|part| part == line);
    says(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || says(b"Proc-Type: 4,ENCRYPTED")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(files: &TlsFiles, name: &str) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(&files.cert, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn what_is_not_good_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        assert!(matches!(ServerTls::load(files.clone()), Err(TlsError::Pem { .. })));
        write(&files, "old.example.org");
        let tls = ServerTls::load(files.clone()).unwrap();
        let old = tls.current();
        assert!(tls.leaf().covers("old.example.org") && !tls.leaf().covers("new.example.org") && !tls.leaf().covers("127.0.0.1"));
        assert!(tls.leaf().not_before < tls.leaf().not_after);
        let certificate = fs::read(&files.cert).unwrap();
        fs::write(&files.cert, "no certificate").unwrap();
        assert!(matches!(tls.reload(0, &[]), Err(TlsError::NoCertificate(_))));
        fs::write(&files.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(tls.reload(0, &[]), Err(TlsError::Certificate(_))));
        write(&files, "new.example.org");
        let renewed = fs::read(&files.cert).unwrap();
        fs::write(&files.cert, certificate).unwrap();
        const NOW: u64 = 2_000_000_000;
        assert!(matches!(tls.reload(NOW, &[]), Err(TlsError::OtherKey(_))));
        assert!(Arc::ptr_eq(&old, &tls.current()) && tls.leaf().covers("old.example.org"));
        fs::write(&files.cert, renewed).unwrap();
        assert!(matches!(tls.reload(u64::MAX, &[]), Err(TlsError::Expired(_))));
        assert!(Arc::ptr_eq(&old, &tls.current()));
        let whole = fs::read(&files.cert).unwrap();
        fs::write(&files.cert, [&whole[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"].concat()).unwrap();
        assert!(matches!(tls.reload(NOW, &[]), Err(TlsError::Certificate(_))));
        fs::write(&files.cert, whole).unwrap();
        assert!(matches!(tls.reload(0, &[]), Err(TlsError::NotYet(_))));
        assert!(matches!(tls.reload(NOW, &["old.example.org"]), Err(TlsError::OtherHost { .. })));
        assert!(Arc::ptr_eq(&old, &tls.current()));
        assert!(tls.reload(NOW, &["new.example.org"]).unwrap().covers("new.example.org"));
        assert!(!Arc::ptr_eq(&old, &tls.current()) && Arc::ptr_eq(&old.ticketer, &tls.current().ticketer));
    }
    #[test]
    fn keys_that_are_encrypted_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        write(&files, "relay.example.org");
        let refused = |key: &str| {
            fs::write(&files.key, key).unwrap();
            ServerTls::load(files.clone()).err().unwrap()
        };
        let pkcs8 = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let openssl =
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        for key in [pkcs8, openssl] {
            assert!(matches!(refused(key), TlsError::EncryptedKey(_)), "{key}");
        }
        assert!(matches!(refused("no key"), TlsError::NoKey(_)));
    }
}
