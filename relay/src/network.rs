//! Counting per network address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

/// What counts as one address: an IPv4 address, or the /64 an IPv6 address is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(ip: IpAddr) -> Self {
        // An IPv4 client of a dual-stack listener comes as ::ffff:a.b.c.d.
        Self(match ip.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            v4 => v4,
        })
    }
}

impl Network {
    /// The address, or the first one of the /64.
    pub(crate) fn address(self) -> IpAddr {
        self.0
    }
}

/// How many of something each network has; networks with none take no memory.
#[derive(Debug, Default)]
pub(crate) struct PerNetwork(HashMap<Network, usize>);

impl PerNetwork {
    /// Counts one less.
    pub(crate) fn remove(&mut self, network: Network) {
        self.remove_many(network, 1);
    }

    /// Counts `many` more.
    pub(crate) fn add_many(&mut self, network: Network, many: usize) {
        if many > 0 {
            *self.0.entry(network).or_default() += many;
        }
    }

    /// Counts `many` less.
    pub(crate) fn remove_many(&mut self, network: Network, many: usize) {
        match self.0.get_mut(&network) {
            Some(count) if *count > many => *count -= many,
            _ => drop(self.0.remove(&network)),
        }
    }

    pub(crate) fn count(&self, network: Network) -> usize {
        self.0.get(&network).copied().unwrap_or_default()
    }

    /// How many networks have some.
    pub(crate) fn networks(&self) -> usize {
        self.0.len()
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// The network that has the most, if it has so many that it would not have fewer than `newcomer` after giving one of them up:
    /// when there is no more room, who takes most of it gives way.
    pub(crate) fn greedier_than(&self, newcomer: Network) -> Option<Network> {
        let (network, most) = self.0.iter().max_by_key(|(_, count)| **count)?;
        (*most > self.count(newcomer) + 1).then_some(*network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn counts_per_network() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        let (a, b) = (network("10.0.0.1"), network("10.0.0.2"));
        let mut counts = PerNetwork::default();
        for network in [a, a, a, b] {
            counts.add_many(network, 1);
        }
        counts.remove(a);
        assert_eq!((counts.count(a), counts.count(b)), (2, 1));
        assert_eq!(counts.greedier_than(b), None);
        counts.remove(b);
        assert_eq!(counts.greedier_than(b), Some(a));
        counts.add_many(b, 5);
        assert_eq!((counts.count(b), counts.greedier_than(a)), (5, Some(b)));
        counts.remove_many(b, 5);
        assert_eq!(counts.networks(), 1);
    }
}
