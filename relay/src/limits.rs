//! Every limit of the relay (docs/PROTOCOL.md §7.5; for operators: docs/RELAY.md).

use std::time::Duration;

/// Longest frame, in bytes.
pub const MAX_FRAME: usize = countersign_core::relay::MAX_FRAME;
/// From accepting a connection to the end of its TLS and WebSocket handshakes.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From HELLO to a first PROVE, OPEN or MEET.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(10);
/// Oldest age of a connection.
pub const MAX_SESSION: Duration = Duration::from_secs(24 * 60 * 60);
/// How often the relay pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long it waits for anything to come back, and for a blocked write.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection that is being closed may take to read its last frames; also the drain at shutdown.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Most mailboxes proven on one connection.
pub const MAX_MAILBOXES_PER_CONNECTION: usize = 64;
/// Most denied tickets remembered in all.
pub const MAX_DENIED: usize = 1_048_576;
/// Most PROVEs, OPENs and MEETs in the life of one connection: each costs the relay signature checks.
pub const MAX_PROOFS_PER_CONNECTION: u32 = 1_024;
/// Most circuits on one connection, waiting ones included.
pub const MAX_CIRCUITS_PER_CONNECTION: usize = 64;
/// Most circuits to one mailbox.
pub const MAX_CIRCUITS_PER_MAILBOX: usize = 16;
/// Most OPENs that wait for one mailbox.
pub const MAX_WAITING_PER_MAILBOX: usize = 8;
/// Most OPENs that wait from one address.
pub const MAX_WAITING_PER_IP: usize = 256;
/// Most OPENs that wait in all.
pub const MAX_WAITING: usize = 4_096;
/// Longest wait of an OPEN.
pub const MAX_WAIT: Duration = Duration::from_secs(600);
/// Most messages of one circuit, both directions together, the first one included.
pub const MAX_MESSAGES_PER_CIRCUIT: u32 = 64;
/// Most bytes of one circuit, both directions together; a ticket may say less.
pub const MAX_BYTES_PER_CIRCUIT: u32 = 65_536;
/// Most rendezvous in all, burnt ones included.
pub const MAX_RENDEZVOUS: usize = 1_024;
/// Most rendezvous begun from one address, burnt ones included.
pub const MAX_RENDEZVOUS_PER_IP: usize = 64;
/// How long one end waits at a rendezvous, and how long a used one stays burnt.
pub const RENDEZVOUS_TTL: Duration = Duration::from_secs(300);
/// Most connections from one IPv4 address or IPv6 /64.
pub const MAX_CONNECTIONS_PER_IP: usize = 256;
/// Most connections in all.
pub const MAX_CONNECTIONS: usize = 65_536;
/// Most tickets whose circuits are counted; the oldest count is dropped.
pub const MAX_OPEN_RATE_TABLE: usize = 65_536;
/// Bytes of first messages given to one phone in a second; the rest waits. Keeps a phone that comes back to many OPENs from being
/// cut as a slow reader.
pub const MAX_INCOMING_PER_SECOND: usize = 32 * 1024;
/// Bytes queued for one connection; a reader that falls behind further is cut.
pub const OUT_QUEUE: usize = 64 * 1024;
/// How often a relay of a cluster says that it is there, and to those it shares circuits with, how far its messages went.
pub const NODE_HEARTBEAT: Duration = Duration::from_secs(2);
/// Silence after which a relay of the cluster is taken for gone.
pub const NODE_SILENCE: Duration = Duration::from_secs(6);
/// How long the relays of a cluster are asked for a phone before it is taken for away.
pub const FIND_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the others may still answer once one relay said that it has the phone.
pub const FIND_GRACE: Duration = Duration::from_millis(200);
/// How often they are asked again for a phone that something waits for.
pub const FIND_AGAIN: Duration = Duration::from_secs(5);
/// How soon they are asked again when a relay could not deliver for the moment.
pub const FIND_RETRY: Duration = Duration::from_secs(1);
/// How long another relay may take to say what became of an OPEN or MEET that was given to it.
pub const PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// Most relays of a cluster, this one not counted; the messages of others are ignored.
pub const MAX_NODES: usize = 256;
/// Longest message between relays, in bytes: a frame and what goes around it.
pub const MAX_NODE_MESSAGE: usize = MAX_FRAME + 256;
/// Bytes queued for NATS; what comes on top is dropped, and ends the circuits it belongs to.
pub const NODE_QUEUE: usize = 16 * 1024 * 1024;
/// Messages from NATS that wait to be taken; what comes on top is dropped, as above.
pub const NODE_INBOX: usize = 4_096;
/// How far another relay's clock may be ahead before its count of time is not followed.
pub const MAX_CLOCK_AHEAD: Duration = Duration::from_secs(60 * 60);

/// The limits that a running relay keeps. `Default` gives the constants of this module.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each field is the constant of the same name")]
pub struct Limits {
    pub handshake_timeout: Duration,
    pub auth_timeout: Duration,
    pub max_session: Duration,
    pub ping_interval: Duration,
    pub pong_timeout: Duration,
    pub close_timeout: Duration,
    pub max_mailboxes_per_connection: usize,
    pub max_denied: usize,
    pub max_proofs_per_connection: u32,
    pub max_circuits_per_connection: usize,
    pub max_circuits_per_mailbox: usize,
    pub max_waiting_per_mailbox: usize,
    pub max_waiting_per_ip: usize,
    pub max_waiting: usize,
    pub max_wait: Duration,
    pub max_messages_per_circuit: u32,
    pub max_bytes_per_circuit: u32,
    pub max_rendezvous: usize,
    pub max_rendezvous_per_ip: usize,
    pub rendezvous_ttl: Duration,
    pub max_connections_per_ip: usize,
    pub max_connections: usize,
    pub max_open_rate_table: usize,
    pub out_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: HANDSHAKE_TIMEOUT,
            auth_timeout: AUTH_TIMEOUT,
            max_session: MAX_SESSION,
            ping_interval: PING_INTERVAL,
            pong_timeout: PONG_TIMEOUT,
            close_timeout: CLOSE_TIMEOUT,
            max_mailboxes_per_connection: MAX_MAILBOXES_PER_CONNECTION,
            max_denied: MAX_DENIED,
            max_proofs_per_connection: MAX_PROOFS_PER_CONNECTION,
            max_circuits_per_connection: MAX_CIRCUITS_PER_CONNECTION,
            max_circuits_per_mailbox: MAX_CIRCUITS_PER_MAILBOX,
            max_waiting_per_mailbox: MAX_WAITING_PER_MAILBOX,
            max_waiting_per_ip: MAX_WAITING_PER_IP,
            max_waiting: MAX_WAITING,
            max_wait: MAX_WAIT,
            max_messages_per_circuit: MAX_MESSAGES_PER_CIRCUIT,
            max_bytes_per_circuit: MAX_BYTES_PER_CIRCUIT,
            max_rendezvous: MAX_RENDEZVOUS,
            max_rendezvous_per_ip: MAX_RENDEZVOUS_PER_IP,
            rendezvous_ttl: RENDEZVOUS_TTL,
            max_connections_per_ip: MAX_CONNECTIONS_PER_IP,
            max_connections: MAX_CONNECTIONS,
            max_open_rate_table: MAX_OPEN_RATE_TABLE,
            out_queue: OUT_QUEUE,
        }
    }
}

impl Limits {
    /// Lifts every limit that is kept per address: for a relay behind a proxy, which sees the proxy's address only.
    #[must_use]
    pub fn without_addresses(self) -> Self {
        Self { max_connections_per_ip: usize::MAX, max_waiting_per_ip: usize::MAX, max_rendezvous_per_ip: usize::MAX, ..self }
    }
}
