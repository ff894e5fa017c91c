//! Frames to a client: never masked, never in pieces.

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

/// Longest header of a frame that is not masked.
const MAX_HEADER: usize = 10;

/// What goes before a payload.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    bytes: [u8; MAX_HEADER],
    length: usize,
}

impl Header {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The header of a binary message of `length` bytes.
pub(crate) fn header(length: usize) -> Header {
    make(OpCode::Data(Data::Binary), length)
}

/// A ping without payload.
pub(crate) fn ping() -> Header {
    make(OpCode::Control(Control::Ping), 0)
}

/// The answer to a ping.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    control(Control::Pong, payload)
}

/// A close frame.
pub(crate) fn close(code: CloseCode) -> Vec<u8> {
    control(Control::Close, &u16::from(code).to_be_bytes())
}

fn control(kind: Control, payload: &[u8]) -> Vec<u8> {
    [make(OpCode::Control(kind), payload.len()).as_bytes(), payload].concat()
}

fn make(opcode: OpCode, length: usize) -> Header {
    let mut bytes = [0; MAX_HEADER];
    let mut room = bytes.as_mut_slice();
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    // Cannot fail: there is room for the longest header.
    let _ = header.format(length as u64, &mut room);
    let length = MAX_HEADER - room.len();
    Header { bytes, length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(header(5).as_bytes(), [0x82, 5]);
        assert_eq!(header(126).as_bytes(), [0x82, 126, 0, 126]);
        assert_eq!(header(65_536).as_bytes(), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(ping().as_bytes(), [0x89, 0]);
        assert_eq!(pong(b"ab"), [0x8a, 2, b'a', b'b']);
        assert_eq!(close(CloseCode::Normal), [0x88, 2, 0x03, 0xe8]);
    }
}
