//! The shell around the switch: accepts connections, ticks, drains.

use std::{
    future::pending,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_core::relay::RelayUrl;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::info;

use crate::{
    admin::{Admin, Asked},
    admission::{Admission, Admitted, Refused},
    config::{Config, RelayError, default_origins},
    handshake,
    hub::Hub,
    limits::{ACCEPT_REST, Limits},
    metrics::Snapshot,
    readiness::{Readiness, State},
    report::{Pauses, Report},
    session,
    tls::ServerTls,
};

const TICK: Duration = Duration::from_secs(1);

/// A relay that listens.
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
    origin: RelayUrl,
    admin: Option<Admin>,
    shared: Arc<Shared>,
}

struct Shared {
    hub: Hub,
    tls: Option<Arc<ServerTls>>,
    limits: Limits,
    readiness: Readiness,
    started: Instant,
}

impl Relay {
    /// Listens; connections are answered once [`Relay::serve`] runs.
    ///
    /// # Errors
    /// Every variant of [`RelayError`].
    pub async fn bind(config: Config) -> Result<Self, RelayError> {
        let tls = config.tls.map(ServerTls::load).transpose()?.map(Arc::new);
        let missing = RelayError::OriginMissing(config.listen);
        if config.origins.is_empty() && !config.listen.ip().is_loopback() {
            return Err(missing);
        }
        let listen = |source| RelayError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let origins = if config.origins.is_empty() { default_origins(address, tls.is_some())? } else { config.origins };
        let origin = origins.first().cloned().ok_or(missing)?;
        let admin = match config.admin {
            Some(address) => Some(Admin::bind(address).await.map_err(|source| RelayError::Admin { address, source })?),
            None => None,
        };
        // Every connection comes from the proxy's address, so nothing can be counted by it.
        let limits = if config.proxies.is_empty() { config.limits } else { config.limits.without_addresses() };
        let hub = Hub::new(&origins, &limits);
        let shared = Shared { hub, tls, limits, readiness: Readiness::default(), started: Instant::now() };
        Ok(Self { listener, address, origin, admin, shared: Arc::new(shared) })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin address is, with the real port; `None` if there is none, or if it is still in use by another process.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr()
    }

    /// The first URL it is known by.
    #[must_use]
    pub fn origin(&self) -> &RelayUrl {
        &self.origin
    }

    /// Its certificate, to be reloaded while it runs.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<ServerTls>> {
        self.shared.tls.clone()
    }

    /// Serves until `shutdown` is ready, then drains: [`Relay::serve_until`] without a way to cut the drain short.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        self.serve_until(shutdown, pending()).await;
    }

    /// Serves until `drain` is ready. Then the listener is closed, who has no circuit is sent elsewhere, and the others stay until
    /// their circuits have ended, for at most the limit `drain` or until `stop` is ready. In the end every connection is told and
    /// has `close_timeout` to read it.
    pub async fn serve_until(self, drain: impl Future<Output = ()>, stop: impl Future<Output = ()>) {
        let Self { listener, shared, admin, .. } = self;
        // Answers to the last moment, and ends with this function.
        let mut asked = JoinSet::new();
        if let Some(admin) = admin {
            asked.spawn(admin.serve(Arc::clone(&shared)));
        }
        let mut connections = JoinSet::new();
        accept(listener, &shared, &mut connections, drain).await;
        shared.readiness.set(State::Draining);
        finish_circuits(&shared, &mut connections, stop).await;
        shared.hub.shut_down();
        let closed = async { while connections.join_next().await.is_some() {} };
        if timeout(shared.limits.close_timeout, closed).await.is_err() {
            info!(event = "cut", "some connections did not close in time and were cut");
        }
        // Dropping the set cuts the rest.
    }
}

impl Asked for Shared {
    fn state(&self) -> State {
        self.readiness.state()
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            switch: self.hub.stats(),
            counters: Arc::clone(&self.hub.counters),
            queued_bytes: self.hub.queued_bytes(),
            ready: self.state() == State::Ready,
            uptime: self.started.elapsed().as_secs(),
            certificate_ends: self.tls.as_ref().map(|tls| tls.leaf().not_after),
        }
    }
}

/// Takes connections until `drain` is ready; then the port is free for a successor.
async fn accept(listener: TcpListener, shared: &Arc<Shared>, connections: &mut JoinSet<()>, drain: impl Future<Output = ()>) {
    let admission = Admission::new(shared.limits.max_connections, shared.limits.max_connections_per_ip);
    let counters = &shared.hub.counters;
    let mut report = Report::default();
    let mut pauses = Pauses::default();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(drain);
    loop {
        tokio::select! {
            () = &mut drain => break,
            _ = tick.tick() => {
                shared.hub.tick();
                report.tick(&shared.hub.stats(), counters, Instant::now());
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    shared.readiness.set(State::Ready);
                    pauses.end();
                    match admission.admit(peer.ip()) {
                        Ok(admitted) => {
                            counters.accepted.add_one();
                            connections.spawn(connection(stream, peer.ip(), Arc::clone(shared), admitted));
                        }
                        Err(Refused::Full) => counters.refused_full.add_one(),
                        Err(Refused::Address) => counters.refused_address.add_one(),
                    }
                }
                Err(error) if concerns_one_connection(&error) => {}
                // Mostly: no more file descriptors. That passes as connections end.
                Err(error) => {
                    counters.accept_errors.add_one();
                    shared.readiness.set(State::NoFiles);
                    pauses.begin(&error, Instant::now());
                    sleep(ACCEPT_REST).await;
                }
            },
        }
    }
    report.last(&shared.hub.stats(), counters, Instant::now());
}

/// Lets circuits come to their end.
async fn finish_circuits(shared: &Shared, connections: &mut JoinSet<()>, stop: impl Future<Output = ()>) {
    shared.hub.drain();
    let circuits = shared.hub.stats().circuits;
    info!(event = "draining", circuits, seconds = shared.limits.drain.as_secs(), "no new connections; circuits may come to their end");
    let over = sleep(shared.limits.drain);
    tokio::pin!(over, stop);
    let mut tick = interval(TICK);
    while !shared.hub.is_drained() {
        tokio::select! {
            () = &mut over => break,
            () = &mut stop => break,
            _ = tick.tick() => shared.hub.tick(),
            Some(_) = connections.join_next() => {}
        }
    }
    let cut = shared.hub.stats().circuits;
    info!(event = "drained", finished = circuits.saturating_sub(cut), cut, "shutting down");
}

/// A connection that broke before it was accepted is its own matter.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connection(stream: TcpStream, ip: IpAddr, shared: Arc<Shared>, _admitted: Admitted) {
    // Frames are small and each one is waited for.
    let _ = stream.set_nodelay(true);
    let counters = &shared.hub.counters;
    let handshake = async {
        let stream: Pin<Box<dyn Stream>> = match &shared.tls {
            None => Box::pin(stream),
            Some(tls) => match TlsAcceptor::from(tls.current()).accept(stream).await {
                Ok(stream) => {
                    counters.tls_handshakes.add_one();
                    Box::pin(stream)
                }
                Err(_) => {
                    counters.handshakes_tls_failed.add_one();
                    return None;
                }
            },
        };
        let socket = handshake::accept(stream).await;
        if socket.is_none() {
            counters.handshakes_websocket_failed.add_one();
        }
        socket
    };
    match timeout(shared.limits.handshake_timeout, handshake).await {
        Ok(Some(socket)) => session::run(socket, ip, &shared.hub, &shared.limits).await,
        Ok(None) => {}
        Err(_) => counters.handshakes_timed_out.add_one(),
    }
}
