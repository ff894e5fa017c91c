//! What screens show: a snapshot, made whenever the phone changes, and what is new in it.

use countersign_core::{phone::Phone, time::Now};

use crate::{Connection, Event, Gone, HistoryEntry, Identity, Pairing, PendingRequest, Seed};

/// Everything that is shown, at one moment.
pub(crate) struct View {
    at: u64,
    pending: Vec<PendingRequest>,
    pub(crate) identity: Identity,
    pub(crate) seeds: Vec<Seed>,
    pub(crate) pairings: Vec<Pairing>,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) connections: Vec<Connection>,
}

impl View {
    pub(crate) fn of(phone: &Phone, connections: &[Connection], now: Now) -> Self {
        Self {
            at: now.mono,
            pending: phone.pending(now).into_iter().map(Into::into).collect(),
            identity: phone.identity().into(),
            seeds: phone.seeds().into_iter().map(Into::into).collect(),
            pairings: phone.pairings().into_iter().map(Into::into).collect(),
            history: phone.history().iter().cloned().map(Into::into).collect(),
            connections: connections.to_vec(),
        }
    }

    /// The requests, with the time that is left at `now`.
    pub(crate) fn pending(&self, now: Now) -> Vec<PendingRequest> {
        let passed = now.mono.saturating_sub(self.at) / 1000;
        let aged = |it: &PendingRequest| PendingRequest { seconds_left: it.seconds_left.saturating_sub(passed), ..it.clone() };
        self.pending.iter().map(aged).collect()
    }

    /// Whether this request waits.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.pending.iter().any(|it| it.id == id)
    }

    /// The name of a pairing, or its id if it is gone.
    pub(crate) fn name_of(&self, id: &str) -> String {
        self.pairings.iter().find(|pairing| pairing.id == id).map_or_else(|| id.to_owned(), |pairing| pairing.name.clone())
    }
}

/// What became of the requests between two views; `withdrawn`: the pairings that took theirs back.
pub(crate) fn changes(old: &View, new: &View, withdrawn: &[String]) -> Vec<Event> {
    let find = |view: &View, id: &str| view.pending.iter().find(|it| it.id == id).cloned();
    let mut events = Vec::new();
    for it in &old.pending {
        match find(new, &it.id) {
            None => {
                let why = if withdrawn.contains(&it.verified.pairing_id) { Gone::Withdrawn } else { Gone::Answered };
                events.push(Event::RequestGone { id: it.id.clone(), why });
            }
            // The time that is left is not news.
            Some(now) if (PendingRequest { seconds_left: it.seconds_left, ..now.clone() }) != *it => {
                events.push(Event::RequestChanged { request: now });
            }
            Some(_) => {}
        }
    }
    let arrived = new.pending.iter().filter(|it| find(old, &it.id).is_none());
    events.extend(arrived.map(|it| Event::RequestArrived { request: it.clone() }));
    events
}
