//! What can be done to seeds and pairings. Nothing of it without having been asked, by name, and a typed yes.

use super::{Model, News, Page, Question};

/// A seed or a pairing, and what the person calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Thing {
    pub(crate) fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned() }
    }
}

/// A pairing's use of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) pairing: Thing,
    pub(crate) seed: Thing,
}

/// What is to be done to a seed or a pairing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Allow(Right),
    Deny(Right),
    Revoke(Thing),
    Remove(Thing),
}

impl Deed {
    /// What follows from it, to be read before it is done.
    pub(crate) fn means(&self) -> String {
        match self {
            Self::Allow(Right { pairing, seed }) => {
                format!("{} may use {} from now on; each request is still asked about.", pairing.name, seed.name)
            }
            Self::Deny(Right { pairing, seed }) => {
                format!("{} may not use {}: its requests for it are turned away without a question.", pairing.name, seed.name)
            }
            Self::Revoke(pairing) => format!("{} is revoked for good: its requests are refused, and it must be paired anew.", pairing.name),
            Self::Remove(seed) => {
                format!("{} is taken off this phone: requests for it are refused, until its sealed text is imported again.", seed.name)
            }
        }
    }

    pub(crate) fn question(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow it? [yes/no]",
            Self::Deny(_) => "deny it? [yes/no]",
            Self::Revoke(_) => "revoke it? [yes/no]",
            Self::Remove(_) => "remove it? [yes/no]",
        }
    }

    /// Whether there still is what it is about.
    pub(super) fn is_possible(&self, news: &News) -> bool {
        let has_pairing = |thing: &Thing| news.pairings.iter().any(|it| it.id == thing.id);
        let has_seed = |thing: &Thing| news.seeds.iter().any(|it| it.id == thing.id);
        match self {
            Self::Allow(right) | Self::Deny(right) => has_pairing(&right.pairing) && has_seed(&right.seed),
            Self::Revoke(pairing) => has_pairing(pairing),
            Self::Remove(seed) => has_seed(seed),
        }
    }
}

impl Model {
    /// Begins to ask about what this key stands for on the page of a seed or a pairing.
    pub(super) fn consider(&mut self, key: char) {
        let right = || self.rows().into_iter().nth(self.selected).and_then(|row| row.right);
        let deed = match (&self.page, key) {
            (Page::Seed(id), 'x') => self.news.seeds.iter().find(|it| it.id == *id).map(|it| Deed::Remove(Thing::new(id, &it.label))),
            (Page::Pairing(id), 'x') => self.news.pairings.iter().find(|it| it.id == *id).map(|it| Deed::Revoke(Thing::new(id, &it.name))),
            (Page::Seed(_) | Page::Pairing(_), 'a') => right().map(Deed::Allow),
            (Page::Seed(_) | Page::Pairing(_), 'd') => right().map(Deed::Deny),
            _ => return,
        };
        match deed {
            Some(deed) => self.begin(Question::Sure(deed)),
            None if self.rows().iter().any(|row| row.right.is_some()) => self.notice("choose a line with Up and Down first".into()),
            None => self.notice("there is nothing to allow or deny here yet".into()),
        }
    }
}
