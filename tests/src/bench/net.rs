//! The load's sockets: many, on one thread, non-blocking, with next to no memory and work for each.
//!
//! [`Net`] moves bytes and finds messages in them; what they mean is the business of the handler that [`Net::turn`] is given.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use super::wire;

/// Longer than anything that is sent at once: one read takes all there is.
const READ: usize = 64 * 1024;
/// Connections from one loopback address before the next one is used: a source address has some 28,000 ports to one target.
const PER_SOURCE: usize = 20_000;
const LISTENER: Token = Token(usize::MAX);

/// Names a connection until it is down; then the number is used again.
pub(super) type ConnId = usize;

/// How messages are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// Plain TCP: after the other side's first byte, messages of this length.
    Raw { message: usize },
    /// The client's end of a WebSocket.
    Client,
    /// The server's end: what stands behind a proxy.
    Server,
}

/// Where to connect to.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// The origin of proofs; empty for what is no relay of ours.
    pub(super) origin: String,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// It can carry messages.
    Up,
    /// A message came; for [`Wire::Raw`] without its bytes.
    Message(&'a [u8]),
    /// The other side closed or broke it, or it could not be made.
    Down,
}

struct Conn {
    serial: u64,
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    wire: Wire,
    connecting: bool,
    up: bool,
    /// What is sent first.
    greeting: Vec<u8>,
    /// The start of a message whose rest is still to come.
    partial: Vec<u8>,
    /// Bytes of a raw message so far.
    counted: usize,
    unsent: Vec<u8>,
}

/// The sockets of the load.
pub(super) struct Net {
    poll: Poll,
    conns: Vec<Option<Conn>>,
    free: Vec<ConnId>,
    next_serial: u64,
    listener: Option<TcpListener>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    /// Pings answered so far.
    pub(super) pings: u64,
}

impl Net {
    pub(super) fn new() -> Self {
        Self {
            poll: Poll::new().expect("epoll works"),
            conns: Vec::new(),
            free: Vec::new(),
            next_serial: 0,
            listener: None,
            buffer: vec![0; READ],
            scratch: Vec::new(),
            pings: 0,
        }
    }

    /// Listens on loopback as what stands behind a proxy: connections come as [`Wire::Server`].
    pub(super) fn listen(&mut self) -> SocketAddr {
        let mut listener = TcpListener::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).expect("loopback has a free port");
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a listener can be polled");
        let address = listener.local_addr().expect("it has an address");
        self.listener = Some(listener);
        address
    }

    /// Begins to connect; [`Event::Up`] or [`Event::Down`] will follow. A raw connection sends `greeting` first.
    pub(super) fn connect(&mut self, target: &Target, wire: Wire, greeting: &[u8]) -> ConnId {
        let in_use = self.conns.len() - self.free.len();
        let stream = dial(target.address, in_use / PER_SOURCE).expect("a socket for one more connection (see `ulimit -n`)");
        let greeting = match wire {
            Wire::Raw { .. } => greeting.to_vec(),
            Wire::Client | Wire::Server => wire::upgrade_request(&target.address.to_string()),
        };
        let tls = target.tls.as_ref().map(|(config, name)| {
            Box::new(ClientConnection::new(Arc::clone(config), name.clone()).expect("the TLS configuration is sound"))
        });
        self.add(stream, wire, tls, greeting, true)
    }

    fn add(
        &mut self,
        mut stream: TcpStream,
        wire: Wire,
        tls: Option<Box<ClientConnection>>,
        greeting: Vec<u8>,
        connecting: bool,
    ) -> ConnId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.conns.push(None);
            self.conns.len() - 1
        });
        self.poll.registry().register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE).expect("a socket can be polled");
        let serial = self.next_serial;
        self.next_serial += 1;
        let (partial, unsent) = (Vec::new(), Vec::new());
        self.conns[id] = Some(Conn { serial, stream, tls, wire, connecting, up: false, greeting, partial, counted: 0, unsent });
        id
    }

    /// Sends one message; on a raw connection its bytes as they are.
    pub(super) fn send(&mut self, id: ConnId, payload: &[u8]) {
        let mut frame = std::mem::take(&mut self.scratch);
        frame.clear();
        self.encode(id, wire::BINARY, payload, &mut frame);
        self.send_encoded(id, &frame);
        self.scratch = frame;
    }

    /// A message as it goes out on this connection, to be sent many times.
    pub(super) fn encoded(&self, id: ConnId, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.encode(id, wire::BINARY, payload, &mut frame);
        frame
    }

    fn encode(&self, id: ConnId, opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
        match self.conns[id].as_ref().map(|conn| conn.wire) {
            Some(Wire::Client) => wire::encode(opcode, payload, true, out),
            Some(Wire::Server) => wire::encode(opcode, payload, false, out),
            Some(Wire::Raw { .. }) | None => out.extend_from_slice(payload),
        }
    }

    /// Sends what [`Net::encoded`] made. A connection that breaks here is found down when it is read next.
    pub(super) fn send_encoded(&mut self, id: ConnId, bytes: &[u8]) {
        if let Some(conn) = self.conns[id].as_mut() {
            conn.write(bytes);
        }
    }

    /// Says goodbye and sends nothing more; [`Event::Down`] comes when the other side has closed, too.
    pub(super) fn finish(&mut self, id: ConnId) {
        let mut frame = Vec::new();
        self.encode(id, wire::CLOSE, &1000_u16.to_be_bytes(), &mut frame);
        let Some(conn) = self.conns[id].as_mut() else { return };
        conn.write(&frame);
        if let Some(tls) = conn.tls.as_mut() {
            tls.send_close_notify();
        }
        conn.flush();
        // Fails only if the other side was faster.
        let _ = conn.stream.shutdown(Shutdown::Write);
    }

    /// Waits at most `timeout` for events and hands them to `handle`.
    pub(super) fn turn(&mut self, timeout: Duration, events: &mut Events, handle: &mut impl FnMut(&mut Self, ConnId, Event<'_>)) {
        match self.poll.poll(events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) => panic!("epoll: {error}"),
        }
        for event in events.iter() {
            if event.token() == LISTENER {
                self.accept();
                continue;
            }
            let Token(id) = event.token();
            if event.is_writable() {
                self.writable(id);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.readable(id, event.is_read_closed() || event.is_error(), handle);
            }
        }
    }

    fn accept(&mut self) {
        while let Some(accepted) = self.listener.as_ref().map(TcpListener::accept) {
            match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    self.add(stream, Wire::Server, None, Vec::new(), false);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("the listener behind the proxy: {error} (see `ulimit -n`)"),
            }
        }
    }

    fn writable(&mut self, id: ConnId) {
        let Some(conn) = self.conns[id].as_mut() else { return };
        if conn.connecting {
            if conn.stream.peer_addr().is_err() {
                return;
            }
            conn.connecting = false;
            let _ = conn.stream.set_nodelay(true);
            let greeting = std::mem::take(&mut conn.greeting);
            conn.write(&greeting);
        } else {
            conn.flush();
        }
    }

    fn readable(&mut self, id: ConnId, at_end: bool, handle: &mut impl FnMut(&mut Self, ConnId, Event<'_>)) {
        let Some(serial) = self.conns[id].as_ref().map(|conn| conn.serial) else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(conn) = self.conns[id].as_mut().filter(|conn| conn.serial == serial) {
            let length = match conn.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => {
                    self.drop_conn(id);
                    handle(self, id, Event::Down);
                    break;
                }
                Ok(length) => length,
            };
            // Edge-triggered: a read that did not fill the buffer has taken all there was.
            let more = length == buffer.len() || at_end || conn.tls.is_some();
            if conn.partial.is_empty() {
                self.messages(id, serial, &buffer[..length], handle);
            } else {
                let mut bytes = std::mem::take(&mut conn.partial);
                bytes.extend_from_slice(&buffer[..length]);
                self.messages(id, serial, &bytes, handle);
            }
            if !more {
                break;
            }
        }
        self.buffer = buffer;
    }

    /// Hands over the messages in `bytes` and keeps what is left.
    fn messages(&mut self, id: ConnId, serial: u64, mut bytes: &[u8], handle: &mut impl FnMut(&mut Self, ConnId, Event<'_>)) {
        while !bytes.is_empty() {
            let Some(conn) = self.conns[id].as_mut().filter(|conn| conn.serial == serial) else { return };
            if let Wire::Raw { message } = conn.wire {
                if !conn.up {
                    conn.up = true;
                    bytes = &bytes[1..];
                    handle(self, id, Event::Up);
                    continue;
                }
                let taken = bytes.len().min(message - conn.counted);
                conn.counted += taken;
                bytes = &bytes[taken..];
                if conn.counted == message {
                    conn.counted = 0;
                    handle(self, id, Event::Message(&[]));
                }
                continue;
            }
            if !conn.up {
                let Some(length) = wire::head_length(bytes) else { break };
                match conn.wire {
                    Wire::Server => conn.write(wire::UPGRADE_ANSWER),
                    _ => assert!(bytes.starts_with(b"HTTP/1.1 101 "), "no upgrade: {}", String::from_utf8_lossy(bytes)),
                }
                conn.up = true;
                bytes = &bytes[length..];
                handle(self, id, Event::Up);
                continue;
            }
            let Some(found) = wire::parse(bytes) else { break };
            bytes = &bytes[found.length..];
            match found.opcode {
                wire::BINARY => handle(self, id, Event::Message(found.payload)),
                wire::PING => {
                    self.pings += 1;
                    let mut pong = Vec::new();
                    self.encode(id, wire::PONG, found.payload, &mut pong);
                    self.send_encoded(id, &pong);
                }
                // The end of the stream follows.
                wire::CLOSE | wire::PONG => {}
                opcode => panic!("a WebSocket frame of type {opcode}"),
            }
        }
        if let Some(conn) = self.conns[id].as_mut().filter(|conn| conn.serial == serial) {
            conn.partial.extend_from_slice(bytes);
        }
    }

    fn drop_conn(&mut self, id: ConnId) {
        if let Some(mut conn) = self.conns[id].take() {
            let _ = self.poll.registry().deregister(&mut conn.stream);
            self.free.push(id);
        }
    }
}

impl Conn {
    /// Plain bytes; with TLS, whatever that makes of the socket's.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = self.tls.as_mut() else { return self.stream.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            let processed = tls.process_new_packets();
            while tls.wants_write() && tls.write_tls(&mut self.stream).is_ok() {}
            processed.map_err(io::Error::other)?;
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(tls) = self.tls.as_mut() {
            tls.writer().write_all(bytes).expect("rustls takes what the load has to send");
            self.flush();
            return;
        }
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return;
        }
        match self.stream.write(bytes) {
            Ok(length) if length == bytes.len() => {}
            Ok(length) => self.unsent.extend_from_slice(&bytes[length..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.unsent.extend_from_slice(bytes),
            // Reading will tell.
            Err(_) => {}
        }
    }

    fn flush(&mut self) {
        if let Some(tls) = self.tls.as_mut() {
            while tls.wants_write() && tls.write_tls(&mut self.stream).is_ok() {}
        } else if !self.unsent.is_empty()
            && let Ok(length) = self.stream.write(&self.unsent)
        {
            self.unsent.drain(..length);
        }
    }
}

/// A socket that connects, from one of the loopback addresses: 0 leaves the choice to the kernel, which takes 127.0.0.1.
fn dial(to: SocketAddr, source: usize) -> io::Result<TcpStream> {
    if source == 0 {
        return TcpStream::connect(to);
    }
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    let from = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + source as u32);
    rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from_std(socket.into())),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_source_addresses() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _stream = dial(listener.local_addr().unwrap(), 2).unwrap();
        assert_eq!(listener.accept().unwrap().1.ip(), Ipv4Addr::new(127, 0, 0, 3));
    }

    #[test]
    fn a_websocket_to_oneself() {
        let mut net = Net::new();
        let address = net.listen();
        let client = net.connect(&Target { address, origin: String::new(), tls: None }, Wire::Client, &[]);
        let mut events = Events::with_capacity(16);
        let (mut back, mut ups, mut down) = (None, 0, 0);
        while down < 2 {
            net.turn(Duration::from_secs(10), &mut events, &mut |net, id, event| match event {
                Event::Up => {
                    ups += 1;
                    if id == client {
                        net.send(id, &[7; 200_000]);
                    }
                }
                Event::Message(bytes) if id == client => {
                    back = Some(bytes.to_vec());
                    net.finish(id);
                }
                Event::Message(bytes) => {
                    assert_eq!(bytes.len(), 200_000);
                    net.send(id, b"back");
                }
                Event::Down => down += 1,
            });
        }
        assert_eq!((ups, back.as_deref()), (2, Some(&b"back"[..])));
    }
}
