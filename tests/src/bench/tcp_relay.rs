//! The minimal TCP relay: what a relay costs that does nothing at all but join two sockets. The rival to measure against.
//!
//! One thread, one small task a connection, one read buffer for all of them, bytes written straight to the other socket. A
//! connection names its pair in its first eight bytes and gets one byte when the other one is there. It has no limits, no
//! timeouts, no pings and no notion of messages: nobody could run it.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{LocalSet, spawn_local},
};

const READ: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// First ends that wait for the second.
type Waiting = Rc<RefCell<HashMap<u64, Rc<Meeting>>>>;

/// Where the second end leaves its writing half for the first.
#[derive(Default)]
struct Meeting {
    other: Cell<Option<OwnedWriteHalf>>,
    first: Cell<Option<OwnedWriteHalf>>,
    arrived: tokio::sync::Notify,
}

/// Serves until the process is killed; `ready` is told the address.
///
/// # Errors
/// If there is no port to listen on, or accepting fails.
pub fn serve(ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    countersign_relay::use_small_pages();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready(listener.local_addr()?);
        let waiting = Waiting::default();
        loop {
            let (stream, _) = listener.accept().await?;
            spawn_local(Connection::Joining(Box::pin(join(stream, Rc::clone(&waiting)))));
        }
    })
}

/// A connection, first while it waits for the other one of its pair, then while it copies. Written out as a future, because an
/// `async` block would keep room for everything that both need.
enum Connection {
    Joining(Pin<Box<dyn Future<Output = io::Result<Copying>>>>),
    Copying(Copying),
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // A connection that breaks is its own matter: dropping both halves ends the pair.
        if let Self::Joining(joining) = &mut *self {
            match ready!(joining.as_mut().poll(context)) {
                Ok(copying) => self.set(Self::Copying(copying)),
                Err(_) => return Poll::Ready(()),
            }
        }
        match &mut *self {
            Self::Copying(copying) => copying.poll(context).map(drop),
            Self::Joining(_) => Poll::Ready(()),
        }
    }
}

/// Waits for the other connection of the pair.
async fn join(stream: TcpStream, waiting: Waiting) -> io::Result<Copying> {
    stream.set_nodelay(true)?;
    let (mut reader, writer) = stream.into_split();
    let pair = reader.read_u64().await?;
    let met = waiting.borrow_mut().remove(&pair);
    let other = if let Some(meeting) = met {
        let first = meeting.first.take().ok_or(io::ErrorKind::NotConnected)?;
        greet(&writer)?;
        meeting.other.set(Some(writer));
        meeting.arrived.notify_one();
        first
    } else {
        let meeting = Rc::new(Meeting::default());
        greet(&writer)?;
        meeting.first.set(Some(writer));
        waiting.borrow_mut().insert(pair, Rc::clone(&meeting));
        meeting.arrived.notified().await;
        meeting.other.take().ok_or(io::ErrorKind::NotConnected)?
    };
    Ok(Copying { reader, writer: other, unsent: Vec::new() })
}

fn greet(writer: &OwnedWriteHalf) -> io::Result<()> {
    // One byte always finds room in the buffer of a new socket.
    writer.try_write(b".").map(drop)
}

/// From the socket of one to the socket of the other.
struct Copying {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    /// What the other socket had no room for.
    unsent: Vec<u8>,
}

impl Copying {
    /// Copies until there is nothing to read; ready at the end of the connection.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            // The other side reads slowly: wait for it, and read nothing in the meantime.
            while !self.unsent.is_empty() {
                let written = ready!(Pin::new(&mut self.writer).poll_write(context, &self.unsent))?;
                self.unsent.drain(..written);
            }
            self.unsent = Vec::new();
            if ready!(self.copy_once(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// One read, one write. `poll_read` and not `try_read`, because it knows from a short read that there is no more, without
    /// asking the kernel again.
    fn copy_once(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.reader).poll_read(context, &mut read))?;
            let bytes = read.filled();
            if !bytes.is_empty() {
                let written = match self.writer.try_write(bytes) {
                    Ok(written) => written,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                self.unsent.extend_from_slice(&bytes[written..]);
            }
            Poll::Ready(Ok(bytes.len()))
        })
    }
}
