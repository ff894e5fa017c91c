//! Every limit of the relay (docs/PROTOCOL.md §7.5; for operators: docs/RELAY.md).

use std::time::Duration;

/// Longest frame, in bytes.
pub const MAX_FRAME: usize = countersign_core::relay::MAX_FRAME;
/// From accepting a connection to the end of its TLS and WebSocket handshakes.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head of the HTTP request that opens a connection, in bytes.
pub const MAX_HEAD: usize = 8 * 1024;
/// From HELLO to a first PROVE, OPEN or MEET.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(10);
/// Oldest age of a connection.
pub const MAX_SESSION: Duration = Duration::from_secs(24 * 60 * 60);
/// How often the relay pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long it waits for anything to come back, and for a blocked write.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(20);
/// A relay that got no time for longer than this hears what came meanwhile before it ends what has taken too long.
pub const STANDSTILL: Duration = Duration::from_secs(3);
/// From the first byte of a message to its last.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that is being closed may take to read its last frames; also after a drain.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long circuits may go on once the relay is told to stop.
pub const DRAIN: Duration = Duration::from_secs(20);
/// Longest drain that can be configured: the life of a request.
pub const MAX_DRAIN: Duration = Duration::from_secs(600);
/// How long accepting rests when the process has no more file descriptors.
pub const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Longest PROXY protocol header, in bytes.
pub const MAX_PROXY_HEADER: usize = 1_024;
/// Longest one of version 1, as its specification has it.
pub const MAX_PROXY_V1_HEADER: usize = 107;
/// Most connections to the admin address at a time; the oldest is closed for a new one.
pub const MAX_ADMIN_CONNECTIONS: usize = 16;
/// Longest life of a connection to the admin address.
pub const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an admin address that is in use is tried again.
pub const ADMIN_RETRY: Duration = Duration::from_secs(1);
/// At most one line of the log in this time tells what strangers caused.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// Most lines of the log that wait to be written; what does not fit is lost, and the relay goes on.
pub const LOG_LINES: usize = 1_024;
/// Most origins: a proof may have to be checked for each of them.
pub const MOST_ORIGINS: usize = 16;
/// Most networks of trusted proxies.
pub const MOST_TRUSTED_PROXIES: usize = 1_024;
/// Most servers of NATS.
pub const MOST_NATS_SERVERS: usize = 64;
/// Longest file that an operator names, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;
/// An operator is warned of a limit of open files below this.
pub const MIN_FILES: u64 = 1_024;
/// With a limit of open files below this a relay does not start: it needs some before anybody connects.
pub const FEWEST_FILES: u64 = 16;
/// How long before its end a certificate is warned of.
pub const CERTIFICATE_WARNING: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Most mailboxes proven on one connection.
pub const MAX_MAILBOXES_PER_CONNECTION: usize = 64;
/// Most denied tickets remembered in all.
pub const MAX_DENIED: usize = 1_048_576;
/// Most denied tickets remembered for the phones of one IPv4 address or IPv6 /64.
pub const MAX_DENIED_PER_IP: usize = 65_536;
/// Most PROVEs, OPENs, MEETs and PUSHes in the life of one connection: each costs the relay signature checks.
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
/// Most connections that can be configured, in all and per address: as many files as a process of Linux may have open by default.
pub const MOST_CONNECTIONS: usize = 1_048_576;
/// Most OPENs that can be let wait, in all: with all of them waiting they take 1 GiB.
pub const MOST_WAITING: usize = 65_536;
/// Most rendezvous that can be allowed, in all.
pub const MOST_RENDEZVOUS: usize = 65_536;
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
/// Memory that messages between relays take at most: the queue and the two inboxes, and 2,048 that the NATS client has in its own.
pub const CLUSTER_MEMORY: usize = NODE_QUEUE + (2 * NODE_INBOX + 2_048) * MAX_NODE_MESSAGE;
/// How far another relay's clock may be ahead before its count of time is not followed.
pub const MAX_CLOCK_AHEAD: Duration = Duration::from_secs(60 * 60);

/// Bytes of TLS records and handshake messages kept until they are whole, for one connection.
pub const MAX_TLS_HELD: usize = 20 * 1024;
/// Bytes read from one connection in a second; the rest stays in the network until the next one.
pub const MAX_READ_PER_SECOND: usize = 1024 * 1024;
/// The same for all connections of one IPv4 address or IPv6 /64 together.
pub const MAX_READ_PER_SECOND_PER_IP: usize = 4 * 1024 * 1024;
/// What a WebSocket frame counts against both, besides its bytes.
pub const FRAME_PRICE: usize = 256;
/// What a PROVE, OPEN or MEET counts: up to two signatures are checked.
pub const PROOF_PRICE: usize = 16 * 1024;
/// What a new connection counts against its address's.
pub const CONNECTION_PRICE: usize = 16 * 1024;
/// What a new connection with TLS counts in its place: the relay signs.
pub const TLS_CONNECTION_PRICE: usize = 48 * 1024;
/// Bytes that all connections together may hold: messages that are not whole yet, and what their ends do not read. Beyond that,
/// the one that has held something for the longest is cut.
pub const MAX_HELD: usize = 64 * 1024 * 1024;
/// Least time between two wake-ups with one ticket.
pub const WAKE_REST: Duration = Duration::from_secs(120);
/// How long a push service keeps a wake-up for a phone without network: a little longer than until the next one.
pub const WAKE_TTL: Duration = Duration::from_secs(150);
/// Most wake-ups with one ticket in an hour.
pub const MAX_WAKES_PER_TICKET_PER_HOUR: u16 = 30;
/// Most tickets whose wake-ups are counted; the oldest count is dropped.
pub const MAX_WAKE_TABLE: usize = 16_384;
/// Most wake-ups being sent; further ones fail.
pub const MAX_WAKES_IN_FLIGHT: usize = 64;
/// Most of them that jobs of one IPv4 address or IPv6 /64 have caused.
pub const MAX_WAKES_IN_FLIGHT_PER_IP: usize = 8;
/// Most wake-ups that jobs of one IPv4 address or IPv6 /64 cause in a minute.
pub const MAX_WAKES_PER_IP_PER_MINUTE: usize = 60;
/// Memory of a wake-up being sent, at most: a TLS client, a thread that looks up a name.
pub const WAKE_MEMORY: usize = 256 * 1024;
/// Most attempts to send one wake-up.
pub const WAKE_ATTEMPTS: u32 = 3;
/// Longest attempt, from the name of the push service to its answer.
pub const WAKE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for one wake-up, pauses included.
pub const WAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a first attempt, if the push service does not say how long; the next one is three times as long.
pub const WAKE_PAUSE: Duration = Duration::from_secs(1);
/// Most connections that have not yet proven a mailbox, used a good ticket or begun a rendezvous; beyond that, the oldest of them is cut.
pub const MAX_STRANGERS: usize = 8_192;
/// Most bytes that the kernel is asked to keep for one connection, in each direction.
pub const KERNEL_BUFFER: usize = 64 * 1024;
/// Memory of a program without connections: code, allocator, shared buffers.
pub const PROGRAM_MEMORY: usize = 24 * 1024 * 1024;
/// Memory of a connection that holds nothing, at most, with everything the switch and the allocator have for it.
pub const CONNECTION_MEMORY: usize = 4 * 1024;
/// The same with TLS.
pub const TLS_CONNECTION_MEMORY: usize = 12 * 1024;
/// The same in the middle of a TLS handshake; there are at most [`MAX_STRANGERS`].
pub const TLS_HANDSHAKE_MEMORY: usize = 64 * 1024;
/// Files that are no connections: wake-ups being sent, with a look-up of a name each, the admin address, NATS, the log; at most a
/// quarter of all that may be open.
pub const RESERVED_FILES: usize = 256;

/// The limits that a running relay keeps. `Default` gives the constants of this module.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each field is the constant of the same name")]
pub struct Limits {
    pub handshake_timeout: Duration,
    pub max_head: usize,
    pub auth_timeout: Duration,
    pub max_session: Duration,
    pub ping_interval: Duration,
    pub pong_timeout: Duration,
    pub message_timeout: Duration,
    pub close_timeout: Duration,
    pub drain: Duration,
    pub max_mailboxes_per_connection: usize,
    pub max_denied: usize,
    pub max_denied_per_ip: usize,
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
    pub max_read_per_second: usize,
    pub max_read_per_second_per_ip: usize,
    pub max_held: usize,
    pub wake_rest: Duration,
    pub max_wakes_per_ticket_per_hour: u16,
    pub max_wake_table: usize,
    pub max_wakes_in_flight: usize,
    pub max_wakes_in_flight_per_ip: usize,
    pub max_wakes_per_ip_per_minute: usize,
    pub wake_attempts: u32,
    pub wake_attempt_timeout: Duration,
    pub wake_timeout: Duration,
    pub wake_pause: Duration,
    pub max_strangers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: HANDSHAKE_TIMEOUT,
            max_head: MAX_HEAD,
            auth_timeout: AUTH_TIMEOUT,
            max_session: MAX_SESSION,
            ping_interval: PING_INTERVAL,
            pong_timeout: PONG_TIMEOUT,
            message_timeout: MESSAGE_TIMEOUT,
            close_timeout: CLOSE_TIMEOUT,
            drain: DRAIN,
            max_mailboxes_per_connection: MAX_MAILBOXES_PER_CONNECTION,
            max_denied: MAX_DENIED,
            max_denied_per_ip: MAX_DENIED_PER_IP,
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
            max_read_per_second: MAX_READ_PER_SECOND,
            max_read_per_second_per_ip: MAX_READ_PER_SECOND_PER_IP,
            max_held: MAX_HELD,
            wake_rest: WAKE_REST,
            max_wakes_per_ticket_per_hour: MAX_WAKES_PER_TICKET_PER_HOUR,
            max_wake_table: MAX_WAKE_TABLE,
            max_wakes_in_flight: MAX_WAKES_IN_FLIGHT,
            max_wakes_in_flight_per_ip: MAX_WAKES_IN_FLIGHT_PER_IP,
            max_wakes_per_ip_per_minute: MAX_WAKES_PER_IP_PER_MINUTE,
            wake_attempts: WAKE_ATTEMPTS,
            wake_attempt_timeout: WAKE_ATTEMPT_TIMEOUT,
            wake_timeout: WAKE_TIMEOUT,
            wake_pause: WAKE_PAUSE,
            max_strangers: MAX_STRANGERS,
        }
    }
}

impl Limits {
    /// Lifts every limit that is kept per address: for a relay that sees a proxy's address only.
    #[must_use]
    pub fn without_addresses(self) -> Self {
        Self {
            max_connections_per_ip: usize::MAX,
            max_read_per_second_per_ip: usize::MAX,
            max_denied_per_ip: usize::MAX,
            max_waiting_per_ip: usize::MAX,
            max_rendezvous_per_ip: usize::MAX,
            max_wakes_in_flight_per_ip: usize::MAX,
            max_wakes_per_ip_per_minute: usize::MAX,
            ..self
        }
    }

    /// Lets one address have this many connections, and work in proportion.
    #[must_use]
    pub fn with_connections_per_ip(self, connections: usize) -> Self {
        let share = MAX_READ_PER_SECOND_PER_IP / MAX_CONNECTIONS_PER_IP;
        let work = connections.saturating_mul(share).max(MAX_READ_PER_SECOND_PER_IP);
        Self { max_connections_per_ip: connections, max_read_per_second_per_ip: work, ..self }
    }

    /// Bytes of resident memory that a relay with these limits never has more of, whatever anybody does (docs/RELAY.md). One of a
    /// cluster may have [`CLUSTER_MEMORY`] on top.
    #[must_use]
    pub fn memory_bound(&self, tls: bool) -> usize {
        // What is held grows by copying, a table by doubling.
        const ROOM_TO_GROW: usize = 2;
        const TABLE_ENTRY: usize = 128;
        let connections = self.max_connections;
        let idle = connections.saturating_mul(if tls { TLS_CONNECTION_MEMORY } else { CONNECTION_MEMORY });
        let handshakes = if tls { connections.min(self.max_strangers) * TLS_HANDSHAKE_MEMORY } else { 0 };
        let waiting = self.max_waiting.saturating_mul(MAX_FRAME + TABLE_ENTRY);
        let denied = self.max_denied.min(connections.saturating_mul(self.max_mailboxes_per_connection * 256)) * 16;
        let tables = (self.max_rendezvous + self.max_open_rate_table + 3 * self.max_wake_table) * TABLE_ENTRY * ROOM_TO_GROW;
        let wakes = self.max_wakes_in_flight * WAKE_MEMORY;
        [PROGRAM_MEMORY, idle, handshakes, self.max_held * ROOM_TO_GROW, waiting, denied, tables, wakes]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// Keeps the connections below what `files` open files allow, with [`RESERVED_FILES`] for everything else.
    #[must_use]
    pub fn within_files(self, files: usize) -> Self {
        let connections = files - RESERVED_FILES.min(files.div_ceil(4));
        Self { max_connections: self.max_connections.min(connections), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_bound_connections() {
        let within = |files| Limits::default().within_files(files).max_connections;
        assert_eq!([0, 1, 20, 1_024, 100_000].map(within), [0, 0, 15, 768, MAX_CONNECTIONS]);
    }

    #[test]
    fn an_address_with_more_connections_may_do_more() {
        let work = |connections| Limits::default().with_connections_per_ip(connections).max_read_per_second_per_ip;
        assert_eq!(work(2), MAX_READ_PER_SECOND_PER_IP);
        assert_eq!(work(512), 2 * MAX_READ_PER_SECOND_PER_IP);
    }
}
