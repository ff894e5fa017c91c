//! One connection: its socket, what has not been written yet, and what has not been understood yet.

use std::{
    io,
    net::IpAddr,
    num::NonZeroU64,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{
    line::Place,
    ready::ConnWaker,
    tls::{self, Tls},
};
use crate::{
    network::Network,
    switch::ConnId,
    websocket::{self, Decoder},
};

/// A connection that nothing is being sent on takes this struct, a waker, and what tokio keeps of a socket.
pub(super) struct Conn {
    pub(super) id: ConnId,
    /// The address it was accepted from.
    pub(super) peer: IpAddr,
    /// Whose it is, as far as is known.
    pub(super) network: Network,
    /// Whether it is counted there; not while a proxy has not said whose it is.
    pub(super) is_counted: bool,
    pub(super) phase: Phase,
    /// With what the WebSocket is closed if the switch ends it.
    pub(super) close_code: CloseCode,
    /// Whether anything came in since the last ping.
    pub(super) heard: bool,
    /// When the message began of which the end is missing.
    pub(super) message_since: Option<NonZeroU64>,
    /// Whether the deadline of a message runs.
    pub(super) message_due: bool,
    /// Whether it waits until it no longer owes work.
    pub(super) paused: bool,
    /// Work done for it beyond what time has forgiven, and the second up to which it has.
    owed: u32,
    second: u32,
    /// Among those that have shown nothing yet.
    pub(super) stranger: Place,
    /// Among those that hold memory beyond what an idle one does.
    pub(super) holder: Place,
    /// Bytes counted as held, the last time they were.
    pub(super) counted: usize,
    stream: TcpStream,
    waker: Arc<ConnWaker>,
    tls: Option<Box<Tls>>,
    backlog: Option<Box<Backlog>>,
}

/// How far a connection has come.
pub(super) enum Phase {
    /// The header of the PROXY protocol so far.
    Proxied(Vec<u8>),
    /// The head of the HTTP request so far.
    Head(Vec<u8>),
    /// A WebSocket.
    Open(Decoder),
    /// Nothing that comes in matters any more; what is to be said is being written.
    Closing,
}

/// What could not be written at once.
struct Backlog {
    bytes: Vec<u8>,
    written: usize,
    /// Whether any of it was written since the last ping.
    moved: bool,
}

/// The connection is broken, or its other end does not read.
#[derive(Debug)]
pub(super) struct Gone;

/// What a read gave.
pub(super) enum Read {
    Bytes(usize),
    /// The waker is called when there is more.
    Later,
    Ended,
}

impl Conn {
    pub(super) fn new(id: ConnId, peer: IpAddr, phase: Phase, stream: TcpStream, waker: Arc<ConnWaker>, tls: Option<Tls>) -> Self {
        Self {
            id,
            peer,
            network: peer.into(),
            is_counted: false,
            phase,
            close_code: CloseCode::Normal,
            heard: false,
            message_since: None,
            message_due: false,
            paused: false,
            owed: 0,
            second: 0,
            stranger: None,
            holder: None,
            counted: 0,
            stream,
            waker,
            tls: tls.map(Box::new),
            backlog: None,
        }
    }

    /// Whether its handshakes are not over.
    pub(super) fn is_stranger(&self) -> bool {
        matches!(self.phase, Phase::Proxied(_) | Phase::Head(_))
    }

    /// Its turn has come.
    pub(super) fn taken(&self) {
        self.waker.taken();
    }

    /// Asks for another turn.
    pub(super) fn again(&self) {
        Waker::from(Arc::clone(&self.waker)).wake();
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Read {
        let waker = Waker::from(Arc::clone(&self.waker));
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(&waker), &mut buffer) {
            Poll::Pending => Read::Later,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Read::Bytes(buffer.filled().len()),
            Poll::Ready(_) => Read::Ended,
        }
    }

    /// Whether it speaks TLS; then what comes in goes through [`Conn::decrypt`] first.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Adds plain text to `plain`. What TLS has to say is sent.
    pub(super) fn decrypt(&mut self, input: &mut [u8], plain: &mut Vec<u8>, scratch: &mut Vec<u8>) -> Result<(), Gone> {
        let Some(tls) = &mut self.tls else { return Err(Gone) };
        scratch.clear();
        let result = tls.receive(input, plain, scratch);
        let sent = if scratch.is_empty() { Ok(()) } else { self.write(scratch) };
        result.map_err(|tls::Failed| Gone)?;
        sent
    }

    /// Sends a binary message.
    pub(super) fn send(&mut self, payload: &[u8], scratch: &mut Vec<u8>) -> Result<(), Gone> {
        let header = websocket::header(payload.len());
        match &mut self.tls {
            // One short copy costs less than what the kernel does for two pieces.
            None => {
                scratch.clear();
                scratch.extend_from_slice(header.as_bytes());
                scratch.extend_from_slice(payload);
                self.write(scratch)
            }
            Some(_) => self.send_raw(&[header.as_bytes(), payload].concat(), scratch),
        }
    }

    /// Sends bytes as they are.
    pub(super) fn send_raw(&mut self, bytes: &[u8], scratch: &mut Vec<u8>) -> Result<(), Gone> {
        match &mut self.tls {
            None => self.write(bytes),
            Some(tls) => {
                scratch.clear();
                tls.send(bytes, scratch).map_err(|tls::Failed| Gone)?;
                self.write(scratch)
            }
        }
    }

    /// Keeps bytes for the next flush, so that they go out together with what follows.
    pub(super) fn hold_back(&mut self, bytes: &[u8], scratch: &mut Vec<u8>) -> Result<(), Gone> {
        match &mut self.tls {
            None => self.keep(bytes),
            Some(tls) => {
                scratch.clear();
                tls.send(bytes, scratch).map_err(|tls::Failed| Gone)?;
                self.keep(scratch);
            }
        }
        Ok(())
    }

    /// The last words of a WebSocket.
    pub(super) fn close(&mut self, scratch: &mut Vec<u8>) {
        if matches!(self.phase, Phase::Open(_)) {
            let _ = self.send_raw(&websocket::close(self.close_code), scratch);
        }
        self.phase = Phase::Closing;
        if let Some(tls) = &mut self.tls {
            scratch.clear();
            tls.close(scratch);
            let _ = self.write(scratch);
        }
        self.end_output();
    }

    /// Writes what could not be written before.
    pub(super) fn flush(&mut self) -> Result<(), Gone> {
        while let Some(backlog) = &mut self.backlog {
            let rest = backlog.bytes.get(backlog.written..).unwrap_or_default();
            match self.stream.try_write(rest) {
                Ok(0) => return Err(Gone),
                Ok(written) => {
                    backlog.moved = true;
                    backlog.written += written;
                    if backlog.written >= backlog.bytes.len() {
                        self.backlog = None;
                        self.end_output();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.cannot_write() {
                        return Ok(());
                    }
                }
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    /// Bytes that wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.bytes.len() - backlog.written)
    }

    /// Memory that this connection takes beyond what an idle one does.
    pub(super) fn held(&self) -> usize {
        let backlog = self.backlog.as_ref().map_or(0, |backlog| backlog.bytes.capacity());
        backlog + self.held_input()
    }

    /// Bytes that came in and are no whole message yet.
    pub(super) fn held_input(&self) -> usize {
        let tls = self.tls.as_ref().map_or(0, |tls| tls.held());
        let phase = match &self.phase {
            Phase::Proxied(head) | Phase::Head(head) => head.capacity(),
            Phase::Open(decoder) => decoder.held(),
            Phase::Closing => 0,
        };
        tls + phase
    }

    /// Counts work.
    pub(super) fn charge(&mut self, work: usize) {
        self.owed = self.owed.saturating_add(u32::try_from(work).unwrap_or(u32::MAX));
    }

    /// Whether it has used up its share of this `second`.
    pub(super) fn owes(&mut self, per_second: usize, second: u32) -> bool {
        let per_second = u32::try_from(per_second).unwrap_or(u32::MAX);
        self.owed = self.owed.saturating_sub(per_second.saturating_mul(second.saturating_sub(self.second)));
        self.second = second;
        self.owed > per_second
    }

    /// Whether everything unwritten has stood still since this was last asked.
    pub(super) fn stands_still(&mut self) -> bool {
        self.backlog.as_mut().is_some_and(|backlog| !std::mem::take(&mut backlog.moved))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let mut written = 0;
        let first = self.backlog.is_none();
        if first {
            match self.stream.try_write(bytes) {
                Ok(length) if length == bytes.len() => return Ok(()),
                Ok(0) => return Err(Gone),
                Ok(length) => written = length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Gone),
            }
        }
        self.keep(bytes.get(written..).unwrap_or_default());
        // Registers the waker. It may have become writable meanwhile.
        if first && !self.cannot_write() { self.flush() } else { Ok(()) }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let backlog = self.backlog.get_or_insert_with(|| Box::new(Backlog { bytes: Vec::new(), written: 0, moved: true }));
        if backlog.written > backlog.bytes.len() / 2 {
            backlog.bytes.drain(..backlog.written);
            backlog.written = 0;
        }
        backlog.bytes.extend_from_slice(bytes);
    }

    /// Whether the socket takes nothing now; then the waker is called when it does.
    fn cannot_write(&self) -> bool {
        let waker = Waker::from(Arc::clone(&self.waker));
        self.stream.poll_write_ready(&mut Context::from_waker(&waker)).is_pending()
    }

    /// Once all is said, the other end is told so.
    fn end_output(&mut self) {
        if matches!(self.phase, Phase::Closing) && self.backlog.is_none() {
            let waker = Waker::from(Arc::clone(&self.waker));
            // Never waits on a TCP socket.
            let _ = Pin::new(&mut self.stream).poll_shutdown(&mut Context::from_waker(&waker));
        }
    }
}
