//! The shell around the switch: accepts connections, ticks, stops.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use countersign_core::relay::RelayUrl;
use rand_core::{OsRng, RngCore as _};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    admission::{Admission, Admitted},
    config::{Config, RelayError, acceptor, default_origins},
    handshake,
    hub::Hub,
    limits::{Limits, NODE_QUEUE},
    nats::{Nats, outbox},
    session,
    switch::NodeId,
};

const TICK: Duration = Duration::from_secs(1);
/// How long accept rests when the process has no more file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A relay that listens.
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
    origin: RelayUrl,
    shared: Arc<Shared>,
    nats: Option<Nats>,
    log: fn(&str),
}

struct Shared {
    hub: Hub,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Relay {
    /// Listens; connections are answered once [`Relay::serve`] runs.
    ///
    /// # Errors
    /// Every variant of [`RelayError`].
    pub async fn bind(config: Config) -> Result<Self, RelayError> {
        let tls = config.tls.as_ref().map(acceptor).transpose()?;
        let missing = RelayError::OriginMissing(config.listen);
        if config.origins.is_empty() && !config.listen.ip().is_loopback() {
            return Err(missing);
        }
        let listen = |source| RelayError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let origins = if config.origins.is_empty() { default_origins(address, tls.is_some())? } else { config.origins };
        let origin = origins.first().cloned().ok_or(missing)?;
        let hub = Hub::new(&origins, &config.limits);
        let nats = match &config.nats {
            Some(nats) => {
                let mut id = [0; 16];
                OsRng.fill_bytes(&mut id);
                let node = NodeId::from_bytes(id);
                let (outbox, outgoing) = outbox(NODE_QUEUE);
                hub.join_cluster(node, outbox);
                Some(Nats::start(nats, node, outgoing, config.log).await?)
            }
            None => None,
        };
        Ok(Self { listener, address, origin, shared: Arc::new(Shared { hub, tls, limits: config.limits }), nats, log: config.log })
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
        let Self { listener, shared, nats, log, .. } = self;
        let cluster = nats.map(|nats| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { nats.run(&shared.hub).await })
        });
        let admission = Admission::new(shared.limits.max_connections, shared.limits.max_connections_per_ip);
        let mut connections = JoinSet::new();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(shutdown);
        let mut failing = false;
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = tick.tick() => shared.hub.tick(),
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        failing = false;
                        if let Some(admitted) = admission.admit(peer.ip()) {
                            connections.spawn(connection(stream, peer.ip(), Arc::clone(&shared), admitted));
                        }
                    }
                    Err(error) if concerns_one_connection(&error) => {}
                    // Mostly: no more file descriptors. That passes as connections end.
                    Err(error) => {
                        if !failing {
                            log(&format!("cannot accept connections for now: {error}"));
                        }
                        failing = true;
                        sleep(ACCEPT_REST).await;
                    }
                },
            }
        }
        drop(listener);
        shared.hub.shut_down();
        let drain = async { while connections.join_next().await.is_some() {} };
        if timeout(shared.limits.close_timeout, drain).await.is_err() {
            log("some connections did not close in time and were cut");
        }
        if let Some(cluster) = cluster {
            // It ends by itself once the goodbye to the others is sent.
            let _ = timeout(shared.limits.close_timeout, cluster).await;
        }
        // Dropping the set cuts the rest.
    }
}

/// A connection that broke before it was accepted is its own matter.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}

async fn connection(stream: TcpStream, ip: IpAddr, shared: Arc<Shared>, _admitted: Admitted) {
    // Frames are small and each one is waited for.
    let _ = stream.set_nodelay(true);
    let limits = &shared.limits;
    if let Some(acceptor) = &shared.tls {
        let handshake = async { handshake::accept(acceptor.accept(stream).await.ok()?).await };
        if let Ok(Some(socket)) = timeout(limits.handshake_timeout, handshake).await {
            session::run(socket, ip, &shared.hub, limits).await;
        }
    } else if let Ok(Some(socket)) = timeout(limits.handshake_timeout, handshake::accept(stream)).await {
        session::run(socket, ip, &shared.hub, limits).await;
    }
}
