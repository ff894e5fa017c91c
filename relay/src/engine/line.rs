//! Connections in the order they came, of which any may leave: who has been at something the longest.

use std::{collections::BTreeMap, num::NonZeroU64};

use crate::switch::ConnId;

/// A place in a [`Line`]; `None`: not in it.
pub(super) type Place = Option<NonZeroU64>;

/// The first is the one that has been there the longest.
#[derive(Default)]
pub(super) struct Line {
    next: u64,
    order: BTreeMap<NonZeroU64, ConnId>,
}

impl Line {
    /// Takes a place at the end; one that has a place keeps it.
    pub(super) fn join(&mut self, place: &mut Place, conn: ConnId) {
        if place.is_none() {
            self.next += 1;
            *place = NonZeroU64::new(self.next);
            self.order.extend(place.map(|place| (place, conn)));
        }
    }

    /// Gives the place up.
    pub(super) fn leave(&mut self, place: &mut Place) {
        if let Some(place) = place.take() {
            self.order.remove(&place);
        }
    }

    pub(super) fn first(&self) -> Option<ConnId> {
        self.order.values().next().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_has_been_there_the_longest() {
        let mut line = Line::default();
        let mut places = [None; 3];
        for (place, n) in places.iter_mut().zip(1..) {
            line.join(place, ConnId(n));
        }
        line.leave(&mut places[0]);
        line.join(&mut places[0], ConnId(1));
        line.join(&mut places[1], ConnId(2));
        assert_eq!((line.first(), line.len()), (Some(ConnId(2)), 3));
        line.leave(&mut places[1]);
        line.leave(&mut places[1]);
        line.leave(&mut places[2]);
        assert_eq!((line.first(), line.len()), (Some(ConnId(1)), 1));
    }
}
