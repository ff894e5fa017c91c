//! TLS without a socket: records in, plain text out, and the other way round.
//!
//! rustls's unbuffered API, so that a connection that says nothing keeps its keys and no buffer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio_rustls::rustls::{
    Error, ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic},
};

use crate::limits::MAX_TLS_HELD;

/// The server's end of one TLS connection.
pub(crate) struct Tls {
    rustls: UnbufferedServerConnection,
    /// A record, or a message of the handshake, of which the end is missing. rustls remembers how far into them it has looked and
    /// panics if it is shown fewer bytes the next time: every call gets them again.
    incoming: Vec<u8>,
    failed: bool,
}

/// The other end broke the protocol or is not to be talked to; an alert that says so may be among what is to be sent.
#[derive(Debug)]
pub(crate) struct Failed;

/// How far the bytes at hand led.
enum Stop<'a> {
    /// Application data can be sent.
    CanSend(WriteTraffic<'a, ServerConnectionData>),
    /// More is needed, or nothing more will come.
    Blocked,
}

impl Tls {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self { rustls: UnbufferedServerConnection::new(config)?, incoming: Vec::new(), failed: false })
    }

    /// Bytes kept until there is more.
    pub(crate) fn held(&self) -> usize {
        self.incoming.capacity()
    }

    /// Takes what came in: adds plain text to `plain`, and records that are to be sent to `out` (also if it fails).
    pub(crate) fn receive(&mut self, input: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Failed> {
        let mut kept = std::mem::take(&mut self.incoming);
        let bytes = if kept.is_empty() {
            input
        } else {
            kept.reserve_exact(input.len());
            kept.extend_from_slice(input);
            kept.as_mut_slice()
        };
        if self.failed {
            return Err(Failed);
        }
        let Ok(taken) = contained(|| Ok(drive(&mut self.rustls, bytes, plain, out)?.0)) else {
            self.failed = true;
            return Err(Failed);
        };
        let rest = bytes.get(taken..).unwrap_or_default();
        if rest.len() > MAX_TLS_HELD {
            return Err(Failed);
        }
        self.incoming = rest.to_vec();
        Ok(())
    }

    /// Adds records with `plain` in them to `out`.
    pub(crate) fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        self.say(out, |mut traffic, out| {
            write(out, |room| match traffic.encrypt(plain, room) {
                Err(EncryptError::InsufficientSize(size)) => Err(size),
                Err(EncryptError::EncryptExhausted) | Ok(0) => Ok(None),
                Ok(written) => Ok(Some(written)),
            })
        })
    }

    /// Adds the goodbye to `out`.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        // A goodbye that cannot be made is not said; the connection ends all the same.
        let _ = self.say(out, |mut traffic, out| {
            write(out, |room| match traffic.queue_close_notify(room) {
                Err(EncryptError::InsufficientSize(size)) => Err(size),
                Err(EncryptError::EncryptExhausted) => Ok(None),
                Ok(written) => Ok(Some(written)),
            })
        });
    }

    fn say(
        &mut self,
        out: &mut Vec<u8>,
        words: impl FnOnce(WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        if self.failed {
            return Err(Failed);
        }
        // What is kept has been looked at: nothing comes of it before there is more.
        let mut unexpected = Vec::new();
        let said = contained(|| {
            let (taken, stop) = drive(&mut self.rustls, &mut self.incoming, &mut unexpected, out)?;
            Ok((taken, if let Stop::CanSend(traffic) = stop { words(traffic, out) } else { Err(Failed) }))
        });
        let Ok((taken, said)) = said else {
            self.failed = true;
            return Err(Failed);
        };
        self.incoming.drain(..taken.min(self.incoming.len()));
        said
    }
}

/// rustls's unbuffered API panics where it expects to be used otherwise. Should there be such a place left, it ends one connection
/// and not the relay; what it was working on is never used again.
fn contained<T>(work: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failed))
}

/// Lets rustls do what can be done with `bytes`; says how many of them it has taken.
fn drive<'a>(
    rustls: &'a mut UnbufferedServerConnection,
    bytes: &mut [u8],
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(usize, Stop<'a>), Failed> {
    let mut taken = 0;
    // Twice the same call: what it borrows for `CanSend` lives longer than this loop's turn.
    while step(rustls, bytes.get_mut(taken..).unwrap_or_default(), plain, out, &mut taken)? {}
    let UnbufferedStatus { discard, state } = rustls.process_tls_records(bytes.get_mut(taken..).unwrap_or_default());
    match state {
        Ok(ConnectionState::WriteTraffic(traffic)) => Ok((taken + discard, Stop::CanSend(traffic))),
        Ok(_) => Ok((taken + discard, Stop::Blocked)),
        Err(_) => Err(Failed),
    }
}

/// One thing that can be done; `false`: there is none.
fn step(
    rustls: &mut UnbufferedServerConnection,
    bytes: &mut [u8],
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
    taken: &mut usize,
) -> Result<bool, Failed> {
    let UnbufferedStatus { mut discard, state } = rustls.process_tls_records(bytes);
    let more = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            while let Some(record) = traffic.next_record() {
                let record = record.map_err(|_| Failed)?;
                discard += record.discard;
                plain.extend_from_slice(record.payload);
            }
            true
        }
        Ok(ConnectionState::EncodeTlsData(data)) => {
            encode(data, out)?;
            true
        }
        Ok(ConnectionState::TransmitTlsData(transmit)) => {
            // It is in `out`, which will be sent.
            transmit.done();
            true
        }
        Ok(ConnectionState::PeerClosed) => true,
        Ok(_) => false,
        Err(_) => {
            alert(rustls, bytes.get_mut(discard..).unwrap_or_default(), out);
            return Err(Failed);
        }
    };
    *taken += discard;
    Ok(more)
}

/// After a failure: what tells the other end why. One call, because rustls gives what it has to send first, and would then look
/// at `bytes` again and fail twice, which it does not expect. It has to be shown them all the same.
fn alert(rustls: &mut UnbufferedServerConnection, bytes: &mut [u8], out: &mut Vec<u8>) {
    if let Ok(ConnectionState::EncodeTlsData(data)) = rustls.process_tls_records(bytes).state {
        // An alert that cannot be written is not sent; the connection ends all the same.
        let _ = encode(data, out);
    }
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) -> Result<(), Failed> {
    write(out, |room| match data.encode(room) {
        Err(EncodeError::InsufficientSize(size)) => Err(size),
        Err(EncodeError::AlreadyEncoded) => Ok(None),
        Ok(written) => Ok(Some(written)),
    })
}

/// Lets `write` put something at the end of `out`, with as much room as it asks for.
fn write(out: &mut Vec<u8>, mut write: impl FnMut(&mut [u8]) -> Result<Option<usize>, InsufficientSizeError>) -> Result<(), Failed> {
    let start = out.len();
    let mut wanted = 0;
    loop {
        out.resize(start + wanted, 0);
        match write(out.get_mut(start..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(start + written.unwrap_or_default());
                return written.map(|_| ()).ok_or(Failed);
            }
            Err(InsufficientSizeError { required_size }) if required_size > wanted => wanted = required_size,
            Err(_) => {
                out.truncate(start);
                return Err(Failed);
            }
        }
    }
}
