//! What was lost stays known until the person accepts it: the next save writes a list that was lost anew, empty, and then only this tells that it was
//! once longer. A backup that lacks it should replace no older one unawares.

use countersign_core::phone::Part;

use crate::{LostPart, Storage, StorageError};

/// The blob that remembers; the parts by their names, one in a line.
const LOST: &str = "lost";

/// The parts that were lost.
pub(crate) struct Lost(Vec<LostPart>);

impl Lost {
    /// `new`: what was found to be lost just now. What else was, is remembered, and this is from now on.
    pub(crate) fn remembered(storage: &dyn Storage, mut new: Vec<LostPart>) -> Self {
        // If it can't be read, nobody is worse off than without it.
        let saved = storage.load(LOST.to_owned()).ok().flatten().unwrap_or_default();
        let known: Vec<_> = Part::ALL
            .into_iter()
            .filter(|part| saved.split(|byte| *byte == b'\n').any(|line| line == part.name().as_bytes()))
            .filter_map(part)
            .collect();
        let is_news = new.iter().any(|part| outlives(*part) && !known.contains(part));
        new.extend(known.iter().filter(|part| !new.contains(part)).copied().collect::<Vec<_>>());
        if is_news {
            // Told now in any case.
            let _ = storage.save(LOST.to_owned(), names(&new));
        }
        Self(new)
    }

    pub(crate) fn parts(&self) -> &[LostPart] {
        &self.0
    }

    /// Goes on without them.
    pub(crate) fn accept(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        if self.0.iter().copied().any(outlives) {
            storage.save(LOST.to_owned(), Vec::new())?;
        }
        self.0.clear();
        Ok(())
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
