//! Whether a configuration is sound: everything that can be seen without starting, all at once. Listening is not tried.

use std::{fmt, net::SocketAddr, path::Path};

use countersign_core::relay::RelayUrl;

use super::options::Options;
use crate::{
    PushKeys,
    limits::{CERTIFICATE_WARNING, MAX_DRAIN, MIN_FILES, RESERVED_FILES},
    tls::{Leaf, ServerTls, TlsFiles},
};

const DAY: u64 = 24 * 60 * 60;

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// What, and what to do.
    pub(super) text: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The relay would not start, or nobody could use it.
    Problem,
    /// It works, and something is odd.
    Warning,
}

impl Finding {
    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into() }
    }

    pub(super) fn is_problem(&self) -> bool {
        self.severity == Severity::Problem
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.text)
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn problem(&mut self, text: impl Into<String>) {
        self.0.push(Finding { severity: Severity::Problem, text: text.into() });
    }

    fn warning(&mut self, text: impl Into<String>) {
        self.0.push(Finding::warning(text));
    }
}

/// Looks at everything. `now` is Unix time, `max_files` the hard limit of open files (`None`: unlimited).
pub(super) fn check(options: &Options, now: u64, max_files: Option<u64>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let leaf = check_tls(options, now, &mut findings);
    check_origins(options, leaf.as_ref(), &mut findings);
    check_proxies(options, &mut findings);
    check_push(options, &mut findings);
    check_nats(options, &mut findings);
    check_admin(options, &mut findings);
    check_limits(options, max_files, &mut findings);
    findings.0
}

fn check_tls(options: &Options, now: u64, findings: &mut Findings) -> Option<Leaf> {
    let (cert, key) = match (&options.tls_cert, &options.tls_key) {
        (None, None) => return None,
        (Some(_), None) => {
            findings.problem("a certificate is given without its key: add --tls-key FILE");
            return None;
        }
        (None, Some(_)) => {
            findings.problem("a key is given without its certificate: add --tls-cert FILE");
            return None;
        }
        (Some(cert), Some(key)) => (cert, key),
    };
    if let Some(mode) = readable_by_all(key) {
        findings.warning(format!("everybody on this machine may read {} (mode {mode:o}): chmod o-r it", key.display()));
    }
    let leaf = match ServerTls::load(TlsFiles { cert: cert.clone(), key: key.clone() }) {
        Ok(tls) => tls.leaf(),
        Err(error) => {
            findings.problem(error.to_string());
            return None;
        }
    };
    if now > leaf.not_after {
        findings.problem(format!("the certificate in {} has expired {} ago: renew it", cert.display(), days(now - leaf.not_after)));
    } else if leaf.not_after - now < CERTIFICATE_WARNING.as_secs() {
        findings.warning(format!("the certificate in {} expires in {}: renew it", cert.display(), days(leaf.not_after - now)));
    }
    if now < leaf.not_before {
        let begins = days(leaf.not_before - now);
        findings.problem(format!("the certificate in {} is valid only in {begins}: is the clock right?", cert.display()));
    }
    Some(leaf)
}

fn check_push(options: &Options, findings: &mut Findings) {
    match (&options.push_keys, &options.push_contact) {
        (None, None) => {}
        (Some(_), None) => findings.problem("wake-ups need a way to reach you: add --push-contact mailto:you@example.org"),
        (None, Some(_)) => findings.problem("wake-ups need keys: add --push-keys FILE (it is made if it does not exist)"),
        (Some(_), Some(_)) => {
            let Some(push) = options.push() else { return };
            if push.allow_private {
                findings.warning("wake-ups may go to addresses of this machine and its network: push-allow-private is for tests alone");
            }
            if let Err(error) = PushKeys::check(&push) {
                findings.problem(error.to_string());
            }
        }
    }
}

fn check_nats(options: &Options, findings: &mut Findings) {
    match options.nats() {
        Ok(Some(nats)) => {
            if let Err(error) = nats.options() {
                findings.problem(error.to_string());
            }
            if nats.is_plain() {
                findings.warning("the connection to NATS is not encrypted: take tls:// outside a private network");
            }
            let credentials = options.nats_credentials.as_deref();
            if let Some((file, mode)) = credentials.and_then(|file| Some((file, readable_by_all(file)?))) {
                findings.warning(format!("everybody on this machine may read {} (mode {mode:o}): chmod o-r it", file.display()));
            }
        }
        Ok(None) => {
            if options.nats_credentials.is_some() || options.nats_ca.is_some() || options.nats_prefix.is_some() {
                findings.problem("options of NATS are given, but no server: add --nats tls://nats.internal:4222");
            }
        }
        Err(error) => findings.problem(error.to_string()),
    }
}

fn days(seconds: u64) -> String {
    match seconds / DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(unix)]
fn readable_by_all(file: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    (mode & 0o004 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn readable_by_all(_: &Path) -> Option<u32> {
    None
}

fn check_origins(options: &Options, leaf: Option<&Leaf>, findings: &mut Findings) {
    let listen = options.listen();
    let origins = options.origin.as_deref().unwrap_or_default();
    let own_tls = options.tls_cert.is_some() || options.tls_key.is_some();
    if origins.is_empty() && !listen.ip().is_loopback() {
        findings.problem(format!(
            "listening on {listen}, which other machines reach, needs the URL they use: add --origin wss://relay.example.org"
        ));
    }
    for (place, origin) in origins.iter().enumerate() {
        if origins.iter().take(place).any(|other| other == origin) {
            findings.warning(format!("the origin {origin} is given twice"));
            continue;
        }
        check_origin(origin, listen, own_tls, leaf, findings);
    }
    let behind = options.trusted_proxy.as_ref().is_some_and(|networks| !networks.is_empty());
    if !own_tls && !behind && origins.iter().any(RelayUrl::is_tls) {
        findings.warning(
            "the origin is wss:// and the relay speaks no TLS, so a proxy must: name it with --trusted-proxy, or all clients count as one \
             address; or give --tls-cert and --tls-key",
        );
    }
}

fn check_origin(origin: &RelayUrl, listen: SocketAddr, own_tls: bool, leaf: Option<&Leaf>, findings: &mut Findings) {
    if own_tls && !origin.is_tls() {
        findings.problem(format!("the origin {origin} is without TLS and the relay speaks TLS alone: write wss://"));
    }
    if origin.is_tls() && leaf.is_some_and(|leaf| !leaf.covers(origin.host())) {
        findings.problem(format!("the certificate is not for {}, the host of {origin}: clients will refuse it", origin.host()));
    }
    // Without TLS of its own, a proxy has the origin's port.
    if (own_tls || !origin.is_tls()) && listen.port() != 0 && origin.port() != listen.port() {
        findings.warning(format!(
            "clients of {origin} come to port {}, and the relay listens on port {}: is it forwarded?",
            origin.port(),
            listen.port()
        ));
    }
}

fn check_proxies(options: &Options, findings: &mut Findings) {
    let networks = options.trusted_proxy.as_deref().unwrap_or_default();
    if options.proxy_protocol == Some(true) && networks.is_empty() {
        findings.problem("the PROXY protocol is believed from trusted proxies alone: add --trusted-proxy CIDR");
    }
    for network in networks.iter().filter(|network| network.prefix_len() == 0) {
        findings.warning(format!("{network} trusts everybody: any client can claim any address"));
    }
}

fn check_admin(options: &Options, findings: &mut Findings) {
    let Some(admin) = options.admin else { return };
    if !admin.ip().is_loopback() && options.admin_remote != Some(true) {
        findings.problem(format!("other machines reach the admin address {admin}: take one on loopback, or say --admin-remote"));
    }
    let listen = options.listen();
    let same_ip = admin.ip() == listen.ip() || admin.ip().is_unspecified() || listen.ip().is_unspecified();
    if admin.port() != 0 && admin.port() == listen.port() && same_ip {
        findings.problem(format!("the admin address {admin} has the relay's own port: take another one"));
    }
}

fn check_limits(options: &Options, max_files: Option<u64>, findings: &mut Findings) {
    let limits = options.limits();
    let named = [
        ("max-connections", limits.max_connections),
        ("max-connections-per-ip", limits.max_connections_per_ip),
        ("max-waiting", limits.max_waiting),
        ("max-rendezvous", limits.max_rendezvous),
    ];
    for (name, value) in named {
        if value == 0 {
            findings.problem(format!("{name} is 0, which refuses everybody: take at least 1"));
        }
    }
    if limits.max_connections_per_ip > limits.max_connections {
        findings.warning("max-connections-per-ip is over max-connections: one address may take every connection");
    }
    if let Some(files) = max_files.filter(|files| *files < MIN_FILES) {
        findings.warning(format!(
            "at most {files} files may be open, which leaves room for few connections: raise the limit (ulimit -Hn, LimitNOFILE)"
        ));
    }
    // The default is taken down to what fits without a word: it is for bigger machines.
    let max_files = max_files.and_then(|files| usize::try_from(files).ok()).filter(|_| options.max_connections.is_some());
    let fitting = |files: &usize| limits.clone().within_files(*files).max_connections;
    if let Some(max_files) = max_files.filter(|files| fitting(files) < limits.max_connections) {
        let (fitting, needed) = (fitting(&max_files), limits.max_connections.saturating_add(RESERVED_FILES));
        findings.warning(format!(
            "max-connections is {}, and at most {max_files} files may be open: raise the limit (LimitNOFILE={needed}) or take \
             max-connections = {fitting}",
            limits.max_connections
        ));
    }
    if limits.drain > MAX_DRAIN {
        findings.problem(format!("drain is longer than a request lives: take at most {}s", MAX_DRAIN.as_secs()));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// 2026-01-01.
    const NOW: u64 = 1_767_225_600;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        /// A certificate for relay.example.org, valid from 2025-01-01 until 2027-01-01.
        fn new() -> Self {
            let files = Self { folder: tempfile::tempdir().unwrap() };
            let mut params = CertificateParams::new(["relay.example.org".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2025, 1, 1);
            params.not_after = date_time_ymd(2027, 1, 1);
            let key = KeyPair::generate().unwrap();
            fs::write(files.folder.path().join("cert.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
            files.write_key(&key.serialize_pem());
            files
        }

        fn write_key(&self, pem: &str) {
            use std::os::unix::fs::PermissionsExt as _;
            let key = self.folder.path().join("key.pem");
            fs::write(&key, pem).unwrap();
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        }

        /// Options of a relay with TLS, and more of them.
        fn options(&self, more: &str) -> Options {
            let folder = self.folder.path().display();
            options(&format!("tls-cert = '{folder}/cert.pem'\ntls-key = '{folder}/key.pem'\nlisten = '0.0.0.0:443'\n{more}"))
        }
    }

    fn options(text: &str) -> Options {
        toml_edit::de::from_str(text).unwrap()
    }

    #[track_caller]
    fn finds(options: &Options, expected: &[(Severity, &str)]) {
        let found = check(options, NOW, Some(100_000));
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (finding, (severity, part)) in found.iter().zip(expected) {
            assert!(finding.severity == *severity && finding.text.contains(part), "{finding} has no '{part}'");
        }
    }

    use Severity::{Problem, Warning};

    #[test]
    fn sound_ones() {
        finds(&Options::default(), &[]);
        finds(&Files::new().options("origin = 'wss://relay.example.org'"), &[]);
        let behind = "origin = 'wss://relay.example.org'\ntrusted-proxy = '127.0.0.1'\nproxy-protocol = true\nadmin = '127.0.0.1:9477'";
        finds(&options(behind), &[]);
        finds(&options("admin = '0.0.0.0:9477'\nadmin-remote = true"), &[]);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let text =
            "listen = '0.0.0.0:7700'\ntls-cert = 'cert.pem'\nproxy-protocol = true\nadmin = '10.0.0.1:7700'\nmax-waiting = 0\ndrain = '1h'";
        let expected = [
            (Problem, "--tls-key"),
            (Problem, "--origin wss://"),
            (Problem, "--trusted-proxy"),
            (Problem, "--admin-remote"),
            (Problem, "own port"),
            (Problem, "max-waiting is 0"),
            (Problem, "at most 600s"),
        ];
        finds(&options(text), &expected);
    }

    #[test]
    fn certificates() {
        let files = Files::new();
        finds(&files.options("origin = 'wss://other.example.org'"), &[(Problem, "not for other.example.org")]);
        finds(&files.options("origin = ['wss://relay.example.org', 'ws://localhost:443']"), &[(Problem, "write wss://")]);
        let sound = files.options("origin = 'wss://relay.example.org'");
        let at = |now| check(&sound, now, None).into_iter().map(|finding| (finding.severity, finding.text)).collect::<Vec<_>>();
        let expected = |severity, part: &str, now| {
            let found = at(now);
            assert!(matches!(&found[..], [(is, text)] if *is == severity && text.contains(part)), "{found:?}");
        };
        expected(Warning, "expires in 13 days", NOW + 351 * DAY + 1);
        expected(Problem, "expired 10 days ago", NOW + 375 * DAY);
        expected(Problem, "only in 35 days", NOW - 400 * DAY);
        files.write_key(&KeyPair::generate().unwrap().serialize_pem());
        finds(&sound, &[(Problem, "issued together")]);
        files.write_key("");
        finds(&sound, &[(Problem, "key.pem")]);
        fs::remove_file(files.folder.path().join("cert.pem")).unwrap();
        finds(&sound, &[(Problem, "cert.pem")]);
        finds(&options("tls-key = 'key.pem'"), &[(Problem, "--tls-cert")]);
    }

    #[test]
    fn a_key_that_everybody_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let files = Files::new();
        fs::set_permissions(files.folder.path().join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
        finds(&files.options("origin = 'wss://relay.example.org'"), &[(Warning, "mode 644")]);
    }

    #[test]
    fn odd_ones() {
        finds(&options("origin = 'wss://relay.example.org'"), &[(Warning, "name it with --trusted-proxy")]);
        finds(&options("origin = ['ws://localhost:7700', 'ws://localhost:7700']"), &[(Warning, "twice")]);
        finds(&options("origin = 'ws://localhost:7701'"), &[(Warning, "is it forwarded?")]);
        finds(&options("trusted-proxy = ['0.0.0.0/0', '::/0']"), &[(Warning, "0.0.0.0/0"), (Warning, "::/0")]);
        finds(&options("max-connections = 10"), &[(Warning, "over max-connections")]);
        assert_eq!(check(&Options::default(), NOW, Some(20_000)), []);
        let found = check(&options("max-connections = 65536"), NOW, Some(20_000));
        assert!(found.len() == 1 && found[0].text.contains("LimitNOFILE=65792") && found[0].text.contains("= 19744"), "{found:?}");
        finds(&options("max-connections = 100000"), &[(Warning, "LimitNOFILE=100256")]);
        // A quarter is kept back at most.
        assert!(check(&options("max-connections = 750"), NOW, Some(1_024)).is_empty());
        let found = check(&Options::default(), NOW, Some(100));
        assert!(found.len() == 1 && found[0].text.contains("ulimit"), "{found:?}");
    }
}
