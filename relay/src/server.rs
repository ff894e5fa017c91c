//! Listens, runs the engine, and drains it when it is told to stop.

use std::{
    future::{Future, pending, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use countersign_core::relay::RelayUrl;
use rand_core::{OsRng, RngCore as _};
use rustix::net::sockopt;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::{JoinSet, unconstrained},
    time::{Sleep, sleep, timeout},
};
use tracing::info;

use crate::{
    admin::{Admin, Asked},
    config::{Config, RelayError, default_origins},
    engine::Engine,
    limits::{ACCEPT_REST, KERNEL_BUFFER, Limits, NODE_QUEUE},
    metrics::{Counters, Snapshot},
    nats::{Nats, outbox},
    push::{self, PushKeys, Pusher},
    readiness::{Readiness, State},
    report::{Pauses, Report},
    switch::{NodeId, Stats, Wake},
    ticker::{Pace, Ticker},
    tls::{ServerTls, TlsError},
};

/// How many connections are accepted before the others have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// A relay that listens.
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
    origin: RelayUrl,
    admin: Option<Admin>,
    engine: Engine,
    pushing: Option<(Arc<Pusher>, UnboundedReceiver<Wake>)>,
    nats: Option<Nats>,
    ticker: Ticker,
    limits: Limits,
    shared: Arc<Shared>,
}

/// What the admin address tells of.
struct Shared {
    tls: Option<Arc<ServerTls>>,
    readiness: Readiness,
    counters: Arc<Counters>,
    /// The switch's counts and the bytes that wait, as they were a moment ago.
    counts: Mutex<(Stats, u64)>,
    has_nats: bool,
    started: Instant,
}

/// The engine with what goes on beside it.
struct Running {
    engine: Engine,
    ticker: Ticker,
    pace: Pace,
    /// `None` once the relay is on its way to the end.
    report: Option<Report>,
    shared: Arc<Shared>,
    has_admin: bool,
}

/// The listening end.
struct Accepting {
    listener: TcpListener,
    rest: Option<Pin<Box<Sleep>>>,
    pauses: Pauses,
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
        // Accepted sockets inherit it. A relay with other buffers is still a relay.
        let _ = sockopt::set_socket_recv_buffer_size(&listener, KERNEL_BUFFER);
        let _ = sockopt::set_socket_send_buffer_size(&listener, KERNEL_BUFFER);
        let origins = if config.origins.is_empty() { default_origins(address, tls.is_some())? } else { config.origins };
        let origin = origins.first().cloned().ok_or(missing)?;
        let admin = match config.admin {
            Some(address) => Some(Admin::bind(address).await.map_err(|source| RelayError::Admin { address, source })?),
            None => None,
        };
        let counters = Arc::<Counters>::default();
        let mut engine = Engine::new(&origins, &config.limits, tls.clone(), config.proxies, Arc::clone(&counters));
        let pushing = match config.push {
            Some(push) => {
                let keys = Arc::new(PushKeys::load_or_make(&push, &mut OsRng)?);
                let (wakes, due) = unbounded_channel();
                engine.wakes_phones(Arc::clone(&keys), wakes);
                Some((Arc::new(Pusher::new(keys, &config.limits).map_err(TlsError::from)?), due))
            }
            None => None,
        };
        let nats = match &config.nats {
            Some(nats) => {
                let mut id = [0; 16];
                OsRng.fill_bytes(&mut id);
                let node = NodeId::from_bytes(id);
                let (outbox, outgoing) = outbox(NODE_QUEUE, &counters);
                engine.joins_cluster(node, outbox);
                Some(Nats::start(nats, node, outgoing, Arc::clone(&counters)).await?)
            }
            None => None,
        };
        let shared = Shared {
            tls,
            readiness: Readiness::default(),
            counters,
            counts: Mutex::default(),
            has_nats: nats.is_some(),
            started: Instant::now(),
        };
        Ok(Self {
            listener,
            address,
            origin,
            admin,
            engine,
            pushing,
            nats,
            ticker: Ticker::start().map_err(RelayError::Thread)?,
            limits: config.limits,
            shared: Arc::new(shared),
        })
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
        let Self { listener, engine, pushing, nats, ticker, limits, shared, admin, .. } = self;
        // Run to the last moment, and end with this function.
        let mut beside = JoinSet::new();
        let has_admin = admin.is_some();
        if let Some(admin) = admin {
            beside.spawn(admin.serve(Arc::clone(&shared)));
        }
        if let Some((pusher, due)) = pushing {
            beside.spawn(push::run(pusher, due, engine.handle()));
        }
        let cluster = nats.map(|nats| tokio::spawn(nats.run(engine.handle())));
        let mut running = Running { engine, ticker, pace: Pace::default(), report: Some(Report::default()), shared, has_admin };
        running.accept(listener, drain).await;
        running.shared.readiness.set(State::Draining);
        running.finish_circuits(limits.drain, stop).await;
        running.engine.shut_down();
        let closed = unconstrained(poll_fn(|cx| running.turn(cx)));
        if timeout(limits.close_timeout, closed).await.is_err() {
            info!(event = "cut", "some connections did not close in time and were cut");
        }
        if let Some(cluster) = cluster {
            // It ends by itself once the goodbye to the others is sent.
            let _ = timeout(limits.close_timeout, cluster).await;
        }
        // Dropping the engine cuts the rest.
    }
}

impl Asked for Shared {
    fn state(&self) -> State {
        self.readiness.state()
    }

    fn snapshot(&self) -> Snapshot {
        let (switch, queued_bytes) = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            switch,
            counters: Arc::clone(&self.counters),
            queued_bytes,
            has_nats: self.has_nats,
            ready: self.state() == State::Ready,
            uptime: self.started.elapsed().as_secs(),
            certificate_ends: self.tls.as_ref().map(|tls| tls.leaf().not_after),
        }
    }
}

impl Running {
    /// Takes connections until `drain` is ready; then the port is free for a successor.
    async fn accept(&mut self, listener: TcpListener, drain: impl Future<Output = ()>) {
        let mut accepting = Accepting { listener, rest: None, pauses: Pauses::default() };
        let mut drain = pin!(drain);
        // One future does the work of all connections: a budget made for one would only interrupt it.
        unconstrained(poll_fn(|cx| {
            if drain.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            // Without connections there is still the listener.
            let _ = self.turn(cx);
            accepting.turn(&mut self.engine, &self.shared, cx);
            Poll::Pending
        }))
        .await;
        if let Some(report) = self.report.take() {
            report.last(&self.engine.stats(), &self.shared.counters, Instant::now());
        }
    }

    /// Lets circuits come to their end.
    async fn finish_circuits(&mut self, drain: Duration, stop: impl Future<Output = ()>) {
        self.engine.drain();
        let circuits = self.engine.stats().circuits;
        info!(event = "draining", circuits, seconds = drain.as_secs(), "no new connections; circuits may come to their end");
        let (mut over, mut stop) = (pin!(sleep(drain)), pin!(stop));
        unconstrained(poll_fn(|cx| {
            let _ = self.turn(cx);
            if self.engine.is_drained() || over.as_mut().poll(cx).is_ready() || stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            Poll::Pending
        }))
        .await;
        let cut = self.engine.stats().circuits;
        info!(event = "drained", finished = circuits.saturating_sub(cut), cut, "shutting down");
    }

    /// Does what there is to do. Ready when there are no connections.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut told = self.has_admin;
        self.engine.look_at_clock();
        if self.ticker.poll(cx) {
            if self.pace.allows(Instant::now()) {
                self.engine.tick();
            }
            if let Some(report) = &mut self.report {
                report.tick(&self.engine.stats(), &self.shared.counters, Instant::now());
            }
            told = true;
        }
        let empty = self.engine.turn(cx);
        if told {
            let counts = (self.engine.stats(), self.engine.unwritten());
            *self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        }
        empty
    }
}

impl Accepting {
    fn turn(&mut self, engine: &mut Engine, shared: &Shared, cx: &mut Context<'_>) {
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
                    shared.readiness.set(State::Ready);
                    self.pauses.end();
                    engine.accept(stream, peer.ip());
                }
                Poll::Ready(Err(error)) if concerns_one_connection(&error) => {}
                // Mostly: no more file descriptors. That passes as connections end.
                Poll::Ready(Err(error)) => {
                    shared.counters.accept_errors.add_one();
                    shared.readiness.set(State::NoFiles);
                    self.pauses.begin(&error, Instant::now());
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
