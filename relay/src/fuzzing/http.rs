//! The head of the request that opens a connection.

use super::pieces;
use crate::websocket::{Answer, answer};

const MAX: usize = 1024;

#[derive(Debug, PartialEq)]
enum Said {
    More,
    Upgrade(usize),
    Refuse(&'static [u8]),
}

fn ask(bytes: &[u8], known: usize) -> Said {
    match answer(bytes, known, MAX) {
        Answer::More => Said::More,
        Answer::Upgrade { response, taken, .. } => {
            assert!(taken <= bytes.len() && taken <= MAX + 4, "more is taken than there is");
            assert!(response.starts_with(b"HTTP/1.1 101 ") && response.ends_with(b"\r\n\r\n"));
            Said::Upgrade(taken)
        }
        Answer::Refuse(text) => {
            assert!(text.starts_with(b"HTTP/1.1 4"));
            Said::Refuse(text)
        }
    }
}

/// A head is answered the same however it is cut, and never kept beyond its limit.
pub fn http_head(data: &[u8]) {
    let mut head = Vec::new();
    for piece in pieces(data) {
        let known = head.len();
        head.extend_from_slice(&piece);
        let said = ask(&head, known);
        assert_eq!(said, ask(&head, 0), "it matters what was known");
        if said != Said::More {
            return;
        }
        assert!(head.len() <= MAX, "too much is kept");
    }
}
