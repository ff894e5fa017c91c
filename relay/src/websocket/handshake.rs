//! The opening handshake: from the head of an HTTP request to a WebSocket at `/v1`.

use tokio_tungstenite::tungstenite::{
    handshake::{
        machine::TryParse as _,
        server::{Request, create_response, write_response},
    },
    http::HeaderMap,
};

const PATH: &str = "/v1";
const END: &[u8] = b"\r\n\r\n";

macro_rules! refusal {
    ($status:literal, $headers:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\n",
            $headers,
            "Content-Type: text/plain\r\nContent-Length: 69\r\n\r\n",
            "This is a Countersign relay. It has one address: a WebSocket at /v1.\n"
        )
        .as_bytes()
    };
}

const NOT_FOUND: &[u8] = refusal!("404 Not Found", "Connection: close\r\n");
const NOT_A_WEBSOCKET: &[u8] =
    refusal!("426 Upgrade Required", "Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
const TOO_LONG: &[u8] = refusal!("431 Request Header Fields Too Large", "Connection: close\r\n");

/// What to do about the bytes so far.
pub(crate) enum Answer {
    /// The head has not ended yet.
    More,
    /// A WebSocket now; what follows the first `taken` bytes are frames already.
    Upgrade { response: Vec<u8>, taken: usize, headers: HeaderMap },
    /// No WebSocket: say this and close.
    Refuse(&'static [u8]),
}

/// Answers the request that `bytes` begin with; its head may have at most `max` bytes. It does not end in the first `known` ones:
/// a head that comes byte by byte is not searched from its start each time.
pub(crate) fn answer(bytes: &[u8], known: usize, max: usize) -> Answer {
    let from = known.saturating_sub(END.len() - 1);
    let found = bytes.get(from..).unwrap_or_default().windows(END.len()).position(|window| window == END);
    let Some(end) = found.map(|at| from + at) else {
        // What is surely no HTTP is told so before it has sent `max` bytes.
        let no_http = bytes.first().is_some_and(|first| !first.is_ascii_uppercase());
        return if no_http {
            Answer::Refuse(NOT_A_WEBSOCKET)
        } else if bytes.len() > max {
            Answer::Refuse(TOO_LONG)
        } else {
            Answer::More
        };
    };
    if end > max {
        return Answer::Refuse(TOO_LONG);
    }
    let Ok(Some((taken, request))) = Request::try_parse(bytes) else { return Answer::Refuse(NOT_A_WEBSOCKET) };
    if request.uri().path() != PATH {
        return Answer::Refuse(NOT_FOUND);
    }
    let mut written = Vec::new();
    match create_response(&request) {
        Ok(response) if write_response(&mut written, &response).is_ok() => {
            Answer::Upgrade { response: written, taken, headers: request.into_parts().0.headers }
        }
        _ => Answer::Refuse(NOT_A_WEBSOCKET),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /v1 HTTP/1.1\r\nHost: relay.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn status(request: &str) -> String {
        match answer(request.as_bytes(), 0, 1024) {
            Answer::More => "more".to_owned(),
            Answer::Upgrade { .. } => "101".to_owned(),
            Answer::Refuse(text) => String::from_utf8_lossy(&text[9..12]).into_owned(),
        }
    }

    #[test]
    fn upgrades() {
        let with_frame = format!("{GOOD}frame");
        let Answer::Upgrade { response, taken, headers } = answer(with_frame.as_bytes(), 0, 1024) else { panic!() };
        assert_eq!(taken, GOOD.len());
        assert_eq!(headers["host"], "relay.example");
        let response = String::from_utf8(response).unwrap().to_ascii_lowercase();
        assert!(response.starts_with("http/1.1 101 switching protocols\r\n"), "{response}");
        // RFC 6455 §1.3.
        assert!(response.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{response}");
    }

    #[test]
    fn refuses() {
        for end in 0..GOOD.len() {
            assert_eq!(status(&GOOD[..end]), "more");
        }
        assert_eq!(status(&GOOD.replace("/v1", "/v2")), "404");
        assert_eq!(status(&GOOD.replace("/v1", "/v1?x=1")), "101");
        for (old, new) in [
            ("GET", "POST"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("keep-alive, Upgrade", "keep-alive"),
            ("WebSocket\r\n", "h2c\r\n"),
            ("Version: 13", "Version: 8"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "short"),
            ("Host:", "H\u{0}st:"),
        ] {
            assert_eq!(status(&GOOD.replace(old, new)), "426", "{new}");
        }
        assert_eq!(status("\u{16}\u{3}\u{1}"), "426");
        assert_eq!(status(&"G".repeat(1025)), "431");
        assert_eq!(status(&GOOD.replace("relay.example", &"x".repeat(1024))), "431");
    }

    #[test]
    fn a_head_in_two_pieces() {
        for cut in 0..GOOD.len() {
            assert!(matches!(answer(GOOD.as_bytes(), cut, 1024), Answer::Upgrade { .. }), "{cut}");
        }
    }

    #[test]
    fn the_refusals_have_the_length_they_say() {
        for refusal in [NOT_FOUND, NOT_A_WEBSOCKET, TOO_LONG] {
            assert_eq!(refusal.split(|&byte| byte == b'\n').rev().nth(1).unwrap().len() + 1, 69);
        }
    }
}
