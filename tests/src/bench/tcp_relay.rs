//! The minimal TCP relay: what a relay costs that does nothing at all but join two sockets. The rival to measure against.
//!
//! One thread, one small task a connection, one read buffer for all of them, bytes written straight to the other socket. A
//! connection names its pair in its first eight bytes and gets one byte when the other one is there. It has no limits, no
//! timeouts, no pings and no notion of messages: nobody could run it.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::poll_fn,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead as _, AsyncReadExt as _, ReadBuf},
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready(listener.local_addr()?);
        let waiting = Waiting::default();
        loop {
            let (stream, _) = listener.accept().await?;
            let waiting = Rc::clone(&waiting);
            spawn_local(async move {
                // A statement of its own frees what joining needed; a connection that breaks is its own matter.
                let joined = join(stream, waiting).await;
                if let Ok((reader, writer)) = joined {
                    let _ = forward(reader, writer).await;
                }
            });
        }
    })
}

/// The reading half of this connection and the writing half of the other one. In a box of its own while it lasts, so that the
/// task that stays is small.
fn join(stream: TcpStream, waiting: Waiting) -> Pin<Box<dyn Future<Output = io::Result<(OwnedReadHalf, OwnedWriteHalf)>>>> {
    Box::pin(async move {
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
        Ok((reader, other))
    })
}

fn greet(writer: &OwnedWriteHalf) -> io::Result<()> {
    // One byte always finds room in the buffer of a new socket.
    writer.try_write(b".").map(drop)
}

/// Copies from one to the other until the end.
async fn forward(mut reader: OwnedReadHalf, writer: OwnedWriteHalf) -> io::Result<()> {
    let mut unsent = Vec::new();
    loop {
        let length = poll_fn(|context| copy_once(context, &mut reader, &writer, &mut unsent)).await?;
        if length == 0 {
            return Ok(());
        }
        // The other side reads slowly: wait for it, and read nothing in the meantime.
        let mut rest = std::mem::take(&mut unsent);
        while !rest.is_empty() {
            writer.writable().await?;
            match writer.try_write(&rest) {
                Ok(written) => drop(rest.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// One read, one write. `poll_read` and not `try_read`, because it knows from a short read that there is no more, without asking
/// the kernel again.
fn copy_once(
    context: &mut Context<'_>,
    reader: &mut OwnedReadHalf,
    writer: &OwnedWriteHalf,
    unsent: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(reader).poll_read(context, &mut read))?;
        let bytes = read.filled();
        if !bytes.is_empty() {
            let written = match writer.try_write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Poll::Ready(Err(error)),
            };
            unsent.extend_from_slice(&bytes[written..]);
        }
        Poll::Ready(Ok(bytes.len()))
    })
}
