//! Listens, and runs the engine until it is told to stop.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use countersign_core::relay::RelayUrl;
use rustix::net::sockopt;
use tokio::{
    net::TcpListener,
    task::unconstrained,
    time::{Interval, MissedTickBehavior, Sleep, interval, sleep, timeout},
};

use crate::{
    config::{Config, RelayError, default_origins, server_config},
    engine::Engine,
    limits::KERNEL_BUFFER,
};

const TICK: Duration = Duration::from_secs(1);
/// How long accept rests when the process has no more file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How many connections are accepted before the others have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// A relay that listens.
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
    origin: RelayUrl,
    engine: Engine,
    close_timeout: Duration,
    log: fn(&str),
}

/// The listening end while it serves.
struct Accepting {
    listener: TcpListener,
    rest: Option<std::pin::Pin<Box<Sleep>>>,
    failing: bool,
    log: fn(&str),
}

impl Relay {
    /// Listens; connections are answered once [`Relay::serve`] runs.
    ///
    /// # Errors
    /// Every variant of [`RelayError`].
    pub async fn bind(config: Config) -> Result<Self, RelayError> {
        let tls = config.tls.as_ref().map(server_config).transpose()?.map(Arc::new);
        let missing = RelayError::OriginMissing(config.listen);
        if config.origins.is_empty() && !config.listen.ip().is_loopback() {
            return Err(missing);
        }
        let listen = |source| RelayError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        // Accepted sockets inherit it. A relay with other buffers is still a relay.
        let _ = sockopt::set_socket_recv_buffer_size(&listener, KERNEL_BUFFER);
        let _ = sockopt::set_socket_send_buffer_size(&listener, KERNEL_BUFFER);
        let origins = if config.origins.is_empty() { default_origins(address, tls.is_some())? } else { config.origins };
        let origin = origins.first().cloned().ok_or(missing)?;
        let engine = Engine::new(&origins, &config.limits, tls);
        let close_timeout = config.limits.close_timeout;
        Ok(Self { listener, address, origin, engine, close_timeout, log: config.log })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The first URL it is known by.
    #[must_use]
    pub fn origin(&self) -> &RelayUrl {
        &self.origin
    }

    /// Serves until `shutdown` is ready, then tells every connection, waits for at most `close_timeout` until all have read
    /// it, and returns.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, mut engine, close_timeout, log, .. } = self;
        let mut accepting = Accepting { listener, rest: None, failing: false, log };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shutdown = pin!(shutdown);
        // One future does the work of all connections: a budget made for one would only interrupt it.
        unconstrained(poll_fn(|cx| {
            if shutdown.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            accepting.turn(&mut engine, cx);
            // Without connections there is still the listener.
            let _ = turn(&mut engine, &mut tick, cx);
            Poll::Pending
        }))
        .await;
        drop(accepting);
        engine.shut_down();
        let closed = unconstrained(poll_fn(|cx| turn(&mut engine, &mut tick, cx)));
        if timeout(close_timeout, closed).await.is_err() {
            log("some connections did not close in time and were cut");
        }
    }
}

/// Ready when there are no connections.
fn turn(engine: &mut Engine, tick: &mut Interval, cx: &mut Context<'_>) -> Poll<()> {
    while tick.poll_tick(cx).is_ready() {
        engine.tick();
    }
    engine.turn(cx)
}

impl Accepting {
    fn turn(&mut self, engine: &mut Engine, cx: &mut Context<'_>) {
        if let Some(rest) = &mut self.rest {
            if rest.as_mut().poll(cx).is_pending() {
                return;
            }
            self.rest = None;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listener.poll_accept(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok((stream, peer))) => {
                    self.failing = false;
                    engine.accept(stream, peer.ip());
                }
                Poll::Ready(Err(error)) if concerns_one_connection(&error) => {}
                // Mostly: no more file descriptors. That passes as connections end.
                Poll::Ready(Err(error)) => {
                    if !self.failing {
                        (self.log)(&format!("cannot accept connections for now: {error}"));
                    }
                    self.failing = true;
                    self.rest = Some(Box::pin(sleep(ACCEPT_REST)));
                    break;
                }
            }
        }
        cx.waker().wake_by_ref();
    }
}

/// A connection that broke before it was accepted is its own matter.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}
