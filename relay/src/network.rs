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
    /// Counts one more if fewer than `max` are there.
    pub(crate) fn add(&mut self, network: Network, max: usize) -> bool {
        let count = self.0.get(&network).copied().unwrap_or_default();
        if count >= max {
            return false;
        }
        self.0.insert(network, count + 1);
        true
    }

    /// Counts one less.
    pub(crate) fn remove(&mut self, network: Network) {
        match self.0.get_mut(&network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.0.remove(&network)),
        }
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
        assert!(counts.add(a, 2) && counts.add(a, 2) && !counts.add(a, 2) && counts.add(b, 2));
        counts.remove(a);
        assert!(counts.add(a, 2));
        counts.remove(b);
        assert_eq!(counts.0.len(), 1);
    }
}
