//! How a relay reaches NATS.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use async_nats::{ConnectOptions, ServerAddr};
use rustls_pki_types::{
    CertificateDer,
    pem::{self, PemObject as _},
};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use crate::{
    files::{self, broken_pem, unread},
    roots::system_roots,
};

/// What subjects begin with unless another prefix is given.
const DEFAULT_PREFIX: &str = "countersign";
/// Longest prefix, in characters.
const MAX_PREFIX: usize = 64;

/// How this relay joins others through NATS.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// Servers of one NATS; the client learns of others from them.
    pub urls: Vec<NatsUrl>,
    /// What subjects begin with: relays that share it are one cluster.
    pub prefix: NatsPrefix,
    /// What NATS knows this relay by, if it asks.
    pub credentials: Option<NatsCredentials>,
    /// Certificates (PEM) to trust instead of the system's.
    pub roots: Option<PathBuf>,
}

/// `nats://host[:port]` or `tls://host[:port]`. What is no such URL is taken too, and refused by [`NatsConfig`]: a password may
/// stand in it, and whoever parses an option repeats what was wrong.
#[derive(Debug, Clone)]
pub struct NatsUrl(Result<ServerAddr, Wrong>);

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Form,
    User,
}

/// What the subjects of one cluster begin with: words of letters, digits, `-` and `_`, joined by dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsPrefix(String);

/// What NATS knows a relay by. Secret; wiped when dropped here, but the NATS client keeps a copy as long as it runs.
#[derive(Clone)]
pub struct NatsCredentials(Zeroizing<String>);

/// Why a relay cannot be joined to NATS as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// No URL of a NATS server.
    #[error("a NATS URL looks like nats://nats.internal:4222 or, with TLS, tls://nats.internal:4222")]
    Url,
    /// User or password in the URL, which other users of the machine can read.
    #[error("leave user and password out of the NATS URL: put USER:PASSWORD into a file and give it with --nats-credentials")]
    UserInUrl,
    /// A prefix that makes no subject.
    #[error("a NATS prefix has words of letters, digits, - and _, joined by dots, at most 64 characters in all")]
    Prefix,
    /// The credentials file cannot be read. Its name is not told: it may be the password itself.
    #[error("cannot read the file that --nats-credentials names: {}", unread(.0))]
    Read(std::io::Error),
    /// The credentials are none of the known forms.
    #[error("NATS credentials are one line USER:PASSWORD, one line with a token, or the content of a .creds file")]
    Credentials,
    /// A PEM file cannot be read.
    #[error("cannot read {}: {}", file.display(), broken_pem(source))]
    Pem {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// The file of certificates holds none.
    #[error("{} holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// TLS to NATS cannot be set up.
    #[error("TLS to NATS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The NATS client does not start.
    #[error("the NATS client does not start: {0}")]
    Client(#[from] async_nats::ConnectError),
    /// The subjects cannot be subscribed to.
    #[error("cannot subscribe at NATS: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
}

impl NatsConfig {
    /// Joins through this server, with the default prefix and without credentials.
    #[must_use]
    pub fn new(url: NatsUrl) -> Self {
        Self { urls: vec![url], prefix: NatsPrefix::default(), credentials: None, roots: None }
    }

    pub(crate) fn options(&self) -> Result<ConnectOptions, NatsError> {
        if let Some(fault) = self.url_faults().next() {
            return Err(fault);
        }
        let mut options = ConnectOptions::new();
        if let Some(credentials) = &self.credentials {
            options = credentials.apply(options)?;
        }
        // Also for nats://, where the server may demand it.
        options = options.tls_client_config(tls(self.roots.as_deref())?);
        Ok(if self.speaks_tls() { options.require_tls(true) } else { options })
    }

    /// All that can be seen to be wrong without a connection.
    pub(crate) fn faults(&self) -> Vec<NatsError> {
        let credentials = self.credentials.as_ref().and_then(|credentials| credentials.apply(ConnectOptions::new()).err());
        self.url_faults().chain(credentials).chain(tls(self.roots.as_deref()).err()).collect()
    }

    /// What is wrong with the URLs, each kind of it once: which of them it is can't be shown.
    fn url_faults(&self) -> impl Iterator<Item = NatsError> {
        let any = |wrong| self.urls.iter().any(|url| url.0.as_ref().err() == Some(&wrong));
        let (form, user) = (any(Wrong::Form).then_some(NatsError::Url), any(Wrong::User).then_some(NatsError::UserInUrl));
        form.into_iter().chain(user)
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &ServerAddr> {
        self.urls.iter().filter_map(|url| url.0.as_ref().ok())
    }

    pub(crate) fn speaks_tls(&self) -> bool {
        self.addresses().any(ServerAddr::tls_required)
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.addresses().any(|address| !address.tls_required() && !matches!(address.host(), "localhost" | "127.0.0.1" | "::1"))
    }
}

impl FromStr for NatsUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(parse_url(text.trim())))
    }
}

fn parse_url(text: &str) -> Result<ServerAddr, Wrong> {
    // %40 is an @.
    if text.contains(['@', '%']) {
        return Err(Wrong::User);
    }
    let rest = text.strip_prefix("nats://").or_else(|| text.strip_prefix("tls://")).ok_or(Wrong::Form)?;
    if rest.is_empty() || rest.starts_with(':') || rest.contains(['/', '?', '#', ',']) {
        return Err(Wrong::Form);
    }
    text.parse().map_err(|_| Wrong::Form)
}

impl FromStr for NatsPrefix {
    type Err = NatsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if text.len() > MAX_PREFIX || !text.split('.').all(is_word) {
            return Err(NatsError::Prefix);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Default for NatsPrefix {
    fn default() -> Self {
        Self(DEFAULT_PREFIX.to_owned())
    }
}

impl std::fmt::Display for NatsPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl NatsCredentials {
    /// Takes `USER:PASSWORD`, a token, or the content of a `.creds` file (JWT and nkey).
    ///
    /// # Errors
    /// [`NatsError::Credentials`] if it is empty or has several lines and is no `.creds` file.
    pub fn parse(text: &str) -> Result<Self, NatsError> {
        let text = text.trim();
        if text.is_empty() || (text.contains('\n') && !is_creds(text)) {
            return Err(NatsError::Credentials);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Reads them from a file.
    ///
    /// # Errors
    /// [`NatsError::Read`], [`NatsError::Credentials`].
    pub fn read(file: &Path) -> Result<Self, NatsError> {
        let bytes = files::read(file).map_err(NatsError::Read)?;
        Self::parse(files::text(&bytes).map_err(NatsError::Read)?)
    }

    fn apply(&self, options: ConnectOptions) -> Result<ConnectOptions, NatsError> {
        if is_creds(&self.0) {
            return options.credentials(&self.0).map_err(|_| NatsError::Credentials);
        }
        Ok(match self.0.split_once(':') {
            Some((user, password)) => options.user_and_password(user.to_owned(), password.to_owned()),
            None => options.token(self.0.to_string()),
        })
    }
}

/// Says nothing of the content.
impl std::fmt::Debug for NatsCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NatsCredentials(..)")
    }
}

fn is_creds(text: &str) -> bool {
    text.contains("-----BEGIN NATS USER JWT-----")
}

/// ring, TLS 1.2 and 1.3; the system's roots unless others are given.
fn tls(roots: Option<&Path>) -> Result<ClientConfig, NatsError> {
    let store = match roots {
        None => system_roots(),
        Some(file) => {
            let mut store = RootCertStore::empty();
            let unread = |source| NatsError::Pem { file: file.to_owned(), source };
            let text = files::read(file).map_err(|error| unread(pem::Error::Io(error)))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                store.add(certificate.map_err(unread)?)?;
            }
            if store.is_empty() {
                return Err(NatsError::NoCertificate(file.to_owned()));
            }
            store
        }
    };
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let refused = |url: &str| NatsConfig::new(url.parse().unwrap()).options().err();
        for good in ["nats://127.0.0.1:4222", "tls://nats.example.org", "nats://[::1]:4222"] {
            assert!(refused(good).is_none(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:4222",
            "ws://a:1",
            "nats://",
            "nats://:4222",
            "nats://a/b",
            "nats://a?password=b",
            "nats://a:70000",
            "nats://a,b",
        ] {
            assert!(matches!(refused(bad), Some(NatsError::Url)), "{bad}");
        }
        for secret in ["nats://user:secret@host", "nats://user:secret@host/a b", "user:secret@host", "nats://user:secret%40host"] {
            let url: NatsUrl = secret.parse().unwrap();
            assert!(!format!("{url:?}").contains("secret"));
            assert!(matches!(NatsConfig::new(url).options(), Err(NatsError::UserInUrl)));
        }
        let plain = |url: &str| NatsConfig::new(url.parse().unwrap()).is_plain();
        assert!(plain("nats://nats.internal") && !plain("nats://127.0.0.1") && !plain("nats://[::1]:1") && !plain("tls://nats.internal"));
    }

    #[test]
    fn prefixes() {
        for good in ["countersign", "a.b-c.D_1"] {
            assert_eq!(good.parse::<NatsPrefix>().unwrap().to_string(), good);
        }
        for bad in ["", ".", "a.", "a..b", "a.*", ">", "a b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<NatsPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_are_one_of_three_forms_and_stay_secret() {
        for good in ["user:pass:word\n", "token", "-----BEGIN NATS USER JWT-----\nabc\n"] {
            assert_eq!(format!("{:?}", NatsCredentials::parse(good).unwrap()), "NatsCredentials(..)");
        }
        for bad in ["", "\n", "user:password\nuser:password"] {
            assert!(matches!(NatsCredentials::parse(bad), Err(NatsError::Credentials)), "{bad}");
        }
        let broken = NatsCredentials::parse("-----BEGIN NATS USER JWT-----\nabc\n").unwrap();
        assert!(matches!(broken.apply(ConnectOptions::new()), Err(NatsError::Credentials)));
        assert!(matches!(NatsCredentials::read(Path::new("/nowhere")), Err(NatsError::Read(_))));
    }

    #[test]
    fn tls_needs_roots_that_can_be_read() {
        let mut config = NatsConfig::new("tls://nats.example.org".parse().unwrap());
        assert!(config.options().is_ok());
        config.roots = Some("/nowhere.pem".into());
        assert!(matches!(config.options(), Err(NatsError::Pem { .. })));
        let empty = tempfile::NamedTempFile::new().unwrap();
        config.roots = Some(empty.path().to_owned());
        assert!(matches!(config.options(), Err(NatsError::NoCertificate(_))));
        // Also where only the server may demand TLS.
        config.urls = vec!["nats://nats.example.org".parse().unwrap()];
        assert!(matches!(config.options(), Err(NatsError::NoCertificate(_))));
    }
}
