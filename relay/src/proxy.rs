//! Who a connection is from when proxies stand in front: only a proxy that the operator trusts may say so.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use proxy_header::{Error, ParseConfig, ProxyHeader};

use crate::limits::{MAX_PROXY_HEADER, MAX_PROXY_V1_HEADER};

/// The proxies that may name their clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    networks: Vec<IpNet>,
    /// Whether they send a PROXY protocol header (version 1 or 2) before anything else.
    pub proxy_protocol: bool,
}

/// What a PROXY protocol header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxied {
    /// The client; `None`: the proxy speaks for itself, as in a health check.
    pub client: Option<IpAddr>,
    /// How many bytes the header took. The client's own begin after them.
    pub length: usize,
}

/// The bytes begin with no PROXY protocol header. The proxy is set up wrongly, or it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Not of version 1 or 2.
    #[error("no PROXY protocol header where one must be")]
    Malformed,
    /// Over [`MAX_PROXY_HEADER`] or, of version 1, [`MAX_PROXY_V1_HEADER`].
    #[error("the PROXY protocol header is too long")]
    TooLong,
}

impl Trusted {
    /// Trusts the proxies in these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>, proxy_protocol: bool) -> Self {
        Self { networks, proxy_protocol }
    }

    /// Whether nobody is trusted: then every peer is a client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Whether `peer` is a trusted proxy.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// The client behind `peer`, by the values of its `X-Forwarded-For` headers, in their order. Each proxy adds at the end the
    /// address it was reached from, so what stands on the right was written by those we trust: the right-most hop that is not
    /// trusted is the client, and everything left of it is what that client claims. A hop that is no address ends the search.
    #[must_use]
    pub fn client_of<'a>(&self, peer: IpAddr, forwarded_for: impl Iterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        let values: Vec<&str> = forwarded_for.collect();
        let hops = values.iter().rev().flat_map(|value| value.rsplit(','));
        for hop in hops {
            if !self.contains(client) {
                break;
            }
            let Some(address) = parse_hop(hop) else { break };
            client = address;
        }
        client
    }
}

/// One hop of `X-Forwarded-For`: an address, some proxies add a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// Reads a PROXY protocol header, version 1 or 2, from the first bytes of a connection. `None`: it goes on, read more.
///
/// # Errors
/// [`ProxyError::Malformed`]; [`ProxyError::TooLong`] once it is sure that [`MAX_PROXY_HEADER`] bytes do not hold it.
pub fn parse_proxy_header(bytes: &[u8]) -> Result<Option<Proxied>, ProxyError> {
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    match ProxyHeader::parse(bytes, config) {
        // One that comes in one piece is not looked at for its length.
        Ok((_, length)) if length > if bytes.starts_with(b"PROXY") { MAX_PROXY_V1_HEADER } else { MAX_PROXY_HEADER } => {
            Err(ProxyError::TooLong)
        }
        Ok((header, length)) => {
            let client = header.proxied_address().map(|address| address.source.ip().to_canonical());
            Ok(Some(Proxied { client, length }))
        }
        Err(Error::BufferTooShort) if bytes.len() < MAX_PROXY_HEADER => Ok(None),
        Err(Error::BufferTooShort) => Err(ProxyError::TooLong),
        Err(_) => Err(ProxyError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn trusted() -> Trusted {
        Trusted::new(vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()], false)
    }

    #[track_caller]
    fn client(peer: &str, values: &[&str], expected: &str) {
        assert_eq!(trusted().client_of(ip(peer), values.iter().copied()), ip(expected));
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        client("10.0.0.1", &["192.0.2.7"], "192.0.2.7");
        client("10.0.0.1", &["198.51.100.1, 192.0.2.7"], "192.0.2.7");
        client("10.0.0.1", &["198.51.100.1, 192.0.2.7, 10.9.9.9"], "192.0.2.7");
        client("10.0.0.1", &["192.0.2.7", "10.9.9.9,10.1.1.1"], "192.0.2.7");
        client("2001:db8::1", &["2001:db9::5"], "2001:db9::5");
        client("::ffff:10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7");
        // With a port, in brackets.
        client("10.0.0.1", &["192.0.2.7:5555"], "192.0.2.7");
        client("10.0.0.1", &["[2001:db9::5]:443"], "2001:db9::5");
        client("10.0.0.1", &["[2001:db9::5]"], "2001:db9::5");
    }

    #[test]
    fn who_is_not_trusted_is_not_believed() {
        client("192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        assert_eq!(Trusted::default().client_of(ip("127.0.0.1"), ["192.0.2.7"].into_iter()), ip("127.0.0.1"));
        // No header, or one that says nothing: the last hop that is known.
        client("10.0.0.1", &[], "10.0.0.1");
        client("10.0.0.1", &["unknown"], "10.0.0.1");
        client("10.0.0.1", &["192.0.2.7, _hidden, 10.0.0.2"], "10.0.0.2");
        client("10.0.0.1", &["192.0.2.7,"], "10.0.0.1");
        // Trusted all the way: the first of them.
        client("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    }

    #[test]
    fn proxy_protocol_headers() {
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 5555 443\r\nGET /v1";
        let read = Proxied { client: Some(ip("192.0.2.7")), length: v1.len() - 7 };
        assert_eq!(parse_proxy_header(v1), Ok(Some(read)));
        let v6 = b"PROXY TCP6 2001:db9::5 2001:db8::1 5555 443\r\n";
        assert_eq!(parse_proxy_header(v6), Ok(Some(Proxied { client: Some(ip("2001:db9::5")), length: v6.len() })));
        assert_eq!(parse_proxy_header(b"PROXY UNKNOWN\r\n"), Ok(Some(Proxied { client: None, length: 15 })));
        let v2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[192, 0, 2, 7, 10, 0, 0, 1, 0x15, 0xb3, 1, 0xbb], b"GET"].concat();
        assert_eq!(parse_proxy_header(&v2), Ok(Some(Proxied { client: Some(ip("192.0.2.7")), length: v2.len() - 3 })));
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        assert_eq!(parse_proxy_header(local), Ok(Some(Proxied { client: None, length: 16 })));
        // Byte by byte.
        for whole in [&v1[..read.length], &v2[..v2.len() - 3], local] {
            for length in 0..whole.len() {
                assert_eq!(parse_proxy_header(&whole[..length]), Ok(None), "{length}");
            }
        }
    }

    #[test]
    fn what_is_no_proxy_protocol_header() {
        for bytes in [
            &b"GET /v1 HTTP/1.1\r\n"[..],
            b"PROXY TCP4 999.0.2.7 10.0.0.1 5555 443\r\n",
            b"\x16\x03\x01",
            b"\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c",
        ] {
            assert_eq!(parse_proxy_header(bytes), Err(ProxyError::Malformed));
        }
        // Endless ones.
        let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
        assert_eq!(parse_proxy_header(&endless), Err(ProxyError::Malformed));
        // Whole or in pieces, version 1 has its own limit.
        let of_length = |length: usize| [b"PROXY UNKNOWN ".as_slice(), &vec![b'x'; length - 16], b"\r\n"].concat();
        let longest = of_length(MAX_PROXY_V1_HEADER);
        assert_eq!(parse_proxy_header(&longest), Ok(Some(Proxied { client: None, length: MAX_PROXY_V1_HEADER })));
        assert_eq!(parse_proxy_header(&longest[..MAX_PROXY_V1_HEADER - 1]), Ok(None));
        assert_eq!(parse_proxy_header(&of_length(MAX_PROXY_V1_HEADER + 1)), Err(ProxyError::TooLong));
        let long = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".as_slice(), &[0; MAX_PROXY_HEADER]].concat();
        assert_eq!(parse_proxy_header(&long), Err(ProxyError::TooLong));
        let long = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x08\x00".as_slice(), &[0; 2048]].concat();
        assert_eq!(parse_proxy_header(&long), Err(ProxyError::TooLong));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let starts: [&[u8]; 4] = [b"PROXY ", b"PROXY TCP4 ", b"PROXY UNKNOWN", b"\r\n\r\n\0\r\nQUIT\n"];
        for _ in 0..20_000 {
            let mut bytes = starts[rng.next_u32() as usize % starts.len()].to_vec();
            for _ in 0..rng.next_u32() % 40 {
                let alphabet = b" .:\r\n0159fx\x20\x21\x11\x00\xff";
                bytes.push(alphabet[rng.next_u32() as usize % alphabet.len()]);
            }
            if let Ok(Some(header)) = parse_proxy_header(&bytes) {
                assert!(header.length <= bytes.len());
            }
        }
    }
}
