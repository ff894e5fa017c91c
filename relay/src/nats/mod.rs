//! The shell between the switch and NATS: moves messages, and says when there is a connection (docs/PROTOCOL.md §7.9).
//!
//! Two subscriptions in all, `<prefix>.all` and `<prefix>.node.<id>`: what a phone costs does not grow with a cluster.

mod config;
mod outbox;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Client, Event, Message, Subscriber, connection::State};
use futures_util::StreamExt as _;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};

use tracing::{info, warn};

use crate::{
    engine::Handle,
    limits::{MAX_NODE_MESSAGE, NODE_HEARTBEAT, NODE_INBOX},
    metrics::Counters,
    report::Seldom,
    switch::{NodeId, Switch, To},
};

pub use config::{NatsConfig, NatsCredentials, NatsError, NatsPrefix, NatsUrl};
pub(crate) use outbox::{Outbox, Outgoing, outbox};

/// How often the switch looks at what it asked others.
const TICK: Duration = Duration::from_millis(100);
/// How long the last messages may take.
const FLUSH: Duration = Duration::from_secs(1);

/// The connection to NATS, which is made again whenever it is lost.
pub(crate) struct Nats {
    client: Client,
    own: Subscriber,
    all: Subscriber,
    events: mpsc::UnboundedReceiver<Event>,
    outgoing: Outgoing,
    subjects: Subjects,
    counters: Arc<Counters>,
}

struct Subjects {
    prefix: String,
    all: String,
}

impl Subjects {
    fn new(prefix: String) -> Self {
        Self { all: format!("{prefix}.all"), prefix }
    }

    fn of(&self, to: To) -> String {
        match to {
            To::All => self.all.clone(),
            To::Node(node) => {
                let id: String = node.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{}.node.{id}", self.prefix)
            }
        }
    }
}

impl Nats {
    /// Begins to connect; NATS need not be there yet.
    pub(crate) async fn start(config: &NatsConfig, node: NodeId, outgoing: Outgoing, counters: Arc<Counters>) -> Result<Self, NatsError> {
        let (sender, events) = mpsc::unbounded_channel();
        let client = config
            .options()?
            .name("countersign-relay")
            .no_echo()
            .retry_on_initial_connect()
            // Two that are not answered end the connection.
            .ping_interval(NODE_HEARTBEAT)
            .subscription_capacity(NODE_INBOX)
            .event_callback(move |event| {
                // Nobody is told once the relay is ending.
                let _ = sender.send(event);
                std::future::ready(())
            })
            .connect(config.addresses().cloned().collect::<Vec<_>>())
            .await?;
        let subjects = Subjects::new(config.prefix.to_string());
        let own = client.subscribe(subjects.of(To::Node(node))).await?;
        let all = client.subscribe(subjects.of(To::All)).await?;
        Ok(Self { client, own, all, events, outgoing, subjects, counters })
    }

    /// Runs until the outbox is gone and everything in it is sent.
    pub(crate) async fn run(self, engine: Handle) {
        let Self { client, mut own, mut all, mut events, mut outgoing, subjects, counters } = self;
        let publish = async {
            while let Some((to, message)) = outgoing.next().await {
                // It fails if NATS takes no message of this size; the other relay notices that one is missing.
                let _ = client.publish(subjects.of(to), message.into()).await;
                counters.nats_sent.add_one();
            }
            let _ = timeout(FLUSH, client.flush()).await;
        };
        let receive = async {
            let mut status = Status::default();
            let mut tick = interval(TICK);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let take = async |message: Message| {
                counters.nats_received.add_one();
                engine.with(move |switch, now| switch.peer(&message.payload, now)).await;
            };
            loop {
                tokio::select! {
                    Some(event) = events.recv() => {
                        if let Event::SlowConsumer(_) = event {
                            counters.nats_dropped.add_one();
                        }
                        status.event(&event, &client, &engine).await;
                    }
                    Some(message) = own.next() => take(message).await,
                    Some(message) = all.next() => take(message).await,
                    _ = tick.tick() => {
                        // The client drops events that come faster than they are taken.
                        let connected = client.connection_state() == State::Connected;
                        if connected != status.connected {
                            let event = if connected { Event::Connected } else { Event::Disconnected };
                            status.event(&event, &client, &engine).await;
                        }
                        engine.with(Switch::cluster_tick).await;
                    }
                }
            }
        };
        tokio::select! {
            () = publish => {}
            () = receive => {}
        }
    }
}

/// How NATS is, and what the operator was told of it.
#[derive(Default)]
struct Status {
    connected: bool,
    /// Connected, and good enough.
    up: bool,
    unreachable: Seldom,
    refused: Seldom,
    dropped: Seldom,
}

impl Status {
    async fn event(&mut self, event: &Event, client: &Client, engine: &Handle) {
        match event {
            Event::Connected if self.connected => {}
            Event::Connected => {
                self.connected = true;
                self.unreachable = Seldom::default();
                let max = client.max_payload();
                if max < MAX_NODE_MESSAGE {
                    return warn!(
                        event = "nats_max_payload",
                        max,
                        wanted = MAX_NODE_MESSAGE,
                        "NATS takes only smaller messages than are needed: raise its max_payload; serving without the other relays"
                    );
                }
                info!(event = "nats_connected", "connected to NATS");
                self.up = true;
                engine.with(Switch::nats_up).await;
            }
            Event::Disconnected | Event::Closed => {
                if self.up {
                    warn!(event = "nats_lost", "lost NATS: serving without the other relays until it is back");
                }
                // Why is told anew.
                self.unreachable = Seldom::default();
                self.connected = false;
                self.up = false;
                engine.with(Switch::nats_down).await;
            }
            Event::SlowConsumer(_) if self.dropped.due(Instant::now()) => {
                warn!(event = "nats_dropped", "messages from other relays were dropped, because they come faster than they are taken");
            }
            Event::ServerError(error) if self.refused.due(Instant::now()) => warn!(event = "nats_error", %error, "NATS refuses something"),
            Event::ClientError(error) if !self.up && self.unreachable.due(Instant::now()) => {
                let hint = hint(&error.to_string());
                warn!(event = "nats_unreachable", %error, "cannot reach NATS: {hint}; serving without the other relays, trying again");
            }
            _ => {}
        }
    }
}

/// What to look at. The NATS client says no more than a kind, except to the log for those who look for a fault.
fn hint(error: &str) -> &'static str {
    let kinds = [
        ("authorization", "it does not know this relay, see --nats-credentials"),
        ("TLS", "is the certificate for this host, and from an authority that --nats-ca or the system names?"),
        ("DNS", "its name is not known"),
        (
            "IO",
            "is it running, are address and port right, and with tls://, is its certificate for this host and of an authority that --nats-ca or the system names? --log-level debug says more",
        ),
    ];
    kinds.iter().find(|(kind, _)| error.contains(kind)).map_or("--log-level debug says more", |(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects() {
        let subjects = Subjects::new("a.b".to_owned());
        assert_eq!(subjects.of(To::All), "a.b.all");
        let node = NodeId::from_bytes([0xab; 16]);
        assert_eq!(subjects.of(To::Node(node)), "a.b.node.abababababababababababababababab");
    }
}
