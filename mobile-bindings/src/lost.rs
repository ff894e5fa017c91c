//! What was lost stays known until the person accepts it: the next save writes a list that was lost anew, empty, and from then on only this tells that it was
//! once longer. A backup that lacks it should replace no older one unawares.

use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::phone::Part;

use crate::{LostPart, Storage, StorageError};

/// The blob that remembers; the parts by their names, one in a line.
const LOST: &str = "lost";

/// The parts that were lost. Never locked while something is saved.
#[derive(Default)]
pub(crate) struct Lost(Mutex<State>);

#[derive(Default)]
struct State {
    parts: Vec<LostPart>,
    /// The blob does not say so yet.
    unsaved: bool,
}

impl Lost {
    /// `parts`: what was found to be lost just now; what was before is remembered.
    pub(crate) fn of(mut parts: Vec<LostPart>, storage: &dyn Storage) -> Result<Self, StorageError> {
        let saved = storage.load(LOST.to_owned())?.unwrap_or_default();
        let is_known = |part: &Part| saved.split(|byte| *byte == b'\n').any(|line| line == part.name().as_bytes());
        let known: Vec<_> = Part::ALL.into_iter().filter(is_known).filter_map(part).collect();
        let unsaved = parts.iter().any(|part| outlives(*part) && !known.contains(part));
        parts.extend(known.into_iter().filter(|part| !parts.contains(part)).collect::<Vec<_>>());
        Ok(Self(Mutex::new(State { parts, unsaved })))
    }

    /// Before a list that was lost is written anew: from then on this alone tells.
    pub(crate) fn remember(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        let unsaved = {
            let state = self.state();
            state.unsaved.then(|| names(&state.parts))
        };
        if let Some(names) = unsaved {
            storage.save(LOST.to_owned(), names)?;
            self.state().unsaved = false;
        }
        Ok(())
    }

    pub(crate) fn parts(&self) -> Vec<LostPart> {
        self.state().parts.clone()
    }

    /// Goes on without them.
    pub(crate) fn accept(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        forget(storage)?;
        *self.state() = State::default();
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whatever was lost before is none of this phone's.
pub(crate) fn forget(storage: &dyn Storage) -> Result<(), StorageError> {
    match storage.load(LOST.to_owned())? {
        Some(names) if !names.is_empty() => storage.save(LOST.to_owned(), Vec::new()),
        _ => Ok(()),
    }
}

/// What was lost with a part; both copies of the phone itself are never lost alone.
pub(crate) fn part(part: Part) -> Option<LostPart> {
    Some(match part {
        Part::Seeds => LostPart::Seeds,
        Part::Pairings => LostPart::Pairings,
        Part::Requests => LostPart::Requests,
        Part::History => LostPart::History,
        Part::Phone | Part::PhoneCopy => return None,
    })
}

/// Whether a backup would lack it.
fn outlives(part: LostPart) -> bool {
    matches!(part, LostPart::Seeds | LostPart::Pairings)
}

fn names(lost: &[LostPart]) -> Vec<u8> {
    let parts = Part::ALL.into_iter().filter(|it| part(*it).is_some_and(|it| outlives(it) && lost.contains(&it)));
    parts.map(Part::name).collect::<Vec<_>>().join("\n").into_bytes()
}
