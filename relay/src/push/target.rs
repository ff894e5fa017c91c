//! Where a wake-up goes: an endpoint that a phone named, checked before anything is sent to it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use countersign_core::relay::MAX_ENDPOINT;
#[cfg(test)]
use countersign_core::relay::Subscription;
use hyper::Uri;
use zeroize::Zeroize as _;

use super::address::is_public;

/// Ports below this are other services' own: a relay is not for knocking at them. 443 is allowed.
const FIRST_FREE_PORT: u16 = 1024;

/// A subscription that was unsealed. Whoever has it can wake the phone, and it says where the phone's owner is a customer: `Debug` reveals nothing, and
/// it is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) endpoint: String,
    pub(crate) p256dh: [u8; 65],
    pub(crate) auth: [u8; 16],
}

impl Drop for Target {
    fn drop(&mut self) {
        self.endpoint.zeroize();
        self.auth.zeroize();
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target(..)")
    }
}

#[cfg(test)]
impl Target {
    pub(crate) fn subscription(&self) -> Subscription<'_> {
        Subscription { p256dh: self.p256dh, auth: self.auth, endpoint: self.endpoint.as_bytes() }
    }
}

/// An endpoint's URL, taken apart.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) tls: bool,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `host[:port]` as it goes into `Host`.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Endpoint {
    /// Takes an endpoint apart; `None` if a relay does not send there: no `https` URL, a user name, a fragment, a low port, an address that is not public.
    /// `private`: for tests, `http` and every address and port are fine.
    pub(crate) fn parse(text: &[u8], private: bool) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text.len() > MAX_ENDPOINT || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return None;
        }
        let uri: Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" if private => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let default = if tls { 443 } else { 80 };
        // `host:` and `host:99999` have no port that could be read.
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => default,
            port => port.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?,
        };
        if !private && port != 443 && port < FIRST_FREE_PORT {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if !private && host.parse::<IpAddr>().is_ok_and(|ip| !is_public(ip)) {
            return None;
        }
        let authority = if port == default { authority.host().to_owned() } else { format!("{}:{port}", authority.host()) };
        let path = uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned());
        Some(Self { tls, host, port, authority: authority.to_ascii_lowercase(), path })
    }

    /// The origin, as VAPID's audience.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

/// The addresses of a name, if every one of them is public: one that points inwards as well is up to something.
pub(crate) fn only_public(addresses: Vec<SocketAddr>, private: bool) -> Option<Vec<SocketAddr>> {
    (!addresses.is_empty() && (private || addresses.iter().all(|address| is_public(address.ip())))).then_some(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let parsed = |text: &str| Endpoint::parse(text.as_bytes(), false);
        let good = [
            ("https://push.example.org/send/abc?x=1", "https://push.example.org", "/send/abc?x=1", 443),
            ("https://Push.Example.ORG:443/a", "https://push.example.org", "/a", 443),
            ("https://push.example.org:8443", "https://push.example.org:8443", "/", 8443),
            ("https://1.1.1.1/a", "https://1.1.1.1", "/a", 443),
            ("https://[2606:4700::1111]:2000/a", "https://[2606:4700::1111]:2000", "/a", 2000),
        ];
        for (text, origin, path, port) in good {
            let endpoint = parsed(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((endpoint.origin().as_str(), endpoint.path.as_str(), endpoint.port), (origin, path, port), "{text}");
        }
        assert_eq!(parsed("https://[2606:4700::1111]/").unwrap().host, "2606:4700::1111");
        let long = format!("https://push.example.org/{}", "a".repeat(MAX_ENDPOINT));
        let bad = [
            "",
            "push.example.org",
            "/path",
            "http://push.example.org/a",
            "ftp://push.example.org/a",
            "https://",
            "https:///a",
            "https://user@push.example.org/a",
            "https://user:pass@push.example.org/",
            "https://push.example.org/a#b",
            "https://push.example.org:22/",
            "https://push.example.org:0/",
            "https://push.example.org:80/",
            "https://push.example.org:/",
            "https://push.example.org:99999/",
            "https://push.example.org/a b",
            "https://push.example.org/\r\nX: y",
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fe80::1]/",
            "https://0.0.0.0/",
            "https://p\u{fc}sh.example.org/",
            &long,
        ];
        for text in bad {
            assert!(parsed(text).is_none(), "{text}");
        }
        let private = |text: &str| Endpoint::parse(text.as_bytes(), true);
        assert_eq!(private("http://127.0.0.1:80/a").unwrap().origin(), "http://127.0.0.1");
        assert!(private("http://localhost:9999/a").is_some() && private("file:///etc/passwd").is_none());
    }

    #[test]
    fn a_name_with_one_inner_address_is_not_used_at_all() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert!(only_public(addresses(&["1.1.1.1:443", "[2606:4700::1111]:443"]), false).is_some());
        assert!(only_public(addresses(&["1.1.1.1:443", "127.0.0.1:443"]), false).is_none());
        assert!(only_public(addresses(&["[::ffff:10.0.0.1]:443"]), false).is_none());
        assert!(only_public(addresses(&["127.0.0.1:443"]), true).is_some());
        assert!(only_public(Vec::new(), true).is_none());
    }

    #[test]
    fn debug_reveals_nothing() {
        let target = Target { endpoint: "https://push.example.org/secret".into(), p256dh: [4; 65], auth: [1; 16] };
        assert_eq!(format!("{target:?}"), "Target(..)");
    }
}
