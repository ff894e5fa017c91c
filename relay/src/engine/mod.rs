//! The shell around the switch: one loop that owns every connection and moves bytes between sockets and the switch.

mod conn;
mod crowd;
mod deadlines;
mod handle;
mod input;
mod line;
mod loads;
mod ready;
mod tls;
mod waits;

use std::{
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use countersign_core::{relay::RelayUrl, time::Now};
use slab::Slab;
use tokio::{
    net::TcpStream,
    sync::mpsc::{Receiver, UnboundedSender},
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use self::{
    conn::{Conn, Gone, Phase, Read},
    crowd::Crowd,
    deadlines::Deadlines,
    handle::Command,
    line::Line,
    loads::Loads,
    ready::{ConnWaker, Ready},
};
use crate::{
    clock::unix_now,
    limits::{CONNECTION_PRICE, Limits, MAX_CONNECTIONS, TLS_CONNECTION_PRICE},
    metrics::Counters,
    nats::Outbox,
    network::Network,
    proxy::Trusted,
    push::PushKeys,
    switch::{ConnId, NodeId, Output, Stats, Switch, Wake},
    tls::ServerTls,
};

/// Bytes read at once. All connections share the buffer.
const READ_BUFFER: usize = 64 * 1024;
/// How often one connection is read from before the others have their turn.
const READS_PER_TURN: usize = 4;
/// How many commands are carried out before the connections have their turn.
const COMMANDS_PER_TURN: usize = 64;

pub(crate) use self::handle::Handle;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::tls::Tls;

/// Every connection, and the switch.
pub(crate) struct Engine {
    switch: Switch,
    limits: Limits,
    tls: Option<Arc<ServerTls>>,
    proxies: Trusted,
    counters: Arc<Counters>,
    commands: Receiver<Command>,
    handle: Handle,
    /// Takes the wake-ups that are due.
    wakes: Option<UnboundedSender<Wake>>,
    outbox: Option<Outbox>,
    conns: Slab<Conn>,
    loads: Loads,
    crowd: Crowd,
    /// Connections that have shown nothing yet.
    strangers: Line,
    /// Connections that hold memory beyond what an idle one does.
    holders: Line,
    deadlines: Deadlines,
    ready: Arc<Ready>,
    /// Connections that owe work.
    paused: Vec<ConnId>,
    /// Connections that broke while something was being sent to them.
    broken: Vec<ConnId>,
    /// What all connections hold beyond what idle ones do.
    held: usize,
    /// Work that was done for the connection that is being read from, besides its bytes.
    work: usize,
    serial: u32,
    ticked: u64,
    started: Instant,
    now: Now,
    buffers: Buffers,
}

/// Used by one connection at a time, and empty in between.
#[derive(Default)]
struct Buffers {
    read: Vec<u8>,
    plain: Vec<u8>,
    scratch: Vec<u8>,
    batch: Vec<ConnId>,
}

impl Engine {
    pub(crate) fn new(
        origins: &[RelayUrl],
        limits: &Limits,
        tls: Option<Arc<ServerTls>>,
        proxies: Trusted,
        counters: Arc<Counters>,
    ) -> Self {
        let (handle, commands) = Handle::new();
        Self {
            switch: Switch::new(origins, limits.clone()),
            tls,
            proxies,
            counters,
            commands,
            handle,
            wakes: None,
            outbox: None,
            conns: room(limits),
            loads: Loads::new(limits.max_connections_per_ip, limits.max_read_per_second_per_ip),
            crowd: Crowd::default(),
            strangers: Line::default(),
            holders: Line::default(),
            deadlines: Deadlines::new(limits),
            ready: Arc::default(),
            paused: Vec::new(),
            broken: Vec::new(),
            held: 0,
            work: 0,
            serial: 0,
            ticked: 0,
            started: Instant::now(),
            now: Now { unix: 0, mono: 0 },
            buffers: Buffers { read: vec![0; READ_BUFFER], ..Buffers::default() },
            limits: limits.clone(),
        }
    }

    /// Seals push addresses with these keys, and gives wake-ups that are due to `wakes`.
    pub(crate) fn wakes_phones(&mut self, keys: Arc<PushKeys>, wakes: UnboundedSender<Wake>) {
        self.switch.seals_with(keys);
        self.wakes = Some(wakes);
    }

    /// Makes this relay one of a cluster's; what it says to the others goes into the outbox.
    pub(crate) fn joins_cluster(&mut self, node: NodeId, outbox: Outbox) {
        self.switch.join_cluster(node);
        self.outbox = Some(outbox);
    }

    /// For what runs beside the engine.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Takes in a connection, or closes it if there are too many.
    pub(crate) fn accept(&mut self, stream: TcpStream, peer: IpAddr) {
        let network = Network::from(peer);
        let is_proxy = self.proxies.contains(peer);
        if !is_proxy && !self.loads.join(network) {
            return self.counters.refused_address.add_one();
        }
        if !self.has_room(network) {
            if !is_proxy {
                self.loads.leave(network);
            }
            return self.counters.refused_full.add_one();
        }
        let tls = match self.tls.as_ref().map(|tls| tls::Tls::new(tls.current())).transpose() {
            Ok(tls) => tls,
            // rustls refuses a configuration that has no certificate; a loaded one has.
            Err(_) => {
                if !is_proxy {
                    self.loads.leave(network);
                }
                return self.counters.handshakes_tls_failed.add_one();
            }
        };
        self.counters.accepted.add_one();
        if !is_proxy {
            self.loads.charge(network, if tls.is_some() { TLS_CONNECTION_PRICE } else { CONNECTION_PRICE });
        }
        // Frames are small and each one is waited for.
        let _ = stream.set_nodelay(true);
        let phase = if is_proxy && self.proxies.proxy_protocol { Phase::Proxied(Vec::new()) } else { Phase::Head(Vec::new()) };
        let entry = self.conns.vacant_entry();
        // Two connections in the same place never have the same number.
        self.serial = self.serial.wrapping_add(1);
        let id = ConnId(u64::from(self.serial) << 32 | entry.key() as u64);
        let waker = ConnWaker::new(id, &self.ready);
        let conn = entry.insert(Conn::new(id, peer, phase, stream, waker, tls));
        conn.is_counted = !is_proxy;
        conn.again();
        self.strangers.join(&mut conn.stranger, id);
        self.deadlines.handshake.begin(id, self.now.mono);
    }

    /// Counts a connection that came through a proxy, now that its client is known; `false` if there are too many from there.
    fn counts(&mut self, id: ConnId, client: IpAddr) -> bool {
        let network = Network::from(client);
        let Some(conn) = find(&mut self.conns, id) else { return false };
        if conn.is_counted {
            return true;
        }
        if !self.loads.join(network) {
            self.counters.refused_address.add_one();
            return false;
        }
        conn.network = network;
        conn.is_counted = true;
        self.loads.charge(network, if conn.is_tls() { TLS_CONNECTION_PRICE } else { CONNECTION_PRICE });
        true
    }

    /// Does what the sockets that became ready are waiting for. Never waits itself.
    pub(crate) fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ready.wakes(cx.waker());
        self.carry_out(cx);
        let mut batch = self.ready.take(std::mem::take(&mut self.buffers.batch));
        for conn in batch.drain(..) {
            self.service(conn);
        }
        self.buffers.batch = batch;
        if self.conns.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn carry_out(&mut self, cx: &mut Context<'_>) {
        for _ in 0..COMMANDS_PER_TURN {
            let Poll::Ready(Some(command)) = self.commands.poll_recv(cx) else { return };
            command(&mut self.switch, self.now);
            self.dispatch();
        }
        cx.waker().wake_by_ref();
    }

    /// Once a second.
    pub(crate) fn tick(&mut self) {
        let now = self.now;
        self.switch.tick(now);
        self.dispatch();
        self.end_waits(now.mono);
        let second = now.mono / 1000;
        self.loads.forgive(usize::try_from(second - self.ticked).unwrap_or(usize::MAX));
        self.ticked = second;
        self.crowd.look_again();
        for conn in std::mem::take(&mut self.paused) {
            if let Some(conn) = self.conn(conn) {
                conn.paused = false;
                conn.again();
            }
        }
    }

    /// Nobody comes any more; who has no circuit is sent elsewhere.
    pub(crate) fn drain(&mut self) {
        self.goes_away();
        self.switch.drain();
        self.dispatch();
    }

    /// Whether only those are left who are being told.
    pub(crate) fn is_drained(&self) -> bool {
        self.switch.is_drained()
    }

    /// What the switch counted.
    pub(crate) fn stats(&self) -> Stats {
        self.switch.stats()
    }

    /// Bytes that wait to be written, or to be whole messages.
    pub(crate) fn unwritten(&self) -> u64 {
        self.held as u64
    }

    /// Tells everybody that it is over.
    pub(crate) fn shut_down(&mut self) {
        self.goes_away();
        self.switch.shut_down();
        self.dispatch();
        // Once it is sent, nothing more will come.
        self.outbox = None;
        let strangers: Vec<_> = self.conns.iter().filter(|(_, conn)| conn.is_stranger()).map(|(_, conn)| conn.id).collect();
        for conn in strangers {
            self.remove(conn);
        }
    }

    fn goes_away(&mut self) {
        for (_, conn) in &mut self.conns {
            conn.close_code = CloseCode::Away;
        }
    }

    /// Reads the clocks, once for all that is done until the next time: a moment for the machine, but for each of its messages.
    pub(crate) fn look_at_clock(&mut self) {
        self.now = Now { unix: unix_now(), mono: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX) };
    }

    fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        find(&mut self.conns, id)
    }

    /// Writes, then reads, what can be written and read.
    fn service(&mut self, id: ConnId) {
        let Some(conn) = self.conn(id) else { return };
        conn.taken();
        if conn.flush().is_err() {
            return self.gone(id);
        }
        let mut buffer = std::mem::take(&mut self.buffers.read);
        let mut reads = READS_PER_TURN;
        let mut more = !self.owes(id);
        while more && let Some(conn) = find(&mut self.conns, id) {
            if reads == 0 {
                conn.again();
                break;
            }
            reads -= 1;
            match conn.read(&mut buffer) {
                Read::Later => break,
                Read::Ended => {
                    self.gone(id);
                    break;
                }
                Read::Bytes(length) => {
                    self.input(id, buffer.get_mut(..length).unwrap_or_default());
                    let work = std::mem::take(&mut self.work);
                    self.charge(id, length.saturating_add(work));
                    // After a short read there is nothing more, and the next one only asks to be woken.
                    more = length < buffer.len() || !self.owes(id);
                }
            }
        }
        self.buffers.read = buffer;
        self.count_held(id);
        self.dispatch();
    }

    /// Counts work done for a connection.
    fn charge(&mut self, id: ConnId, work: usize) {
        if let Some(conn) = find(&mut self.conns, id) {
            conn.charge(work);
            if conn.is_counted {
                self.loads.charge(conn.network, work);
            }
        }
    }

    /// Whether a connection, or its network, has had its share of this second. Then it waits for a later one.
    fn owes(&mut self, id: ConnId) -> bool {
        let second = u32::try_from(self.now.mono / 1000).unwrap_or(u32::MAX);
        let Some(conn) = find(&mut self.conns, id) else { return false };
        // Not the proxy's: it is not known yet whose work it is.
        let owes = conn.owes(self.limits.max_read_per_second, second) || (conn.is_counted && self.loads.owes(conn.network));
        if owes && !conn.paused {
            conn.paused = true;
            self.paused.push(id);
        }
        owes
    }

    /// Carries out what the switch wants.
    fn dispatch(&mut self) {
        loop {
            while let Some(output) = self.switch.poll_output() {
                match output {
                    Output::Send { conn: id, bytes } => {
                        let Some(conn) = find(&mut self.conns, id) else { continue };
                        let sent = conn.send(&bytes, &mut self.buffers.scratch);
                        self.has_sent(id, sent);
                    }
                    Output::Wake(wake) => {
                        if let Some(wakes) = &self.wakes {
                            // Nobody listens only while the relay is being stopped.
                            let _ = wakes.send(*wake);
                        }
                    }
                    Output::Publish { to, bytes } => {
                        if let Some(outbox) = &self.outbox {
                            outbox.push(to, bytes);
                        }
                    }
                    Output::Disconnect { conn } => self.close(conn),
                }
            }
            let Some(id) = self.broken.pop() else { return };
            self.remove(id);
            self.switch.disconnected(id);
        }
    }

    /// Looks at what came of sending something.
    fn has_sent(&mut self, id: ConnId, sent: Result<(), Gone>) {
        let Some(conn) = find(&mut self.conns, id) else { return };
        if sent.is_err() {
            self.broken.push(id);
        } else if conn.unwritten() > self.limits.out_queue {
            self.counters.slow_readers.add_one();
            self.broken.push(id);
        } else if conn.unwritten() > 0 {
            self.count_held(id);
        }
    }

    /// The other end has gone, or is being cut.
    fn gone(&mut self, id: ConnId) {
        self.remove(id);
        self.switch.disconnected(id);
        self.dispatch();
    }

    /// Says goodbye; the rest is up to the other end, for a while.
    fn close(&mut self, id: ConnId) {
        let mono = self.now.mono;
        let Some(conn) = find(&mut self.conns, id) else { return };
        conn.close(&mut self.buffers.scratch);
        self.deadlines.close.begin(id, mono);
    }

    fn remove(&mut self, id: ConnId) {
        if self.conn(id).is_none() {
            return;
        }
        let mut conn = self.conns.remove(key(id));
        self.held -= conn.counted;
        self.strangers.leave(&mut conn.stranger);
        self.holders.leave(&mut conn.holder);
        if conn.is_counted {
            self.loads.leave(conn.network);
        }
        // A flood that is over leaves no memory behind.
        if self.conns.is_empty() {
            self.conns = room(&self.limits);
        }
    }
}

/// Room for all connections that there may be, of which the system gives what is used: a table that grows leaves its smaller self behind.
fn room(limits: &Limits) -> Slab<Conn> {
    Slab::with_capacity(limits.max_connections.min(MAX_CONNECTIONS))
}

fn key(id: ConnId) -> usize {
    // The lower half; a slab of more than 2^32 connections does not fit into any memory.
    usize::try_from(id.0 & u64::from(u32::MAX)).unwrap_or(usize::MAX)
}

fn find(conns: &mut Slab<Conn>, id: ConnId) -> Option<&mut Conn> {
    conns.get_mut(key(id)).filter(|conn| conn.id == id)
}
