//! What proxies say about their clients.

use std::net::IpAddr;

use super::pieces;
use crate::{
    limits::MAX_PROXY_HEADER,
    proxy::{Proxied, Trusted, parse_proxy_header},
};

/// A PROXY header is read the same however it is cut and whatever comes after it, and never kept beyond its limit. Whatever stands in
/// X-Forwarded-For, nobody takes the address of the client that the trusted proxy names.
pub fn proxy(data: &[u8]) {
    let mut header = Vec::new();
    for piece in pieces(data) {
        header.extend_from_slice(&piece);
        let read = parse_proxy_header(&header);
        let longer = [&header[..], b"GET /v1"].concat();
        match read {
            Ok(None) => assert!(header.len() < MAX_PROXY_HEADER, "it would be kept"),
            Ok(Some(Proxied { length, .. })) => {
                assert!(length <= header.len() && length <= MAX_PROXY_HEADER, "more is taken than there is");
                let (exact, one_less) = (header.get(..length), header.get(..length - 1));
                assert_eq!(parse_proxy_header(exact.unwrap_or_default()), read);
                assert_eq!(parse_proxy_header(one_less.unwrap_or_default()), Ok(None));
                assert_eq!(parse_proxy_header(&longer), read);
                break;
            }
            Err(_) => {
                assert!(parse_proxy_header(&longer).is_err(), "more bytes make it good");
                break;
            }
        }
    }
    let text = String::from_utf8_lossy(data);
    let [trusted, stranger, client] = [[10, 0, 0, 1], [192, 0, 2, 1], [192, 0, 2, 7]].map(IpAddr::from);
    let proxies = Trusted::new(vec![trusted.into()], false);
    assert_eq!(proxies.client_of(stranger, [&*text].into_iter()), stranger);
    let added = format!("{text}, {client}");
    assert_eq!(proxies.client_of(trusted, [&*added].into_iter()), client);
    assert_eq!(proxies.client_of(trusted, [&*text, "192.0.2.7"].into_iter()), client);
}
