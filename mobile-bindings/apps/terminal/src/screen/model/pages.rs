//! From page to page, and from row to row.

use super::{Key, Model, Page};
use crate::screen::rows::{Row, rows};

/// Rows that PageUp and PageDown move.
const ROWS_A_PAGE: u16 = 5;

impl Model {
    /// The rows of the page, if it is a list.
    pub(crate) fn rows(&self) -> Vec<Row> {
        rows(&self.page, &self.news)
    }

    /// Goes to a page; in a list to the row that leads to where we come from, or the first that leads anywhere.
    pub(super) fn show(&mut self, page: Page) {
        let from = std::mem::replace(&mut self.page, page);
        self.scrolled = 0;
        self.forget_other_requests();
        let rows = self.rows();
        let back = rows.iter().position(|row| row.opens.as_ref() == Some(&from));
        self.selected = back.or_else(|| rows.iter().position(Row::leads_on)).unwrap_or(0);
    }

    /// Where Escape leads.
    pub(super) fn leave(&mut self) {
        match self.page {
            Page::Seed(_) => self.show(Page::Seeds),
            Page::Pairing(_) => self.show(Page::Pairings),
            Page::Requests => {}
            _ => self.show(Page::Requests),
        }
    }

    /// Opens what is selected.
    pub(super) fn enter(&mut self) {
        if let Some(page) = self.rows().into_iter().nth(self.selected).and_then(|row| row.opens) {
            self.show(page);
        }
    }

    /// To the requests that wait; if it is only one, to it.
    pub(super) fn show_waiting(&mut self) {
        match self.news.requests.as_slice() {
            [only] => self.show(Page::Request(only.id.clone())),
            _ => self.show(Page::Requests),
        }
    }

    /// Moves to another row of a list.
    pub(super) fn select(&mut self, key: Key) {
        let by = usize::from(if matches!(key, Key::PageUp | Key::PageDown) { ROWS_A_PAGE } else { 1 });
        self.selected = match key {
            Key::Up | Key::PageUp | Key::Char('k') => self.selected.saturating_sub(by),
            _ => self.selected.saturating_add(by),
        };
        self.keep_in_list();
    }

    /// The list may have become shorter.
    pub(super) fn keep_in_list(&mut self) {
        self.selected = self.selected.min(self.rows().len().saturating_sub(1));
    }

    /// Moves the open request, also while something is asked about it.
    pub(super) fn scroll(&mut self, key: Key) -> bool {
        let rows = match key {
            Key::Up | Key::Down => 1,
            Key::PageUp | Key::PageDown => ROWS_A_PAGE,
            _ => return false,
        };
        if !matches!(self.page, Page::Request(_)) {
            return false;
        }
        self.scrolled = match key {
            Key::Up | Key::PageUp => self.scrolled.saturating_sub(rows),
            // No further than the end: whoever draws knows where that is.
            _ => self.scrolled.saturating_add(rows),
        };
        true
    }
}
