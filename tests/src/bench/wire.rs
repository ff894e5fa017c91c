//! WebSocket frames (RFC 6455 §5.2) as far as a load generator needs them: whole messages of one frame, written once, read in place.

/// A binary message.
pub(super) const BINARY: u8 = 2;
/// The end of a connection.
pub(super) const CLOSE: u8 = 8;
/// Asks for a pong.
pub(super) const PING: u8 = 9;
/// Answers a ping.
pub(super) const PONG: u8 = 10;

/// A real client draws a new one for every frame. The server's work is the same with a fixed one, and the load's is less.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What the client asks for; the key is the example of RFC 6455 §1.3.
pub(super) fn upgrade_request(host: &str) -> Vec<u8> {
    format!(
        "GET /v1 HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// What a listener behind a proxy answers to exactly that request.
pub(super) const UPGRADE_ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Where the head of an HTTP message ends, if it does.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Writes one whole message of one frame. Clients mask.
pub(super) fn encode(opcode: u8, payload: &[u8], masked: bool, out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    let mask_bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..=125 => out.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if masked {
        out.extend_from_slice(&MASK);
        out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        out.extend_from_slice(payload);
    }
}

/// A frame at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) opcode: u8,
    /// Still masked, if it came masked: the load never looks into what it forwards.
    pub(super) payload: &'a [u8],
    /// How many bytes the frame takes in all.
    pub(super) length: usize,
}

/// Reads the frame at the start of `bytes`; `None`: it is not all there yet.
///
/// # Panics
/// If it is a fragment: nothing that is measured here sends any.
pub(super) fn parse(bytes: &[u8]) -> Option<Found<'_>> {
    let [first, second, rest @ ..] = bytes else { return None };
    assert!(first & 0xf0 == 0x80, "a fragment or a reserved bit");
    let (length, rest) = match second & 0x7f {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (u64::from_be_bytes(*length) as usize, rest)
        }
        short => (usize::from(short), rest),
    };
    let rest = if second & 0x80 == 0 { rest } else { rest.get(4..)? };
    let payload = rest.get(..length)?;
    Some(Found { opcode: first & 0x0f, payload, length: bytes.len() - rest.len() + length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        // §5.7: "Hello" as text, unmasked and masked with the same key as ours.
        let mut bytes = Vec::new();
        encode(1, b"Hello", false, &mut bytes);
        assert_eq!(bytes, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        bytes.clear();
        encode(1, b"Hello", true, &mut bytes);
        assert_eq!(bytes, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn every_length_comes_back() {
        for length in [0, 1, 125, 126, 4096, 0xffff, 0x10000] {
            for masked in [false, true] {
                let mut bytes = Vec::new();
                encode(BINARY, &vec![7; length], masked, &mut bytes);
                assert!(parse(&bytes[..bytes.len() - 1]).is_none());
                bytes.push(0x99);
                let found = parse(&bytes).unwrap();
                assert_eq!((found.opcode, found.payload.len(), found.length), (BINARY, length, bytes.len() - 1));
            }
        }
    }

    #[test]
    fn heads_end() {
        assert_eq!(head_length(UPGRADE_ANSWER), Some(UPGRADE_ANSWER.len()));
        assert_eq!(head_length(b"HTTP/1.1 101\r\n"), None);
    }
}
