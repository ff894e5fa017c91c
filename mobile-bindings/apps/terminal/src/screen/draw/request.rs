//! One request: what this phone knows, and what the job claims, apart.

use countersign_mobile::PendingRequest;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Paragraph},
};

use super::{bold, more::more_below};
use crate::{
    screen::rows::wanted,
    show,
    wrap::{hanging, tidy, wrapped},
};

const KNOWN: &str = "Known to this phone";
const CLAIMED: &str = "CLAIMED by the job, checked by nobody";
/// Rows below what stays in its place: fewer would be no way to read the rest.
const ROOM_TO_SCROLL: u16 = 2;
/// Columns of the names of what is known.
const NAME: usize = 8;
/// Columns that have room for the names of claims in a column.
const WIDE: usize = 40;

/// Rows that nobody may approve without having seen; nothing if the window is too narrow for one of them.
pub(super) fn needed(it: &PendingRequest, width: u16) -> Option<usize> {
    let width = usize::from(width);
    let rows = first(it, width);
    rows.iter().all(|row| row.width() <= width).then_some(rows.len())
}

/// Shows a request; if it is longer than the page, from the row `scrolled` on, which is given as far as it goes.
/// Who and what stay in their place where that leaves room for the rest, and in any case if an approval is `asked` about.
pub(super) fn draw(frame: &mut Frame<'_>, it: &PendingRequest, area: Rect, scrolled: u16, asked: bool) -> u16 {
    let inside = usize::from(area.width.saturating_sub(2));
    let (mut known, claims) = (vital(it, inside), claims(it, inside));
    known.extend(also_known(it, inside));
    let is_narrow = known.iter().any(|row| row.width() > inside);
    if !is_narrow && known.len() + claims.len() + 4 <= usize::from(area.height) {
        let height = u16::try_from(known.len() + 2).unwrap_or(u16::MAX);
        let [top, bottom] = Layout::vertical([Constraint::Length(height), Constraint::Min(3)]).areas(area);
        let part = |title: &'static str, rows: Vec<Line<'static>>| Paragraph::new(rows).block(Block::bordered().title(title));
        frame.render_widget(part(KNOWN, known), top);
        frame.render_widget(part(CLAIMED, claims), bottom);
        return 0;
    }
    // No room for frames: one text, with what matters first.
    let width = usize::from(area.width);
    let mut first = first(it, width);
    let mut rest = also_known(it, width);
    rest.extend(title(CLAIMED, width));
    rest.extend(self::claims(it, width));
    let mut height = u16::try_from(first.len()).unwrap_or(u16::MAX);
    if !asked && area.height < height.saturating_add(ROOM_TO_SCROLL) {
        first.append(&mut rest);
        (first, rest) = (rest, first);
        height = 0;
    }
    let [top, bottom] = Layout::vertical([Constraint::Length(height.min(area.height)), Constraint::Min(0)]).areas(area);
    frame.render_widget(Paragraph::new(first), top);
    let hidden = u16::try_from(rest.len()).unwrap_or(u16::MAX).saturating_sub(bottom.height);
    let scrolled = scrolled.min(hidden);
    let last = usize::from(scrolled.saturating_add(bottom.height)).checked_sub(1).and_then(|last| rest.get(last)).cloned();
    frame.render_widget(Paragraph::new(rest).scroll((scrolled, 0)), bottom);
    if scrolled < hidden {
        more_below(frame, bottom, last.as_ref());
    }
    scrolled
}

/// What comes first where there is no room for frames.
fn first(it: &PendingRequest, width: usize) -> Vec<Line<'static>> {
    let mut rows = title(KNOWN, width);
    rows.extend(vital(it, width));
    rows
}

fn title(text: &str, width: usize) -> Vec<Line<'static>> {
    wrapped(&format!("{text}:"), width).iter().map(|row| bold(row).into()).collect()
}

/// What nobody may approve without having seen it.
fn vital(it: &PendingRequest, width: usize) -> Vec<Line<'static>> {
    let mut rows = named("who", &tidy(&it.verified.pairing), width, Modifier::BOLD);
    rows.extend(named("what", &wanted(it), width, Modifier::BOLD));
    if it.verified.first_use {
        rows.extend(plain("FIRST USE of this seed by this pairing", width));
    }
    rows
}

/// What else this phone knows.
fn also_known(it: &PendingRequest, width: usize) -> Vec<Line<'static>> {
    let recipients = it.verified.recipients.iter();
    let mut rows: Vec<_> = recipients.flat_map(|recipient| plain(&format!("can open it too: {}", tidy(recipient)), width)).collect();
    if it.away {
        rows.extend(plain("the connection to the job is lost for now", width));
    }
    rows.extend(named("time", &format!("{} s left", it.seconds_left), width, Modifier::empty()));
    rows
}

fn plain(text: &str, width: usize) -> Vec<Line<'static>> {
    hanging("", "  ", text, width).into_iter().map(Line::from).collect()
}

/// A name, and beside it what is known.
fn named(name: &str, text: &str, width: usize, style: Modifier) -> Vec<Line<'static>> {
    let texts = wrapped(text, width.saturating_sub(NAME)).into_iter();
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    names.zip(texts).map(|(name, text)| Line::from(vec![format!("{name:NAME$}").into(), Span::styled(text, Style::from(style))])).collect()
}

/// What the job says. Each row of it is marked: none can pass for one of what is known, wherever it stands.
fn claims(it: &PendingRequest, width: usize) -> Vec<Line<'static>> {
    let claims = show::claims(&it.claimed);
    if claims.is_empty() {
        return vec!["nothing".into()];
    }
    let rows = claims.into_iter().flat_map(|(name, value)| {
        if width < WIDE {
            hanging("? ", "?   ", &format!("{name}: {value}"), width)
        } else {
            hanging(&format!("? {name:10}  "), &format!("? {:10}  ", ""), &value, width)
        }
    });
    rows.map(Line::from).collect()
}
