//! How often each ticket was used in its hour.

use std::collections::{HashMap, VecDeque};

use countersign_core::relay::{Mailbox, TicketId};
use sha2::{Digest as _, Sha256};

const HOUR: u64 = 60 * 60 * 1000;

/// A ticket: half of a hash of mailbox and id, because ids are the phones' own, and there may be one ticket for every phone.
type Key = [u8; 16];

fn key(mailbox: &Mailbox, ticket_id: &TicketId) -> Key {
    let hash: [u8; 32] = Sha256::new().chain_update(mailbox.as_bytes()).chain_update(ticket_id).finalize().into();
    let (key, _) = hash.as_chunks();
    key.first().copied().unwrap_or_default()
}

/// Circuits per ticket. An hour begins with the first circuit and is counted to its end.
pub(super) struct OpenRates {
    max: usize,
    hours: HashMap<Key, u16>,
    /// Every counted ticket, the oldest hour first.
    order: VecDeque<(Key, u64)>,
}

impl OpenRates {
    pub(super) fn new(max: usize) -> Self {
        Self { max, hours: HashMap::new(), order: VecDeque::new() }
    }

    /// Counts a circuit; `false` if the ticket has had `per_hour` of them.
    pub(super) fn count(&mut self, (mailbox, ticket_id): (Mailbox, TicketId), per_hour: u16, mono: u64) -> bool {
        let key = key(&mailbox, &ticket_id);
        while let Some((oldest, since)) = self.order.front() {
            if mono.saturating_sub(*since) < HOUR {
                break;
            }
            self.hours.remove(oldest);
            self.order.pop_front();
        }
        if let Some(opens) = self.hours.get_mut(&key) {
            if *opens >= per_hour {
                return false;
            }
            *opens += 1;
            return true;
        }
        if per_hour == 0 {
            return false;
        }
        while self.hours.len() >= self.max.max(1) {
            let Some((oldest, _)) = self.order.pop_front() else { break };
            self.hours.remove(&oldest);
        }
        self.hours.insert(key, 1);
        self.order.push_back((key, mono));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> (Mailbox, TicketId) {
        (Mailbox::from_bytes([n; 32]), [n; 16])
    }

    #[test]
    fn counts_an_hour() {
        let mut rates = OpenRates::new(10);
        assert!(rates.count(key(1), 2, 0));
        assert!(rates.count(key(1), 2, HOUR - 1));
        assert!(!rates.count(key(1), 2, HOUR - 1));
        assert!(rates.count(key(2), 2, HOUR - 1));
        assert!(rates.count(key(1), 2, HOUR));
        assert!(!rates.count(key(3), 0, HOUR));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut rates = OpenRates::new(2);
        for n in 0..100 {
            assert!(rates.count(key(n), 1, u64::from(n)));
        }
        assert_eq!((rates.hours.len(), rates.order.len()), (2, 2));
        assert!(!rates.count(key(99), 1, 100));
    }
}
