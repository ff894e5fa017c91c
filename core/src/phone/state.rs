//! What the phone keeps (docs/PROTOCOL.md §10). Private to this implementation; versioned.
//!
//! It is saved in parts, each sealed for itself ([`super::vault`]), so that one that is damaged does not take the others with it.

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::{HistoryEntry, HistoryOutcome};
use crate::{
    keys::{PairingId, Secret32},
    request::MAX_REPLAY,
    text::clean,
};

/// Entries of the history; the oldest go first.
pub const MAX_HISTORY: usize = 200;
/// Pairings; also pairings taken back of which relays are still told, and wake-up addresses.
pub(super) const MAX_PAIRINGS: usize = 64;
/// Ids of pairings taken back; the oldest go first.
const MAX_RETIRED: usize = 4096;
/// How long a relay where this phone has no other pairing is still told that the ticket of one taken back is denied, seconds: 30 days. It is a courtesy, which
/// costs a connection: the phone itself refuses that pairing for ever.
pub(super) const DENIED_FOR: u64 = 30 * 24 * 3600;
/// Of [`Own`].
pub(super) const OWN_VERSION: u8 = 1;
/// Seeds.
pub(super) const MAX_SEEDS: usize = 256;
/// Sealed files remembered for one seed; the oldest go first.
pub(super) const MAX_FILES: usize = 16;
/// Seeds that were removed and are remembered; the oldest go first.
const MAX_REMOVED: usize = 1024;

pub(super) type Id = ByteArray<16>;

/// Everything.
#[derive(Clone)]
pub(super) struct State {
    pub(super) own: Own,
    pub(super) paired: Paired,
    pub(super) index: Index,
    pub(super) replay: Vec<Replay>,
    pub(super) history: Vec<HistoryEntry>,
}

/// The phone itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    pub(super) v: u8,
    pub(super) name: String,
    pub(super) recipient: String,
    pub(super) signer: ByteArray<32>,
    pub(super) trusted: Vec<ByteArray<32>>,
    /// Steps that began before this may have been issued by a phone that this one was restored from, or before its index was lost. Unix seconds.
    pub(super) not_before: u64,
}

/// Who may ask, and for what.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paired {
    pub(super) pairings: Vec<Pairing>,
    pub(super) revoked: Vec<Revoked>,
    /// Every pairing taken back: its pairing code never serves again.
    pub(super) retired: Vec<Id>,
    pub(super) grants: Vec<Grant>,
    pub(super) wake_ups: Vec<WakeUp>,
}

/// The seeds, and which steps of them are burnt.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    pub(super) seeds: Vec<Seed>,
    /// Seeds that were removed: should one come back, its steps stay burnt.
    pub(super) removed: Vec<Removed>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removed {
    pub(super) fingerprint: ByteArray<32>,
    pub(super) last_step: u64,
}

/// Where this phone gets push messages.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WakeUp {
    /// The relay that may send them; empty: every relay without an entry of its own.
    pub(super) relay: String,
    pub(super) endpoint: String,
    pub(super) p256dh: ByteArray<65>,
    pub(super) auth: ByteArray<16>,
}

/// A push address that the relay of a pairing sealed for its mailbox.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Push {
    pub(super) sealed: ByteBuf,
    /// In a ticket that the laptop has.
    pub(super) given: bool,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pairing {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) relay: String,
    pub(super) ci_static: ByteArray<32>,
    pub(super) psk: StoredSecret,
    pub(super) ticket: Id,
    pub(super) created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) push: Option<Push>,
}

/// A pairing taken back: its mailbox is still proven, to tell the relay that its ticket is denied.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoked {
    pub(super) id: Id,
    pub(super) relay: String,
    pub(super) ticket: Id,
    /// When, Unix seconds.
    #[serde(default)]
    pub(super) at: u64,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seed {
    pub(super) id: Id,
    pub(super) label: String,
    pub(super) files: Vec<ByteArray<32>>,
    /// Tells the same secret enrolled twice; HKDF under the unlock root.
    pub(super) fingerprint: ByteArray<32>,
    pub(super) created: u64,
    pub(super) last_step: Option<u64>,
    /// When codes were issued last, Unix seconds.
    pub(super) last_used: Option<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub(super) pairing: Id,
    pub(super) seed: Id,
    pub(super) allowed: bool,
}

/// A request that was accepted once and must not be again; after the answer, M4 for a job that lost its connection.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    pub(super) pairing: Id,
    pub(super) ephemeral: ByteArray<32>,
    pub(super) request: Id,
    pub(super) tag: Id,
    pub(super) until: u64,
    pub(super) m4: Option<ByteBuf>,
}

/// A secret inside the (encrypted) state; wiped on drop.
pub(super) struct StoredSecret(pub(super) Secret32);

impl Clone for StoredSecret {
    fn clone(&self) -> Self {
        Self(self.0.duplicate())
    }
}

impl Serialize for StoredSecret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Goes into the state, which is encrypted before it leaves.
        serializer.serialize_bytes(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for StoredSecret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ByteArray::<32>::deserialize(deserializer).map(|bytes| Self(Secret32::from_bytes(bytes.into_array())))
    }
}

impl State {
    /// A phone with nothing on it.
    pub(super) fn new(own: Own) -> Self {
        Self { own, paired: Paired::default(), index: Index::default(), replay: Vec::new(), history: Vec::new() }
    }

    pub(super) fn pairing(&self, id: &PairingId) -> Option<&Pairing> {
        self.paired.pairings.iter().find(|pairing| *pairing.id == *id)
    }

    /// The push address for a relay: its own, or the one for all.
    pub(super) fn wake_up(&self, relay: &str) -> Option<&WakeUp> {
        wake_up_of(&self.paired.wake_ups, relay)
    }

    pub(super) fn set_push(&mut self, id: &PairingId, push: Push) {
        if let Some(pairing) = self.paired.pairings.iter_mut().find(|pairing| *pairing.id == *id) {
            pairing.push = Some(push);
        }
    }

    pub(super) fn push_given(&mut self, id: &PairingId) {
        if let Some(push) = self.paired.pairings.iter_mut().find(|pairing| *pairing.id == *id).and_then(|pairing| pairing.push.as_mut()) {
            push.given = true;
        }
    }

    /// Takes a pairing back, with every right it has and every answer that is kept for it.
    pub(super) fn take_back(&mut self, id: &PairingId, now: u64) {
        let Some(at) = self.paired.pairings.iter().position(|pairing| *pairing.id == *id) else { return };
        let Pairing { id, relay, ticket, .. } = self.paired.pairings.remove(at);
        self.paired.grants.retain(|grant| grant.pairing != id);
        self.replay.retain(|entry| entry.pairing != id);
        self.paired.revoked.push(Revoked { id, relay, ticket, at: now });
        self.paired.retired.push(id);
        let surplus = self.paired.revoked.len().saturating_sub(MAX_PAIRINGS);
        self.paired.revoked.drain(..surplus);
        let surplus = self.paired.retired.len().saturating_sub(MAX_RETIRED);
        self.paired.retired.drain(..surplus);
    }

    /// Relays that only pairings taken back long ago lead to are told no more.
    pub(super) fn forget_denied(&mut self, now: u64) {
        let Paired { pairings, revoked, .. } = &mut self.paired;
        let lives = |relay: &str| pairings.iter().any(|pairing| pairing.relay == relay);
        revoked.retain(|it| lives(&it.relay) || now.saturating_sub(it.at) < DENIED_FOR);
    }

    pub(super) fn seed(&self, id: &[u8; 16]) -> Option<&Seed> {
        self.index.seeds.iter().find(|seed| *seed.id == *id)
    }

    pub(super) fn seed_mut(&mut self, id: &[u8; 16]) -> Option<&mut Seed> {
        self.index.seeds.iter_mut().find(|seed| *seed.id == *id)
    }

    /// Takes a seed out of the index, and every right to it.
    pub(super) fn remove_seed(&mut self, id: &[u8; 16]) {
        self.paired.grants.retain(|grant| *grant.seed != *id);
        let Some(at) = self.index.seeds.iter().position(|seed| *seed.id == *id) else { return };
        let Seed { fingerprint, last_step, .. } = self.index.seeds.remove(at);
        self.index.removed.extend(last_step.map(|last_step| Removed { fingerprint, last_step }));
        let surplus = self.index.removed.len().saturating_sub(MAX_REMOVED);
        self.index.removed.drain(..surplus);
    }

    /// The last step that was issued of a seed that was removed.
    pub(super) fn last_step_of_removed(&self, fingerprint: &[u8; 32]) -> Option<u64> {
        self.index.removed.iter().filter(|removed| *removed.fingerprint == *fingerprint).map(|removed| removed.last_step).max()
    }

    /// The seed whose sealed file has this digest.
    pub(super) fn seed_of_file(&self, digest: &[u8; 32]) -> Option<&Seed> {
        self.index.seeds.iter().find(|seed| seed.files.iter().any(|file| **file == *digest))
    }

    /// `None`: nobody decided yet.
    pub(super) fn grant(&self, pairing: &PairingId, seed: &[u8; 16]) -> Option<bool> {
        self.paired.grants.iter().find(|grant| *grant.pairing == *pairing && *grant.seed == *seed).map(|grant| grant.allowed)
    }

    /// Nobody has decided any more.
    pub(super) fn drop_grant(&mut self, pairing: &PairingId, seed: &[u8; 16]) {
        self.paired.grants.retain(|grant| *grant.pairing != *pairing || *grant.seed != *seed);
    }

    pub(super) fn set_grant(&mut self, pairing: &PairingId, seed: &[u8; 16], allowed: bool) {
        self.drop_grant(pairing, seed);
        self.paired.grants.push(Grant { pairing: Id::new(*pairing), seed: Id::new(*seed), allowed });
    }

    pub(super) fn forget_expired(&mut self, now: u64) {
        self.replay.retain(|entry| entry.until >= now);
    }

    pub(super) fn replay_is_full(&self, pairing: &PairingId, now: u64) -> bool {
        self.replay.iter().filter(|entry| *entry.pairing == *pairing && entry.until >= now).count() >= MAX_REPLAY
    }

    /// `wanted`, or `wanted (2)` and so on if it is taken: what stands on screen must tell one thing.
    pub(super) fn free_name(wanted: &str, max: usize, taken: impl Fn(&str) -> bool) -> String {
        let wanted = if wanted.trim().is_empty() { "unnamed" } else { wanted };
        let numbered = (2..).map(|number| format!("{} ({number})", clean(wanted, max - 6)));
        std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }

    pub(super) fn keep_answer(&mut self, tag: &[u8; 16], m4: &[u8]) {
        if let Some(entry) = self.replay.iter_mut().find(|entry| *entry.tag == *tag) {
            entry.m4 = Some(ByteBuf::from(m4));
        }
    }

    pub(super) fn remember(&mut self, entry: HistoryEntry) {
        self.history.push(entry);
        let surplus = self.history.len().saturating_sub(MAX_HISTORY);
        self.history.drain(..surplus);
    }

    /// What became of codes. A seed that was enrolled stays enrolled.
    pub(super) fn settle(&mut self, request: &[u8; 16], outcome: HistoryOutcome) {
        let approved = |entry: &&mut HistoryEntry| *entry.request_id == *request && entry.outcome == HistoryOutcome::Approved;
        if let Some(entry) = self.history.iter_mut().rev().find(approved) {
            entry.outcome = outcome;
        }
    }
}

/// The entry for a relay: its own, or the one for all.
pub(super) fn wake_up_of<'a>(wake_ups: &'a [WakeUp], relay: &str) -> Option<&'a WakeUp> {
    let of = |name: &str| wake_ups.iter().find(|it| it.relay == name);
    of(relay).or_else(|| of(""))
}
