//! How many denied tickets are remembered, in all and for each network.

use super::ConnId;
use crate::{
    limits::Limits,
    network::{Network, PerNetwork},
};

/// The count of all deny lists.
pub(super) struct Denied {
    total: usize,
    per_network: PerNetwork,
    max: usize,
    max_per_ip: usize,
}

/// A deny list that is remembered.
#[derive(Clone, Copy)]
pub(super) struct DenyList {
    pub(super) conn: ConnId,
    pub(super) network: Network,
    pub(super) length: usize,
}

impl Denied {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { total: 0, per_network: PerNetwork::default(), max: limits.max_denied, max_per_ip: limits.max_denied_per_ip }
    }

    /// Whether `length` more can be remembered for `network` once `old` is forgotten.
    pub(super) fn fits(&self, network: Network, length: usize, old: Option<DenyList>) -> bool {
        let freed = old.map_or(0, |old| old.length);
        let freed_here = old.filter(|old| old.network == network).map_or(0, |old| old.length);
        self.total - freed + length <= self.max && self.per_network.count(network) - freed_here + length <= self.max_per_ip
    }

    pub(super) fn add(&mut self, network: Network, length: usize) {
        self.total += length;
        self.per_network.add_many(network, length);
    }

    pub(super) fn remove(&mut self, network: Network, length: usize) {
        self.total -= length;
        self.per_network.remove_many(network, length);
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn total(&self) -> usize {
        assert_eq!(self.total, self.per_network.total());
        self.total
    }
}
