//! What the world keeps of each part.

use countersign_core::{
    ci::{Event, Exchange},
    keys::PairingId,
    phone::{NotSaved, Parts, Store},
    request::MatchNumber,
};
use countersign_relay::switch::ConnId;

use super::world::End;

/// Names a job.
pub type JobId = usize;

/// A disk that can break and remembers what was written.
#[derive(Debug, Default)]
pub struct Disk {
    /// What a restart finds.
    pub saved: Parts,
    /// Whether writes fail.
    pub broken: bool,
    /// How many writes succeeded.
    pub writes: usize,
}

impl Store for Disk {
    fn save(&mut self, part: &str, sealed: &[u8]) -> Result<(), NotSaved> {
        if self.broken {
            return Err(NotSaved("the disk is read-only".into()));
        }
        self.saved.insert(part.to_owned(), sealed.to_vec());
        self.writes += 1;
        Ok(())
    }
}

/// A job.
pub(super) struct Job {
    pub(super) pairing: PairingId,
    pub(super) exchange: Exchange,
    pub(super) conn: Option<ConnId>,
    pub(super) numbers: Vec<MatchNumber>,
    pub(super) events: Vec<Event>,
    pub(super) end: Option<End>,
    pub(super) ended_at: u64,
}
