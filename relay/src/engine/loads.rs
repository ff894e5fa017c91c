//! What each network asks of the relay: how many connections, and how much work (docs/RELAY.md, "Under attack").
//!
//! Work is counted in bytes: what is read, and for what costs more than its bytes (a frame, a proof, a handshake) a price. Who
//! has used up a second's work is not refused: it is read from later.

use std::collections::HashMap;

use crate::network::Network;

#[derive(Default)]
struct Load {
    connections: usize,
    owed: usize,
}

/// All networks that have connections or owe work.
pub(super) struct Loads {
    table: HashMap<Network, Load>,
    max_connections: usize,
    per_second: usize,
}

impl Loads {
    pub(super) fn new(max_connections: usize, per_second: usize) -> Self {
        Self { table: HashMap::new(), max_connections, per_second }
    }

    /// Counts a connection; `false`: it has as many as it may have.
    pub(super) fn join(&mut self, network: Network) -> bool {
        let load = self.table.entry(network).or_default();
        if load.connections >= self.max_connections {
            return false;
        }
        load.connections += 1;
        true
    }

    /// A connection has gone. What was done for it stays owed.
    pub(super) fn leave(&mut self, network: Network) {
        if let Some(load) = self.table.get_mut(&network) {
            load.connections = load.connections.saturating_sub(1);
            if load.connections == 0 && load.owed == 0 {
                self.table.remove(&network);
            }
        }
    }

    pub(super) fn connections(&self, network: Network) -> usize {
        self.table.get(&network).map_or(0, |load| load.connections)
    }

    /// Counts work.
    pub(super) fn charge(&mut self, network: Network, work: usize) {
        if let Some(load) = self.table.get_mut(&network) {
            load.owed = load.owed.saturating_add(work);
        }
    }

    /// Whether it has used up its share of this second.
    pub(super) fn owes(&self, network: Network) -> bool {
        self.table.get(&network).is_some_and(|load| load.owed > self.per_second)
    }

    /// Seconds have passed.
    pub(super) fn forgive(&mut self, seconds: usize) {
        let work = self.per_second.saturating_mul(seconds);
        self.table.retain(|_, load| {
            load.owed = load.owed.saturating_sub(work);
            load.connections > 0 || load.owed > 0
        });
        // A flood that is over leaves no memory behind.
        if self.table.len() < self.table.capacity() / 4 {
            self.table.shrink_to(self.table.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn connections_and_work() {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
        let (a, b) = (network("10.0.0.1"), network("2001:db8::1"));
        let mut loads = Loads::new(2, 100);
        assert!(loads.join(a) && loads.join(a) && !loads.join(a) && loads.join(b));
        // Every address of a /64 is one network.
        assert!(loads.join(network("2001:db8::2")) && !loads.join(network("2001:db8::3")));
        loads.leave(b);
        assert_eq!((loads.connections(a), loads.connections(b)), (2, 1));
        loads.charge(a, 250);
        assert!(loads.owes(a) && !loads.owes(b));
        loads.forgive(1);
        assert!(loads.owes(a));
        // What was done is not forgotten by hanging up.
        loads.leave(a);
        loads.leave(a);
        assert!(loads.join(a) && loads.owes(a));
        loads.leave(a);
        loads.forgive(1);
        assert!(!loads.owes(a));
        loads.forgive(usize::MAX);
        assert_eq!(loads.table.len(), 1);
    }
}
