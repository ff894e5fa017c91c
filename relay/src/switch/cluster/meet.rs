//! MEETs whose two ends are at different relays. The laptop's relay is the one that joins them.

use countersign_core::{
    relay::{CloseReason, Frame, Rendezvous, Role},
    time::Now,
};

use super::{
    super::{
        Switch,
        circuit::{Circuit, Side},
        rendezvous::State,
    },
    Body, Link, NodeId, RemoteEnd, Shared, To,
};

impl Switch {
    /// Asks all relays for the other end.
    pub(in super::super) fn seek(&mut self, rendezvous: Rendezvous, role: Role, stamp: u64) {
        self.publish(To::All, Body::Seek { rendezvous, role, stamp });
    }

    /// Asks again for all that are lonely: the question or its answer may have been lost.
    pub(super) fn seek_again(&mut self) {
        let lonely: Vec<_> = self.meetings.lonely().collect();
        for (rendezvous, role, stamp) in lonely {
            self.seek(rendezvous, role, stamp);
        }
    }

    /// Another relay asks.
    pub(super) fn sought(&mut self, from: NodeId, rendezvous: Rendezvous, role: Role, stamp: u64) {
        let Some(cluster) = self.cluster.as_deref_mut() else { return };
        let Some(meeting) = self.meetings.at(&rendezvous) else { return };
        match meeting.state {
            State::Burnt => self.publish(To::Node(from), Body::Taken { rendezvous, stamp }),
            // Whoever else seeks asks again, and is told then.
            State::Joining { .. } => {}
            State::Waiting { end, role: own } if own == role => {
                if (meeting.stamp, cluster.id) < (stamp, from) {
                    return self.publish(To::Node(from), Body::Taken { rendezvous, stamp });
                }
                self.meetings.remove(&rendezvous);
                self.drop_slot(end.0, end.1);
                self.refuse_meet(end, CloseReason::RendezvousTaken);
            }
            State::Waiting { end, role: Role::Laptop } => {
                let with = cluster.make_end(from);
                meeting.state = State::Joining { end, with };
                cluster.share(with, Shared::Joining { rendezvous, since: cluster.now.mono });
                cluster.link(&mut self.outputs, with, Link::Join { rendezvous });
            }
            State::Waiting { role: own, .. } => {
                let stamp = meeting.stamp;
                self.publish(To::Node(from), Body::Seek { rendezvous, role: own, stamp });
            }
        }
    }

    /// Another relay says that the rendezvous is burnt or was begun before.
    pub(super) fn taken(&mut self, rendezvous: &Rendezvous, stamp: u64) {
        let Some(meeting) = self.meetings.at(rendezvous).filter(|meeting| meeting.stamp == stamp) else { return };
        let State::Waiting { end, .. } = meeting.state else { return };
        self.meetings.remove(rendezvous);
        self.drop_slot(end.0, end.1);
        self.refuse_meet(end, CloseReason::RendezvousTaken);
    }

    /// The laptop's relay wants to join.
    pub(super) fn join_from_peer(&mut self, remote: RemoteEnd, rendezvous: &Rendezvous, now: Now) {
        match self.meetings.at(rendezvous).map(|meeting| meeting.state) {
            Some(State::Waiting { end, role: Role::Phone }) => {
                self.tell_peer(remote, Link::Opened);
                self.join_meeting(rendezvous, (Side::Remote(remote), Side::Local(end)), now);
            }
            Some(_) => self.close_at_peer(remote, CloseReason::RendezvousTaken),
            None => self.tell_peer(remote, Link::Away),
        }
    }

    /// The phone's relay did.
    pub(super) fn joined_by_peer(&mut self, remote: RemoteEnd, rendezvous: &Rendezvous, now: Now) {
        if let Some(State::Joining { end, .. }) = self.meetings.at(rendezvous).map(|meeting| meeting.state) {
            self.join_meeting(rendezvous, (Side::Local(end), Side::Remote(remote)), now);
            // Counted here alone: once for both relays.
            self.stats.meets_met += 1;
        }
    }

    fn join_meeting(&mut self, rendezvous: &Rendezvous, ends: (Side, Side), now: Now) {
        self.meetings.burn(rendezvous, now.mono);
        self.join(Circuit {
            ends,
            ticket: None,
            messages_left: self.limits.max_messages_per_circuit,
            bytes_left: self.limits.max_bytes_per_circuit,
        });
        for side in [ends.0, ends.1] {
            if let Side::Local((conn, circuit)) = side {
                self.send(conn, &Frame::Met { circuit });
            }
        }
    }

    /// The other end went before it could be joined.
    pub(super) fn lonely_again(&mut self, rendezvous: &Rendezvous) {
        if let Some(meeting) = self.meetings.at(rendezvous)
            && let State::Joining { end, .. } = meeting.state
        {
            meeting.state = State::Waiting { end, role: Role::Laptop };
        }
    }

    /// The laptop can't be joined. The other end may have been: the rendezvous is burnt.
    pub(super) fn end_joining(&mut self, rendezvous: &Rendezvous, reason: CloseReason) {
        let Some(State::Joining { end, .. }) = self.meetings.at(rendezvous).map(|meeting| meeting.state) else { return };
        let mono = self.cluster.as_deref().map_or(0, |cluster| cluster.now.mono);
        self.meetings.burn(rendezvous, mono);
        self.drop_slot(end.0, end.1);
        self.refuse_meet(end, reason);
    }

    /// Withdraws an end that waits at a rendezvous.
    pub(in super::super) fn withdraw_meet(&mut self, rendezvous: &Rendezvous) {
        if let Some(State::Joining { with, .. }) = self.meetings.at(rendezvous).map(|meeting| meeting.state) {
            self.unshare(with);
            self.close_at_peer(with, CloseReason::Done);
        }
        self.meetings.remove(rendezvous);
    }
}
