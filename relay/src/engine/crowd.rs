//! Who has to go when there are too many connections.
//!
//! Refusing newcomers alone would let whoever came first keep everybody else out.

use super::{Engine, find};
use crate::{limits::Limits, network::Network, switch::ConnId};

/// Connections of the network that had the most of them when it was last looked for.
#[derive(Default)]
pub(super) struct Crowd {
    conns: Vec<ConnId>,
    looked: bool,
}

impl Crowd {
    /// Looking for the fullest network costs a walk through all: once a second is enough.
    pub(super) fn look_again(&mut self) {
        self.looked = false;
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
        if !self.crowd.looked && self.crowd.conns.is_empty() {
            self.crowd.looked = true;
            let fullest = self.loads.greediest();
            let theirs = self.conns.iter().filter(|(_, conn)| conn.is_counted && Some(conn.network) == fullest);
            self.crowd.conns = theirs.map(|(_, conn)| conn.id).collect();
        }
        let new = self.loads.connections(network);
        while let Some(&id) = self.crowd.conns.last() {
            let Some(theirs) = self.conn(id).map(|conn| conn.network) else {
                self.crowd.conns.pop();
                continue;
            };
            if self.loads.connections(theirs) <= new {
                return false;
            }
            self.crowd.conns.pop();
            self.switch.cut(id);
            self.dispatch();
            // It takes a while to say goodbye, and the place is needed now.
            self.remove(id);
            return true;
        }
        false
    }
}
