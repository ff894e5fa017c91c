//! WebSocket frames, with tungstenite as an oracle.

use std::io::{self, Read, Write};

use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::pieces;
use crate::{
    limits::MAX_FRAME,
    websocket::{Decoder, Item},
};

/// The longest header of a masked frame.
const HEADER: usize = 14;

/// A stream that gives some bytes and takes anything.
struct Script<'a>(&'a [u8]);

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Script<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The messages, and whether there was a fault after them.
type Found = (Vec<Vec<u8>>, bool);

/// What tungstenite finds.
pub(crate) fn theirs(bytes: &[u8]) -> Found {
    let config = WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut stream = Script(bytes);
    let mut messages = Vec::new();
    loop {
        match context.read(&mut stream) {
            Ok(Message::Binary(message)) => messages.push(message.to_vec()),
            Ok(Message::Text(_)) => return (messages, true),
            Ok(Message::Close(_)) => return (messages, false),
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (messages, false),
            Err(_) => return (messages, true),
        }
    }
}

/// What our decoder finds in chunks that come one after the other.
pub(crate) fn ours(chunks: impl Iterator<Item = Vec<u8>>) -> Found {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for mut chunk in chunks {
        let mut input = chunk.as_mut_slice();
        loop {
            let item = decoder.next(&mut input);
            assert!(decoder.held() <= 2 * (MAX_FRAME + HEADER) + Decoder::PARTIAL, "{} bytes are held", decoder.held());
            match item {
                Ok(Some(Item::Message(message))) => messages.push(message.to_vec()),
                Ok(Some(Item::Close(_))) => return (messages, false),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
        assert!(input.is_empty(), "something was not taken");
    }
    (messages, false)
}

/// The same messages however the bytes are cut, and the same as tungstenite's; we may only find a fault where it finds none.
pub fn websocket(data: &[u8]) {
    let bytes = data.get(1..).unwrap_or_default();
    let found = ours(pieces(data));
    assert_eq!(found, ours(bytes.chunks(bytes.len().max(1)).map(<[u8]>::to_vec)), "it matters how the bytes are cut");
    let theirs = theirs(bytes);
    assert!(found == theirs || found.1 && theirs.0.starts_with(&found.0), "tungstenite finds something else");
}
