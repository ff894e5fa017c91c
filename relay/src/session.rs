//! One connection, from HELLO to its end.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Bytes, Error, Message, error::ProtocolError},
};

use crate::{
    hub::Hub,
    limits::Limits,
    metrics::Counters,
    queue::{Item, Queued},
    switch::ConnId,
};

/// How a connection came to its end.
enum End {
    /// Closed or broken by the other side, or not reading.
    Gone,
    /// It sent something that is no frame.
    NotAFrame,
    /// The switch ended it and everything is written.
    Finished,
}

/// Tells the switch, however the connection ends.
struct Leaving<'a> {
    hub: &'a Hub,
    conn: ConnId,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.hub.disconnected(self.conn);
    }
}

/// Runs a connection until it ends, and tells the switch.
pub(crate) async fn run<S>(socket: WebSocketStream<S>, ip: IpAddr, hub: &Hub, limits: &Limits)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (conn, queue, mut queued) = hub.connected(ip);
    let _leaving = Leaving { hub, conn };
    let (mut sink, mut source) = socket.split();
    let heard = AtomicBool::new(false);
    let end = tokio::select! {
        end = read(&mut source, hub, conn, &heard) => end,
        end = write(&mut sink, &mut queued, limits, &heard, &hub.counters) => end,
        () = queue.overflowed() => {
            hub.counters.slow_readers.add_one();
            End::Gone
        }
    };
    match end {
        End::Gone => return,
        End::NotAFrame => {
            hub.not_a_frame(conn);
            if timeout(limits.close_timeout, write(&mut sink, &mut queued, limits, &heard, &hub.counters)).await.is_err() {
                return;
            }
        }
        End::Finished => {}
    }
    if let Ok(socket) = source.reunite(sink) {
        // A socket that is closed with unread bytes is reset, and the other side may lose what was written last.
        let mut stream = socket.into_inner();
        let _ = timeout(limits.close_timeout, async {
            stream.shutdown().await?;
            let mut unread = [0; 1024];
            while stream.read(&mut unread).await? > 0 {}
            std::io::Result::Ok(())
        })
        .await;
    }
}

async fn read<S>(source: &mut SplitStream<WebSocketStream<S>>, hub: &Hub, conn: ConnId, heard: &AtomicBool) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match source.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                heard.store(true, Ordering::Relaxed);
                hub.frame(conn, &bytes);
            }
            // tungstenite answers pings by itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => heard.store(true, Ordering::Relaxed),
            // The answer goes out while the end is waited for.
            Some(Ok(Message::Close(_))) => {}
            Some(Err(Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) | None => return End::Gone,
            Some(Ok(Message::Text(_) | Message::Frame(_)) | Err(_)) => return End::NotAFrame,
        }
    }
}

async fn write<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    queued: &mut Queued,
    limits: &Limits,
    heard: &AtomicBool,
    counters: &Counters,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut pinged = false;
    let mut deadline = Instant::now() + limits.ping_interval;
    loop {
        let written = tokio::select! {
            item = queued.next() => match item {
                Item::Frame(bytes) => {
                    let length = bytes.len();
                    let written = timeout(limits.pong_timeout, sink.send(Message::Binary(bytes.into()))).await;
                    queued.written(length);
                    written
                }
                Item::Finish => {
                    let _ = timeout(limits.close_timeout, sink.close()).await;
                    return End::Finished;
                }
            },
            () = sleep_until(deadline) => {
                let alive = heard.swap(false, Ordering::Relaxed);
                if pinged && !alive {
                    counters.ping_timeouts.add_one();
                    return End::Gone;
                }
                pinged = !pinged;
                deadline = Instant::now() + if pinged { limits.pong_timeout } else { limits.ping_interval };
                if !pinged {
                    continue;
                }
                counters.pings.add_one();
                timeout(limits.pong_timeout, sink.send(Message::Ping(Bytes::new()))).await
            }
        };
        if !matches!(written, Ok(Ok(()))) {
            return End::Gone;
        }
    }
}
