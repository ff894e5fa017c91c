//! The URL of a relay, which is also its origin in every proof (docs/PROTOCOL.md §7).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest relay URL, in bytes.
pub const MAX_RELAY_URL: usize = 128;

/// `wss://host[:port]`, or `ws://host[:port]` to loopback, in normal form: small letters, no default port, no path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelayUrl {
    origin: String,
    host: String,
    port: u16,
    tls: bool,
    loopback: bool,
}

/// Why a text is no relay URL, and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayUrlError {
    /// Neither `wss://` nor `ws://`.
    #[error("a relay URL starts with wss://, like wss://relay.example.org")]
    Scheme,
    /// `ws://` to another machine.
    #[error("a relay without TLS is used on this machine only: write wss:// (or ws://127.0.0.1:PORT for a local one)")]
    PlainNotLoopback,
    /// No host, or none that can exist.
    #[error("the relay URL has no valid host name: write it like wss://relay.example.org")]
    Host,
    /// No number from 1 to 65535 after the colon.
    #[error("the port of the relay URL must be a number from 1 to 65535")]
    Port,
    /// Something follows host and port.
    #[error("a relay URL ends after host and port: leave out path, query and user name")]
    Path,
    /// Over [`MAX_RELAY_URL`].
    #[error("the relay URL is too long: at most 128 characters")]
    TooLong,
}

impl RelayUrl {
    /// Reads a URL and brings it to normal form. One `/` at the end is dropped.
    ///
    /// # Errors
    /// Every variant of [`RelayUrlError`].
    pub fn parse(text: &str) -> Result<Self, RelayUrlError> {
        if text.len() > MAX_RELAY_URL {
            return Err(RelayUrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(RelayUrlError::Scheme)?;
        let tls = match scheme {
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ => return Err(RelayUrlError::Scheme),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return Err(RelayUrlError::Path);
        }
        let (host, port) = split_port(authority)?;
        let (host, loopback) = parse_host(host)?;
        if !tls && !loopback {
            return Err(RelayUrlError::PlainNotLoopback);
        }
        let default = if tls { 443 } else { 80 };
        let port = port.map_or(Ok(default), parse_port)?;
        let scheme = if tls { "wss" } else { "ws" };
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let origin = if port == default { format!("{scheme}://{shown}") } else { format!("{scheme}://{shown}:{port}") };
        Ok(Self { origin, host, port, tls, loopback })
    }

    /// The normal form, which proofs hold.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Host name or address, to resolve and to check certificates against; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own if none was written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is `wss`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether the host is `localhost`, in 127.0.0.0/8, or `::1`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl std::fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)
    }
}

impl std::str::FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(text: &str) -> Result<Self, RelayUrlError> {
        Self::parse(text)
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), RelayUrlError> {
    if !authority.starts_with('[') {
        return Ok(match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        });
    }
    let end = authority.find(']').ok_or(RelayUrlError::Host)?;
    let (host, rest) = authority.split_at_checked(end + 1).ok_or(RelayUrlError::Host)?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(RelayUrlError::Host),
    }
}

fn parse_port(text: &str) -> Result<u16, RelayUrlError> {
    let port: u16 = text.parse().map_err(|_| RelayUrlError::Port)?;
    // One spelling for one port: no sign, no leading zeros, and 0 is none.
    if port == 0 || port.to_string() != text { Err(RelayUrlError::Port) } else { Ok(port) }
}

/// The host in normal form and whether it is loopback.
fn parse_host(text: &str) -> Result<(String, bool), RelayUrlError> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| RelayUrlError::Host)?;
        return Ok((address.to_string(), address.is_loopback()));
    }
    let name = text.to_ascii_lowercase();
    let mut last = "";
    for label in name.split('.') {
        let valid = (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-');
        if !valid {
            return Err(RelayUrlError::Host);
        }
        last = label;
    }
    // A name that ends in a number is an address (WHATWG URL §3.5); only the plain form with four parts is taken.
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        let address: Ipv4Addr = name.parse().map_err(|_| RelayUrlError::Host)?;
        return Ok((name, address.is_loopback()));
    }
    let loopback = name == "localhost";
    Ok((name, loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let url = RelayUrl::parse("ws://[::1]:7700").unwrap();
        assert_eq!((url.host(), url.port(), url.is_tls(), url.is_loopback()), ("::1", 7700, false, true));
        let url = RelayUrl::parse("WSS://Relay.Example.org:443/").unwrap();
        assert_eq!((url.host(), url.port(), url.is_tls(), url.is_loopback()), ("relay.example.org", 443, true, false));
        assert_eq!(url.to_string(), "wss://relay.example.org");
        assert!(RelayUrl::parse("ws://127.9.8.7").unwrap().is_loopback());
        assert_eq!(RelayUrl::parse("ws://localhost:80").unwrap().origin(), "ws://localhost");
    }
}
