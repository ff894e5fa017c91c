//! How many connections there may be, counted from accept to close.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::network::{Network, PerNetwork};

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many in all.
    Full,
    /// Too many from this address.
    Address,
}

/// Counts connections.
pub(crate) struct Admission {
    counts: Mutex<Counts>,
    max: usize,
    max_per_ip: usize,
}

#[derive(Default)]
struct Counts {
    total: usize,
    per_network: PerNetwork,
}

/// A counted connection; no longer counted when dropped.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    network: Network,
}

impl Admission {
    pub(crate) fn new(max: usize, max_per_ip: usize) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), max, max_per_ip })
    }

    /// Counts a connection, or refuses it.
    pub(crate) fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Admitted, Refused> {
        let network = ip.into();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.max {
            return Err(Refused::Full);
        }
        if !counts.per_network.add(network, self.max_per_ip) {
            return Err(Refused::Address);
        }
        counts.total += 1;
        Ok(Admitted { admission: Arc::clone(self), network })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        counts.per_network.remove(self.network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_until_dropped() {
        let admission = Admission::new(3, 2);
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let first = admission.admit(ip(1));
        let _second = admission.admit(ip(1)).unwrap();
        assert_eq!(admission.admit(ip(1)).err(), Some(Refused::Address));
        let _third = admission.admit(ip(2)).unwrap();
        assert_eq!(admission.admit(ip(3)).err(), Some(Refused::Full));
        drop(first);
        assert!(admission.admit(ip(1)).is_ok());
    }
}
