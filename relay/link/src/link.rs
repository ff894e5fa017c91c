//! One connection to a relay (docs/PROTOCOL.md §7).

use std::{io, sync::Arc, time::Duration};

use countersign_core::relay::{Frame, MAX_FRAME, Nonce, RelayUrl, VERSION};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::rustls::RootCertStore;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Bytes, Error, Message,
        error::{CapacityError, ProtocolError},
        protocol::WebSocketConfig,
    },
};

use crate::{LinkError, tls};

/// From the name of the relay to its HELLO.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// One of several addresses of a name.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// A message that cannot be sent for this long means that the connection is dead.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// The relay pings every 30 s: hearing nothing for this long means that the connection is dead.
pub const SILENCE: Duration = Duration::from_secs(75);
/// How long the relay may take to answer a ping.
pub const ANSWER: Duration = Duration::from_secs(20);
/// How long saying goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the relay said first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// For the proofs on this connection.
    pub nonce: Nonce,
    /// The relay's clock, Unix seconds; a hint.
    pub time: u64,
}

/// A connection to a relay. Dropping it closes the TCP connection without a goodbye, which is harmless.
pub struct Link {
    socket: WebSocketStream<Box<dyn Stream>>,
    heard: Instant,
    /// Ask after this much silence; nothing: wait for [`SILENCE`].
    heartbeat: Option<Duration>,
    /// Something has to be heard until then.
    deadline: Option<Instant>,
}

/// What a [`Link`] can run over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Link {
    /// Connects and reads HELLO. `wss` trusts the system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` replace them), or
    /// Mozilla's where the system has none.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`], [`LinkError::TimedOut`], [`LinkError::Tls`], [`LinkError::NotARelay`],
    /// [`LinkError::Unavailable`], [`LinkError::Version`], [`LinkError::Refused`]; [`LinkError::Closed`] and [`LinkError::Broken`] if it ends before HELLO.
    pub async fn connect(url: &RelayUrl) -> Result<(Self, Hello), LinkError> {
        let roots = if url.is_tls() { tls::system_roots() } else { Arc::new(RootCertStore::empty()) };
        timeout(CONNECT_TIMEOUT, connect(url, roots)).await.unwrap_or(Err(LinkError::TimedOut))
    }

    /// As [`Link::connect`], trusting these roots only.
    ///
    /// # Errors
    /// As [`Link::connect`].
    pub async fn connect_with(url: &RelayUrl, roots: RootCertStore) -> Result<(Self, Hello), LinkError> {
        timeout(CONNECT_TIMEOUT, connect(url, Arc::new(roots))).await.unwrap_or(Err(LinkError::TimedOut))
    }

    /// As [`Link::connect`], over a connection that is there already: another transport, or a test in virtual time.
    ///
    /// # Errors
    /// As [`Link::connect`].
    pub async fn over(url: &RelayUrl, stream: impl Stream + 'static) -> Result<(Self, Hello), LinkError> {
        timeout(CONNECT_TIMEOUT, greet(url, Box::new(stream))).await.unwrap_or(Err(LinkError::TimedOut))
    }

    /// From now on the relay is asked for a sign of life after so much silence, and has [`ANSWER`] to give it.
    pub fn set_heartbeat(&mut self, interval: Duration) {
        self.heartbeat = Some(interval);
    }

    /// Asks the relay for a sign of life now: unless [`Link::recv`] hears anything within `patience`, it ends with [`LinkError::Silent`].
    ///
    /// # Errors
    /// As [`Link::send`].
    pub async fn probe(&mut self, patience: Duration) -> Result<(), LinkError> {
        let deadline = Instant::now() + patience;
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        // A dead connection may take no more bytes: that is told by the deadline.
        let sent =
            timeout(patience.min(SEND_TIMEOUT), self.socket.send(Message::Ping(Bytes::new()))).await.map_err(|_| LinkError::Silent)?;
        sent.map_err(broken)
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// [`LinkError::TooBig`] (nothing was sent), [`LinkError::Silent`], [`LinkError::Closed`], [`LinkError::Broken`].
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), LinkError> {
        if frame.len() > MAX_FRAME {
            return Err(LinkError::TooBig);
        }
        let message = Message::Binary(Bytes::copy_from_slice(frame));
        let sent = timeout(SEND_TIMEOUT, self.socket.send(message)).await.map_err(|_| LinkError::Silent)?;
        sent.map_err(broken)
    }

    /// Waits for the next frame; answers pings on the way. Cancel-safe: a frame is either returned or still there.
    ///
    /// # Errors
    /// [`LinkError::Closed`], [`LinkError::Broken`], [`LinkError::Silent`], [`LinkError::TooBig`], [`LinkError::NotARelay`] if
    /// the other side sends text. After an error the link is of no more use.
    pub async fn recv(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            let asks = self.deadline.is_none().then_some(self.heartbeat).flatten();
            let until = self.deadline.unwrap_or_else(|| self.heard + self.heartbeat.unwrap_or(SILENCE));
            let next = match timeout_at(until, self.socket.next()).await {
                Ok(next) => next,
                Err(_) if asks.is_some() => {
                    self.probe(ANSWER).await?;
                    continue;
                }
                Err(_) => return Err(LinkError::Silent),
            };
            let message = next.ok_or(LinkError::Closed)?.map_err(broken)?;
            self.heard = Instant::now();
            self.deadline = None;
            match message {
                Message::Binary(bytes) => return Ok(bytes.into()),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                Message::Close(_) => return Err(LinkError::Closed),
                Message::Text(_) => return Err(LinkError::NotARelay("it sends text".to_owned())),
            }
        }
    }

    /// Says goodbye and closes; waits for a moment only.
    pub async fn close(mut self) {
        // Whether the relay hears it makes no difference: it notices the end of the connection.
        let _ = timeout(CLOSE_TIMEOUT, self.socket.close(None)).await;
    }
}

async fn connect(url: &RelayUrl, roots: Arc<RootCertStore>) -> Result<(Link, Hello), LinkError> {
    let tcp = connect_tcp(url).await.map_err(LinkError::Unreachable)?;
    // Frames are small and each one is waited for.
    let _ = tcp.set_nodelay(true);
    let stream: Box<dyn Stream> = if url.is_tls() { Box::new(tls::connect(tcp, url.host(), roots).await?) } else { Box::new(tcp) };
    greet(url, stream).await
}

/// The WebSocket handshake and HELLO.
async fn greet(url: &RelayUrl, stream: Box<dyn Stream>) -> Result<(Link, Hello), LinkError> {
    let request = format!("{}/v1", url.origin());
    let (socket, _) = client_async_with_config(request, stream, Some(config())).await.map_err(not_a_relay)?;
    let mut link = Link { socket, heard: Instant::now(), heartbeat: None, deadline: None };
    let first = link.recv().await?;
    match Frame::parse(&first) {
        Ok(Frame::Hello { version: VERSION, nonce, time }) => Ok((link, Hello { nonce, time })),
        Ok(Frame::Hello { version, .. }) => Err(LinkError::Version(version)),
        Ok(Frame::Error { code }) => Err(LinkError::Refused(code)),
        _ => Err(LinkError::NotARelay("it does not say HELLO".to_owned())),
    }
}

/// Tries the addresses of the name, one after the other.
async fn connect_tcp(url: &RelayUrl) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in lookup_host((url.host(), url.port())).await? {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// Every limit by hand: tungstenite's own are made for bigger messages.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_FRAME)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
        .accept_unmasked_frames(false)
}

fn not_a_relay(error: Error) -> LinkError {
    match error {
        Error::Io(error) => LinkError::Unreachable(error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => LinkError::Unreachable(io::ErrorKind::UnexpectedEof.into()),
        Error::Http(response) if response.status().is_server_error() || response.status().as_u16() == 429 => {
            LinkError::Unavailable(response.status().as_u16())
        }
        Error::Http(response) => LinkError::NotARelay(format!("it answers {}", response.status())),
        other => LinkError::NotARelay(other.to_string()),
    }
}

fn broken(error: Error) -> LinkError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => LinkError::Closed,
        // TLS that ends without a goodbye. rustls says so with a link to its manual.
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => LinkError::Closed,
        Error::Io(error) => LinkError::Broken(error),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => LinkError::TooBig,
        other => LinkError::Broken(io::Error::other(other)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn silence_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = RelayUrl::parse(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
        let served = tokio::spawn(async move {
            let mut socket = tokio_tungstenite::accept_async(listener.accept().await.unwrap().0).await.unwrap();
            let hello = Frame::Hello { version: VERSION, nonce: [0; 32], time: 0 };
            socket.send(Message::Binary(hello.encode().into())).await.unwrap();
            socket
        });
        let (mut link, _) = Link::connect(&url).await.unwrap();
        let _silent = served.await.unwrap();
        // As if the last word had come so long ago.
        link.heard -= SILENCE;
        assert!(matches!(link.recv().await, Err(LinkError::Silent)));
    }
}
