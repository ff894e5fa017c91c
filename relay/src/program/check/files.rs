//! What can be seen of files: certificate and key, keys of wake-ups, what NATS wants. Each is looked at for itself, so that one that is
//! wrong hides no other.

use std::path::Path;

use super::{super::options::Options, Findings};
use crate::{
    NatsConfig, NatsCredentials, PushKeys,
    limits::CERTIFICATE_WARNING,
    tls::{self, Leaf},
};

const DAY: u64 = 24 * 60 * 60;

pub(super) fn check_tls(options: &Options, now: u64, findings: &mut Findings) -> Option<Leaf> {
    let (cert, key) = (options.tls_cert.as_deref(), options.tls_key.as_deref());
    if cert.is_some() && key.is_none() {
        findings.problem("a certificate is given without its key: add --tls-key FILE");
    }
    if key.is_some() && cert.is_none() {
        findings.problem("a key is given without its certificate: add --tls-cert FILE");
    }
    findings.secret(key);
    let chain = cert.map(tls::read_chain).and_then(|chain| findings.take(chain));
    let key = key.map(tls::read_key).and_then(|key| findings.take(key));
    let (cert, chain) = cert.zip(chain)?;
    let leaf = chain.1.clone();
    if let Some(key) = key {
        findings.take(tls::join(chain, key, cert));
    }
    if now > leaf.not_after {
        findings.problem(format!("the certificate in {} has expired {} ago: renew it", cert.display(), days(now - leaf.not_after)));
    } else if let Some(soon) = ends_soon(&leaf, now, cert) {
        findings.warning(soon);
    }
    if now < leaf.not_before {
        let begins = days(leaf.not_before - now);
        findings.problem(format!("the certificate in {} is valid only in {begins}: is the clock right?", cert.display()));
    }
    Some(leaf)
}

/// What is said of a certificate that ends within [`CERTIFICATE_WARNING`].
pub(in super::super) fn ends_soon(leaf: &Leaf, now: u64, cert: &Path) -> Option<String> {
    let left = leaf.not_after.checked_sub(now).filter(|left| *left < CERTIFICATE_WARNING.as_secs())?;
    Some(format!("the certificate in {} expires in {}: renew it", cert.display(), days(left)))
}

pub(super) fn check_push(options: &Options, findings: &mut Findings) {
    let (keys, contact) = (options.push_keys.as_deref(), options.push_contact.as_deref());
    if keys.is_some() && contact.is_none() {
        findings.problem("wake-ups need a way to reach you: add --push-contact mailto:you@example.org");
    }
    if contact.is_some() && keys.is_none() {
        findings.problem("wake-ups need keys: add --push-keys FILE (it is made if it does not exist)");
    }
    if keys.is_some() && options.push_allow_private == Some(true) {
        findings.warning("wake-ups may go to addresses of this machine and its network: push-allow-private is for tests alone");
    }
    if let Some(contact) = contact {
        findings.take(PushKeys::check_contact(contact));
    }
    if let Some(keys) = keys {
        findings.take(PushKeys::check_file(keys));
    }
}

pub(super) fn check_nats(options: &Options, findings: &mut Findings) {
    let urls = options.nats.clone().unwrap_or_default();
    let file = options.nats_credentials.as_deref();
    if urls.is_empty() {
        if file.is_none() && options.nats_ca.is_none() && options.nats_prefix.is_none() {
            return;
        }
        findings.problem("options of NATS are given, but no server: add --nats tls://nats.internal:4222");
    }
    findings.secret(file);
    let credentials = file.map(NatsCredentials::read).and_then(|credentials| findings.take(credentials));
    let nats = NatsConfig { urls, prefix: options.nats_prefix.clone().unwrap_or_default(), credentials, roots: options.nats_ca.clone() };
    for fault in nats.faults() {
        findings.problem(fault.to_string());
    }
    if nats.is_plain() {
        findings.warning("the connection to NATS is not encrypted: take tls:// outside a private network");
    }
}

impl Findings {
    /// What was read, or why it was not as a problem.
    fn take<T>(&mut self, read: Result<T, impl std::error::Error>) -> Option<T> {
        read.map_err(|error| self.problem(error.to_string())).ok()
    }

    /// A file that is for the relay alone.
    fn secret(&mut self, file: Option<&Path>) {
        if let Some((file, mode)) = file.and_then(|file| Some((file, readable_by_all(file)?))) {
            self.warning(format!("everybody on this machine may read {} (mode {mode:o}): chmod o-r it", file.display()));
        }
    }
}

fn days(seconds: u64) -> String {
    match seconds / DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// The mode of a file that everybody may read. Folders are told of elsewhere.
#[cfg(unix)]
fn readable_by_all(file: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(file).ok().filter(|metadata| !metadata.is_dir())?;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o004 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn readable_by_all(_: &Path) -> Option<u32> {
    None
}
