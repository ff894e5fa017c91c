//! A phone with two seeds and two pairings, for tests.

use countersign_mobile::{Connection, LinkState, Pairing, PendingRequest, Seed, SeedRight, WakeUpState};

use super::model::News;

pub(crate) const RELEASE: &str = "ACME:release";
pub(crate) const BACKUP: &str = "ACME:backup";

/// `acme/widget` may use one seed; `acme/site` may not use it; nothing was decided about the other seed.
pub(crate) fn news(requests: Vec<PendingRequest>) -> News {
    let seed = |id: &str, label: &str, last_used| Seed { id: id.into(), label: label.into(), created: 1_700_000_000, last_used };
    let pairing = |id: &str, name: &str, allowed, wake_up| Pairing {
        id: id.into(),
        name: name.into(),
        relay: "wss://relay.example".into(),
        created: 1_690_000_000,
        seeds: vec![SeedRight { label: RELEASE.into(), allowed }],
        wake_up,
    };
    News {
        name: "home".into(),
        requests,
        connections: vec![Connection { relay: "wss://relay.example".into(), state: LinkState::Connected }],
        seeds: vec![seed("5eed01", RELEASE, Some(1_710_000_000)), seed("5eed02", BACKUP, None)],
        pairings: vec![
            pairing("9a11", "acme/widget", true, WakeUpState::Ready),
            pairing("9a12", "acme/site", false, WakeUpState::NeedsTicket),
        ],
        ..News::default()
    }
}
