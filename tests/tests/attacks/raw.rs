//! An attacker's socket: bytes, from any loopback address.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use countersign_core::relay::{ErrorCode, Frame, Nonce};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Only a hang takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const HEAD: &[u8] = b"GET /v1 HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// HELLO with the header of its message.
const HELLO: usize = 2 + 42;

pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// Read and not yet looked at.
    unread: Vec<u8>,
    pub(crate) nonce: Nonce,
}

/// All that an attacker is told from some moment on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Status of an HTTP answer.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<ErrorCode>,
    /// WebSocket close code.
    pub(crate) close: Option<u16>,
    /// Binary messages besides ERROR.
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) pongs: usize,
}

/// The attacker with this number, one of 65,000.
pub(crate) fn attacker(n: u16) -> Ipv4Addr {
    let [a, b] = n.to_be_bytes();
    Ipv4Addr::new(127, 1, a, b)
}

/// A socket at an address. The kernel's buffers are small, so that who does not read is noticed.
pub(crate) fn socket(at: impl Into<IpAddr>) -> io::Result<TcpSocket> {
    let at = at.into();
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(4096)?;
    socket.bind((at, 0).into())?;
    Ok(socket)
}

/// Connects from an address.
pub(crate) async fn dial(from: impl Into<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    connect(socket(from)?, to).await
}

async fn connect(socket: TcpSocket, to: SocketAddr) -> io::Result<TcpStream> {
    timeout(PATIENCE, socket.connect(to)).await.unwrap_or_else(|_| panic!("no connection to {to}"))
}

impl Raw {
    /// A WebSocket that has heard HELLO.
    pub(crate) async fn open(from: impl Into<IpAddr>, to: SocketAddr) -> Self {
        let from = from.into();
        Self::try_open(from, to).await.unwrap_or_else(|told| panic!("no WebSocket from {from}: {told:?}"))
    }

    /// The same, or what was said instead.
    pub(crate) async fn try_open(from: impl Into<IpAddr>, to: SocketAddr) -> Result<Self, Told> {
        let Ok(socket) = socket(from) else { return Err(Told::default()) };
        Self::over(socket, to).await
    }

    /// The same from a socket that is there.
    pub(crate) async fn over(socket: TcpSocket, to: SocketAddr) -> Result<Self, Told> {
        let Ok(stream) = connect(socket, to).await else { return Err(Told::default()) };
        let mut raw = Self { stream, unread: Vec::new(), nonce: [0; 32] };
        if raw.stream.write_all(HEAD).await.is_err() {
            return Err(Told::default());
        }
        loop {
            if let Some(end) = raw.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let hello = &raw.unread[end + 4..];
                if hello.len() >= HELLO {
                    let Ok(Frame::Hello { nonce, .. }) = Frame::parse(&hello[2..HELLO]) else { return Err(tell(raw.unread)) };
                    raw.nonce = nonce;
                    raw.unread.drain(..end + 4 + HELLO);
                    return Ok(raw);
                }
            }
            if !raw.read().await {
                return Err(tell(raw.unread));
            }
        }
    }

    async fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await.unwrap_or_else(|_| panic!("nothing comes and nothing ends"));
        let length = read.unwrap_or(0);
        self.unread.extend_from_slice(&buffer[..length]);
        length > 0
    }

    /// Writes as it is; `false`: the connection is gone.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// A binary message.
    pub(crate) async fn send(&mut self, message: &[u8]) -> bool {
        self.write(&frame(0x82, message)).await
    }

    /// The next binary message; pings on the way are answered.
    pub(crate) async fn recv(&mut self) -> Vec<u8> {
        loop {
            if let Some((opcode, payload, length)) = first(&self.unread) {
                let payload = payload.to_vec();
                self.unread.drain(..length);
                match opcode {
                    2 => return payload,
                    8 => panic!("closed: {payload:?}"),
                    // Whether the relay still hears it, the next read shows.
                    9 => drop(self.pong(&payload).await),
                    _ => {}
                }
            } else {
                assert!(self.read().await, "the connection ended: {:?}", tell(std::mem::take(&mut self.unread)));
            }
        }
    }

    /// The next ping, with nothing else before it.
    pub(crate) async fn ping(&mut self) -> Vec<u8> {
        loop {
            if let Some((opcode, payload, length)) = first(&self.unread) {
                assert_eq!(opcode, 9, "{payload:?}");
                let payload = payload.to_vec();
                self.unread.drain(..length);
                return payload;
            }
            assert!(self.read().await, "the connection ended");
        }
    }

    /// Answers a ping.
    pub(crate) async fn pong(&mut self, payload: &[u8]) -> bool {
        self.write(&frame(0x8a, payload)).await
    }

    /// Reads until the relay ends the connection.
    pub(crate) async fn told(mut self) -> Told {
        while self.read().await {}
        tell(self.unread)
    }
}

/// A frame as a client writes it, with a mask that changes nothing.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// The server's frame at the start of some bytes: opcode, payload, length.
fn first(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (&opcode, &short) = (bytes.first()?, bytes.get(1)?);
    let (length, start) = match short {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        short => (usize::from(short), 2),
    };
    Some((opcode & 15, bytes.get(start..start + length)?, start + length))
}

fn tell(mut bytes: Vec<u8>) -> Told {
    let mut told = Told::default();
    if bytes.starts_with(b"HTTP/1.1 ") {
        told.status = std::str::from_utf8(&bytes[9..12]).unwrap().parse().ok();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        if told.status != Some(101) {
            return told;
        }
        bytes.drain(..end + 4);
    }
    let mut rest = bytes.as_slice();
    while let Some((opcode, payload, length)) = first(rest) {
        rest = &rest[length..];
        match (opcode, Frame::parse(payload)) {
            (2, Ok(Frame::Error { code })) => told.error = Some(code),
            (2, _) => told.messages.push(payload.to_vec()),
            (8, _) => told.close = payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
            (10, _) => told.pongs += 1,
            _ => {}
        }
    }
    told
}
