//! The end of a relay, in two steps: [`Switch::drain`] lets what has begun come to its end, [`Switch::shut_down`] does not.

use countersign_core::relay::{CloseReason, ErrorCode, Frame};

use super::{Circuits, ConnId, Denied, Meetings, Output, Slot, Switch, Waiting};

/// How far the switch is on its way to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Circuits come to their end; nothing new begins.
    Draining,
    Stopped,
}

impl Switch {
    /// Sends everybody elsewhere who has no circuit, and later each of the others when its last circuit has ended. What waits on a
    /// connection that stays is told `limit`, and so is every new OPEN and MEET.
    pub fn drain(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Draining;
        let mut conns: Vec<_> = self.connections.keys().copied().collect();
        conns.sort_unstable();
        for conn in conns {
            let Some(connection) = self.connections.get(&conn) else { continue };
            let mut pending: Vec<_> = connection.slots.iter().collect();
            pending.retain(|(_, slot)| !matches!(slot, Slot::Joined(_)));
            if pending.len() == connection.slots.len() {
                self.fail(conn, ErrorCode::ShuttingDown);
                continue;
            }
            pending.sort_unstable_by_key(|(number, _)| *number);
            for (number, slot) in pending {
                // As if the end had withdrawn it.
                self.close(conn, number, CloseReason::Limit);
                match slot {
                    Slot::Meeting(_) => self.refuse_meet((conn, number), CloseReason::Limit),
                    Slot::Waiting(_) | Slot::Joined(_) => self.refuse_open((conn, number), CloseReason::Limit),
                }
            }
        }
    }

    /// Whether a drain has come to its end: nobody is connected any more.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.phase != Phase::Running && self.connections.is_empty()
    }

    /// Tells everybody that the relay is being stopped, and ends every connection.
    pub fn shut_down(&mut self) {
        self.phase = Phase::Stopped;
        for (conn, _) in std::mem::take(&mut self.connections) {
            self.stats.errors.count(ErrorCode::ShuttingDown);
            self.send(conn, &Frame::Error { code: ErrorCode::ShuttingDown });
            self.outputs.push_back(Output::Disconnect { conn });
        }
        self.homes.clear();
        self.denied = Denied::new(&self.limits);
        self.circuits = Circuits::default();
        self.waiting = Waiting::new(&self.limits);
        self.meetings = Meetings::new(&self.limits);
        self.leave_cluster();
        self.freed.clear();
    }

    /// A connection has lost a circuit. In a drain it may be the last one, but only the end of the command tells: a connection that
    /// is gone must not be sent ERROR while its circuits are still being ended.
    pub(super) fn freed(&mut self, conn: ConnId) {
        if self.phase == Phase::Draining {
            self.freed.push(conn);
        }
    }

    /// Ends those whose last circuit has ended.
    pub(super) fn end_freed(&mut self) {
        while let Some(conn) = self.freed.pop() {
            if self.connections.get(&conn).is_some_and(|connection| connection.slots.is_empty()) {
                self.fail(conn, ErrorCode::ShuttingDown);
            }
        }
    }
}
