//! Frames from a client.

use std::{io::Cursor, ops::Deref};

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

use super::encode;
use crate::limits::MAX_FRAME;

/// Bytes of a mask.
const MASK: usize = 4;
/// Longest payload of a control frame (RFC 6455 §5.5).
const MAX_CONTROL: u64 = 125;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A whole binary message, unmasked.
    Message(Message<'a>),
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    /// An answer, or just a sign of life.
    Pong,
    /// Part of a message of which more is to come.
    Fragment,
    /// The client closes, with a code or without.
    Close(Option<CloseCode>),
}

/// A binary message. One that came in a single frame has that frame's header in front of it still.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    bytes: Bytes<'a>,
    start: usize,
}

#[derive(Debug)]
enum Bytes<'a> {
    /// Where it was read.
    Here(&'a mut [u8]),
    /// It came in pieces.
    Apart(Vec<u8>),
}

impl Bytes<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Here(bytes) => bytes,
            Self::Apart(bytes) => bytes,
        }
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes: &[u8] = match &self.bytes {
            Bytes::Here(bytes) => bytes,
            Bytes::Apart(bytes) => bytes,
        };
        bytes.get(self.start..).unwrap_or_default()
    }
}

impl PartialEq for Message<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Message<'_> {}

impl Message<'_> {
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.as_mut().get_mut(self.start..).unwrap_or_default()
    }

    /// The same message as a frame for another client, written over this one: a header without mask is shorter. `None` if it came in
    /// several frames and has no header in front.
    pub(crate) fn reframe(&mut self) -> Option<&[u8]> {
        let header = encode::header(self.len());
        let header = header.as_bytes();
        let begin = self.start.checked_sub(header.len())?;
        let bytes = self.bytes.as_mut();
        bytes.get_mut(begin..self.start)?.copy_from_slice(header);
        bytes.get(begin..)
    }
}

/// What a client must not send. The code is what it is told in the close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Against RFC 6455: 1002.
    Protocol,
    /// A text message: 1003.
    Text,
    /// The reason of a close frame is no text: 1007.
    NotUtf8,
    /// A message over [`MAX_FRAME`]: 1009.
    TooBig,
}

impl Violation {
    pub(crate) fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol => CloseCode::Protocol,
            Self::Text => CloseCode::Unsupported,
            Self::NotUtf8 => CloseCode::Invalid,
            Self::TooBig => CloseCode::Size,
        }
    }
}

/// Finds messages in what a client sends. Between two messages it holds nothing; after a [`Violation`] it is of no more use.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    partial: Option<Box<Partial>>,
}

/// What is kept until there is more.
#[derive(Debug, Default)]
struct Partial {
    /// A frame of which the end is missing, as it came.
    frame: Vec<u8>,
    /// The fragments so far of a message that comes in several frames.
    message: Option<Vec<u8>>,
}

/// Where a frame ends.
struct Bounds {
    header: FrameHeader,
    start: usize,
    end: usize,
}

impl Decoder {
    /// Bytes kept for a message that is not whole yet; at most two [`MAX_FRAME`], a header and [`Decoder::PARTIAL`]. Not 0 even if
    /// the fragments so far are empty.
    pub(crate) fn held(&self) -> usize {
        let bytes = |partial: &Partial| partial.frame.capacity() + partial.message.as_ref().map_or(0, Vec::capacity);
        self.partial.as_ref().map_or(0, |partial| Self::PARTIAL + bytes(partial))
    }

    /// What a message that has begun takes besides its bytes.
    pub(crate) const PARTIAL: usize = size_of::<Partial>();

    /// Takes the next item off the front of `input`; `None`: all of it is taken and there is no more to say yet.
    ///
    /// Unmasks in place: what is returned lies in `input` unless it came in several pieces.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Item<'a>>, Violation> {
        let started = self.partial.as_ref().is_some_and(|partial| !partial.frame.is_empty());
        let (header, message) = if started {
            match self.complete(input)? {
                Some(whole) => whole,
                None => return Ok(None),
            }
        } else {
            if input.is_empty() {
                return Ok(None);
            }
            match bounds(input, self.message())? {
                Some(Bounds { header, start, end }) if end <= input.len() => {
                    let (frame, rest) = std::mem::take(input).split_at_mut(end);
                    *input = rest;
                    let mut message = Message { bytes: Bytes::Here(frame), start };
                    unmask(message.as_mut(), header.mask);
                    (header, message)
                }
                _ => {
                    self.partial.get_or_insert_default().frame.extend_from_slice(input);
                    *input = &mut [];
                    return Ok(None);
                }
            }
        };
        self.item(&header, message).map(Some)
    }

    /// Adds to a frame of which the end was missing; gives it when it is whole.
    fn complete<'a>(&mut self, input: &mut &mut [u8]) -> Result<Option<(FrameHeader, Message<'a>)>, Violation> {
        let Some(partial) = self.partial.as_deref_mut() else { return Ok(None) };
        loop {
            let wanted = match bounds(&partial.frame, partial.message.as_deref())? {
                Some(Bounds { header, start, end }) if end == partial.frame.len() => {
                    let mut message = Message { bytes: Bytes::Apart(std::mem::take(&mut partial.frame)), start };
                    unmask(message.as_mut(), header.mask);
                    if partial.message.is_none() {
                        self.partial = None;
                    }
                    return Ok(Some((header, message)));
                }
                Some(bounds) => bounds.end,
                None => header_length(&partial.frame),
            };
            if input.is_empty() {
                return Ok(None);
            }
            // Nothing of the next frame may be taken.
            let missing = wanted - partial.frame.len();
            let available = missing.min(input.len());
            let (taken, rest) = std::mem::take(input).split_at_mut(available);
            partial.frame.reserve_exact(missing);
            partial.frame.extend_from_slice(taken);
            *input = rest;
        }
    }

    fn message(&self) -> Option<&[u8]> {
        self.partial.as_ref()?.message.as_deref()
    }

    /// What a whole frame amounts to.
    fn item<'a>(&mut self, header: &FrameHeader, payload: Message<'a>) -> Result<Item<'a>, Violation> {
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(Item::Ping(payload.to_vec())),
            OpCode::Control(Control::Pong) => Ok(Item::Pong),
            OpCode::Control(_) => parse_close(&payload).map(Item::Close),
            OpCode::Data(_) => {
                let message = self.partial.as_deref_mut().and_then(|partial| partial.message.as_mut());
                match (message, header.is_final) {
                    (None, true) => Ok(Item::Message(payload)),
                    (None, false) => {
                        self.partial.get_or_insert_default().message = Some(payload.to_vec());
                        Ok(Item::Fragment)
                    }
                    (Some(message), last) => {
                        message.extend_from_slice(&payload);
                        if !last {
                            return Ok(Item::Fragment);
                        }
                        let message = std::mem::take(message);
                        self.partial = None;
                        Ok(Item::Message(Message { bytes: Bytes::Apart(message), start: 0 }))
                    }
                }
            }
        }
    }
}

/// Length of the header that `frame` begins with, as far as one can tell: at least this many bytes are needed.
fn header_length(frame: &[u8]) -> usize {
    match frame.get(1).map(|second| second & 0x7f) {
        None => 2,
        Some(126) => 2 + 2 + MASK,
        Some(127) => 2 + 8 + MASK,
        Some(_) => 2 + MASK,
    }
}

/// Where the frame at the front of `bytes` ends, checked as far as its header goes; `None`: the header is not whole.
/// `message` holds the fragments before it.
fn bounds(bytes: &[u8], message: Option<&[u8]>) -> Result<Option<Bounds>, Violation> {
    let mut cursor = Cursor::new(bytes);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol)?;
    let Some((header, length)) = parsed else { return Ok(None) };
    let start = usize::try_from(cursor.position()).map_err(|_| Violation::Protocol)?;
    // RFC 6455 §5.1 (masked), §5.2 (no extension was agreed on; the shortest form of a length).
    if header.rsv1 || header.rsv2 || header.rsv3 || header.mask.is_none() || start != header.len(length) {
        return Err(Violation::Protocol);
    }
    let before = match header.opcode {
        OpCode::Control(_) if header.is_final && length <= MAX_CONTROL => 0,
        OpCode::Data(Data::Text) => return Err(Violation::Text),
        OpCode::Data(Data::Binary) if message.is_none() => 0,
        OpCode::Data(Data::Continue) => message.ok_or(Violation::Protocol)?.len(),
        _ => return Err(Violation::Protocol),
    };
    match usize::try_from(length) {
        Ok(length) if length <= MAX_FRAME - before => Ok(Some(Bounds { header, start, end: start + length })),
        _ => Err(Violation::TooBig),
    }
}

fn unmask(payload: &mut [u8], mask: Option<[u8; 4]>) {
    let mask = mask.unwrap_or_default();
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

fn parse_close(payload: &[u8]) -> Result<Option<CloseCode>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::Protocol) };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_allowed() {
        return Err(Violation::Protocol);
    }
    std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(Some(code))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
