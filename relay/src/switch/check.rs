//! What holds between any two commands.

use super::{Phase, Side, Slot, Switch};

impl Switch {
    pub(crate) fn check_tables(&self) {
        let mut joined = 0;
        let mut waiting = 0;
        for (conn, connection) in &self.connections {
            assert!(connection.slots.len() <= self.limits.max_circuits_per_connection);
            assert!(connection.mailboxes.len() <= self.limits.max_mailboxes_per_connection);
            for mailbox in &connection.mailboxes {
                assert!(self.homes.get(mailbox).is_some_and(|home| home.conn == *conn));
            }
            joined += connection.slots.iter().filter(|(_, slot)| matches!(slot, Slot::Joined(_))).count();
            waiting += connection.slots.iter().filter(|(_, slot)| matches!(slot, Slot::Waiting(_))).count();
        }
        let remote = self.circuits.sides().filter(|side| matches!(side, Side::Remote(_))).count();
        assert_eq!(joined + remote, 2 * self.circuits.len());
        assert_eq!(remote, self.shared_circuits());
        assert_eq!((waiting, waiting), (self.waiting.len(), self.waiting.count()));
        if self.phase != Phase::Running {
            assert!(self.connections.values().all(|connection| !connection.slots.is_empty()) && waiting == 0);
        }
        assert!(waiting <= self.limits.max_waiting);
        assert!(self.meetings.count() <= self.limits.max_rendezvous);
        assert_eq!(self.denied.total(), self.homes.values().map(|home| home.deny.len()).sum::<usize>());
        assert!(self.denied.total() <= self.limits.max_denied);
        for (mailbox, home) in &self.homes {
            assert!(self.connections.get(&home.conn).is_some_and(|connection| connection.mailboxes.contains(mailbox)));
            assert_eq!(home.circuits, self.circuits_to(mailbox).len());
            assert!(home.circuits <= self.limits.max_circuits_per_mailbox);
        }
    }

    /// After everybody has gone.
    pub(crate) fn check_is_empty(&self) {
        self.check_tables();
        assert!(self.connections.is_empty() && self.homes.is_empty());
        assert_eq!((self.circuits.len(), self.waiting.len()), (0, 0));
    }
}
