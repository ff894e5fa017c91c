//! The server's end of a WebSocket (RFC 6455), without a socket: bytes in, messages out.
//!
//! Headers, close codes and the opening handshake are tungstenite's. What is ours is the order of frames: tungstenite keeps a
//! buffer for each connection, and a relay has tens of thousands that say nothing. Here a connection between two messages keeps
//! nothing at all, and a message that came in one piece is unmasked where it lies.

mod decode;
mod encode;
mod handshake;

pub(crate) use decode::{Decoder, Item, Message};
pub(crate) use encode::{close, header, ping, pong};
pub(crate) use handshake::{Answer, answer};
