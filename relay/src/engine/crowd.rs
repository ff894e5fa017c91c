//! Who has to go when there are too many connections.
//!
//! Refusing newcomers alone would let whoever came first keep everybody else out.

use std::collections::HashMap;

use super::{Engine, find};
use crate::{limits::Limits, network::Network, switch::ConnId};

/// Connections that may have to go, as they were when they were last looked for.
#[derive(Default)]
pub(super) struct Crowd {
    /// Each with which one of its network it is, counted from 1, the highest last: taken from the end, the networks that have most
    /// give way until they have as many as the next ones.
    conns: Vec<(usize, ConnId)>,
    looked: bool,
}

impl Crowd {
    /// Looking for them costs a walk through all: once a second is enough.
    pub(super) fn look_again(&mut self) {
        *self = Self::default();
    }

    fn look(&mut self, conns: impl Iterator<Item = (Network, ConnId)>) {
        let mut networks: HashMap<Network, usize> = HashMap::new();
        let numbered = conns.map(|(network, conn)| {
            let number = networks.entry(network).or_default();
            *number += 1;
            (*number, conn)
        });
        // The only one of a network never goes.
        self.conns = numbered.filter(|(number, _)| *number > 1).collect();
        self.conns.sort_unstable();
        self.looked = true;
    }
}

impl Engine {
    /// Whether one more connection from `network`, which is counted there already, can be taken in. May cut another for it: the
    /// stranger that has been one for the longest, or one of the network that has the most.
    pub(super) fn has_room(&mut self, network: Network) -> bool {
        let Limits { max_connections, max_strangers, .. } = self.limits;
        if self.strangers.len() >= max_strangers
            && let Some(stranger) = self.strangers.first()
        {
            self.counters.strangers_cut.add_one();
            self.gone(stranger);
        }
        self.conns.len() < max_connections || self.cut_one_for(network)
    }

    /// The connection is no stranger any more if the switch has got something good from it.
    pub(super) fn greet(&mut self, id: ConnId) {
        if let Some(conn) = find(&mut self.conns, id)
            && conn.stranger.is_some()
            && self.switch.knows(id)
        {
            self.strangers.leave(&mut conn.stranger);
        }
    }

    /// Cuts one of the network with the most connections if `network`, with the new one, would not have as many.
    fn cut_one_for(&mut self, network: Network) -> bool {
        if !self.crowd.looked {
            let counted = self.conns.iter().filter(|(_, conn)| conn.is_counted);
            self.crowd.look(counted.map(|(_, conn)| (conn.network, conn.id)));
        }
        let new = self.loads.connections(network);
        while let Some((number, id)) = self.crowd.conns.pop_if(|(number, _)| *number > new) {
            let Some(theirs) = self.conn(id).map(|conn| conn.network) else { continue };
            // Others of theirs have gone meanwhile, of themselves.
            if self.loads.connections(theirs) < number {
                continue;
            }
            self.switch.cut(id);
            self.dispatch();
            // It takes a while to say goodbye, and the place is needed now.
            self.remove(id);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn who_has_most_goes_first() {
        let network = |n: u8| Network::from(IpAddr::from([10, 0, 0, n]));
        let mut crowd = Crowd::default();
        // The first network has 4, the second 3, the third 1.
        crowd.look([1, 1, 2, 3, 2, 1, 2, 1].into_iter().zip(0..).map(|(n, id)| (network(n), ConnId(id))));
        let order: Vec<_> = crowd.conns.iter().rev().map(|(number, _)| *number).collect();
        assert_eq!(order, [4, 3, 3, 2, 2]);
    }
}
