//! The one switch and the queues of all connections, behind one lock that is never held across an await.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use countersign_core::{relay::RelayUrl, time::Now};
use rand_core::OsRng;

use crate::{
    limits::Limits,
    nats::Outbox,
    queue::{Queue, Queued, queue},
    switch::{ConnId, NodeId, Output, Switch},
};

pub(crate) struct Hub {
    inner: Mutex<Inner>,
    started: Instant,
    out_queue: usize,
}

struct Inner {
    switch: Switch,
    queues: HashMap<ConnId, Arc<Queue>>,
    outbox: Option<Outbox>,
    next: u64,
}

impl Hub {
    pub(crate) fn new(origins: &[RelayUrl], limits: &Limits) -> Self {
        let inner = Inner { switch: Switch::new(origins, limits.clone()), queues: HashMap::new(), outbox: None, next: 0 };
        Self { inner: Mutex::new(inner), started: Instant::now(), out_queue: limits.out_queue }
    }

    /// Takes in a connection; HELLO is the first thing in its queue.
    pub(crate) fn connected(&self, ip: IpAddr) -> (ConnId, Arc<Queue>, Queued) {
        let (queue, queued) = queue(self.out_queue);
        let queue = Arc::new(queue);
        let mut inner = self.lock();
        let conn = ConnId(inner.next);
        inner.next += 1;
        inner.queues.insert(conn, Arc::clone(&queue));
        inner.switch.connected(conn, ip, self.now(), &mut OsRng);
        inner.dispatch();
        (conn, queue, queued)
    }

    pub(crate) fn frame(&self, conn: ConnId, bytes: &[u8]) {
        let now = self.now();
        self.with(|switch| switch.frame(conn, bytes, now));
    }

    pub(crate) fn not_a_frame(&self, conn: ConnId) {
        self.with(|switch| switch.not_a_frame(conn));
    }

    pub(crate) fn disconnected(&self, conn: ConnId) {
        let mut inner = self.lock();
        inner.queues.remove(&conn);
        inner.switch.disconnected(conn);
        inner.dispatch();
    }

    pub(crate) fn tick(&self) {
        let now = self.now();
        self.with(|switch| switch.tick(now));
    }

    /// Makes this relay one of a cluster's; what it says to the others goes into the outbox.
    pub(crate) fn join_cluster(&self, node: NodeId, outbox: Outbox) {
        let mut inner = self.lock();
        inner.switch.join_cluster(node);
        inner.outbox = Some(outbox);
    }

    pub(crate) fn peer(&self, bytes: &[u8]) {
        let now = self.now();
        self.with(|switch| switch.peer(bytes, now));
    }

    pub(crate) fn nats_up(&self) {
        let now = self.now();
        self.with(|switch| switch.nats_up(now));
    }

    pub(crate) fn nats_down(&self) {
        let now = self.now();
        self.with(|switch| switch.nats_down(now));
    }

    pub(crate) fn cluster_tick(&self) {
        let now = self.now();
        self.with(|switch| switch.cluster_tick(now));
    }

    pub(crate) fn shut_down(&self) {
        self.with(Switch::shut_down);
        self.lock().outbox = None;
    }

    fn with(&self, command: impl FnOnce(&mut Switch)) {
        let mut inner = self.lock();
        command(&mut inner.switch);
        inner.dispatch();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The switch holds no invariant that a panic elsewhere could break for the other connections.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { unix, mono: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX) }
    }
}

impl Inner {
    fn dispatch(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Send { conn, bytes } => {
                    if let Some(queue) = self.queues.get(&conn) {
                        queue.push(bytes);
                    }
                }
                Output::Publish { to, bytes } => {
                    if let Some(outbox) = &self.outbox {
                        outbox.push(to, bytes);
                    }
                }
                Output::Disconnect { conn } => {
                    if let Some(queue) = self.queues.remove(&conn) {
                        queue.finish();
                    }
                }
            }
        }
    }
}
