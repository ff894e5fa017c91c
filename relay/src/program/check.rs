//! Whether a configuration is sound: everything that can be seen without starting, all at once. Listening is not tried.

mod files;
mod proxies;

use std::fmt;

use countersign_core::relay::RelayUrl;

use super::options::{Options, spell_time};
use crate::{
    limits::{
        FEWEST_FILES, MAX_DRAIN, MIN_FILES, MOST_CONNECTIONS, MOST_NATS_SERVERS, MOST_ORIGINS, MOST_RENDEZVOUS, MOST_TRUSTED_PROXIES,
        MOST_WAITING, RESERVED_FILES,
    },
    tls::Leaf,
};

pub(super) use files::ends_soon;

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
    let leaf = files::check_tls(options, now, &mut findings);
    check_origins(options, leaf.as_ref(), &mut findings);
    proxies::check_proxies(options, &mut findings);
    files::check_push(options, &mut findings);
    files::check_nats(options, &mut findings);
    check_admin(options, &mut findings);
    check_limits(options, max_files, &mut findings);
    findings.0
}

fn check_origins(options: &Options, leaf: Option<&Leaf>, findings: &mut Findings) {
    let listen = options.listen();
    let origins = options.origin.as_deref().unwrap_or_default();
    let own_tls = options.tls_cert.is_some() || options.tls_key.is_some();
    let behind = options.trusted_proxy.as_ref().is_some_and(|networks| !networks.is_empty());
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
        check_origin(origin, own_tls, leaf, findings);
        // Without TLS of its own, a proxy has the origin's port; one that is named has it in any case.
        if (own_tls || !origin.is_tls()) && !behind && listen.port() != 0 && origin.port() != listen.port() {
            findings.warning(format!(
                "clients of {origin} come to port {}, and the relay listens on port {}: is it forwarded?",
                origin.port(),
                listen.port()
            ));
        }
    }
    if !own_tls && !behind && origins.iter().any(RelayUrl::is_tls) {
        findings.warning(
            "the origin is wss:// and the relay speaks no TLS, so a proxy must: name it with --trusted-proxy, or all clients count as one \
             address; or give --tls-cert and --tls-key",
        );
    }
}

fn check_origin(origin: &RelayUrl, own_tls: bool, leaf: Option<&Leaf>, findings: &mut Findings) {
    if own_tls && !origin.is_tls() {
        findings.problem(format!("the origin {origin} is without TLS and the relay speaks TLS alone: write wss://"));
    }
    if origin.is_tls() && leaf.is_some_and(|leaf| !leaf.covers(origin.host())) {
        findings.problem(format!("the certificate is not for {}, the host of {origin}: clients will refuse it", origin.host()));
    }
}

fn check_admin(options: &Options, findings: &mut Findings) {
    let Some(admin) = options.admin else {
        if options.admin_remote == Some(true) {
            findings.problem("admin-remote is given, but no admin address: add --admin ADDRESS, or leave it out");
        }
        return;
    };
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
        ("max-connections", limits.max_connections, MOST_CONNECTIONS),
        ("max-connections-per-ip", limits.max_connections_per_ip, MOST_CONNECTIONS),
        ("max-waiting", limits.max_waiting, MOST_WAITING),
        ("max-rendezvous", limits.max_rendezvous, MOST_RENDEZVOUS),
    ];
    for (name, value, most) in named {
        if value == 0 {
            findings.problem(format!("{name} is 0, which refuses everybody: take at least 1"));
        } else if value > most {
            findings.problem(format!("{name} is {value}, more than a relay can have: take at most {most}"));
        }
    }
    let listed = [
        ("origins", options.origin.as_ref().map_or(0, Vec::len), MOST_ORIGINS),
        ("trusted proxies", options.trusted_proxy.as_ref().map_or(0, Vec::len), MOST_TRUSTED_PROXIES),
        ("servers of NATS", options.nats.as_ref().map_or(0, Vec::len), MOST_NATS_SERVERS),
    ];
    for (name, count, most) in listed {
        if count > most {
            findings.problem(format!("there are {count} {name}: name at most {most}"));
        }
    }
    if limits.max_connections_per_ip > limits.max_connections {
        findings.warning("max-connections-per-ip is over max-connections: one address may take every connection");
    }
    match max_files {
        Some(files) if files < FEWEST_FILES => findings.problem(format!(
            "at most {files} files may be open, and a relay needs {FEWEST_FILES} before anybody connects: raise the limit (ulimit -Hn, \
             LimitNOFILE)"
        )),
        Some(files) if files < MIN_FILES => findings.warning(format!(
            "at most {files} files may be open, which leaves room for few connections: raise the limit (ulimit -Hn, LimitNOFILE)"
        )),
        _ => {}
    }
    // The default is taken down to what fits without a word: it is for bigger machines.
    let max_files = max_files
        .and_then(|files| usize::try_from(files).ok())
        .filter(|_| options.max_connections.is_some() && limits.max_connections <= MOST_CONNECTIONS);
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
        let (given, most) = (spell_time(limits.drain), spell_time(MAX_DRAIN));
        findings.problem(format!("drain is {given}, longer than a request lives: take at most {most}"));
    }
}

#[cfg(test)]
mod tests;
