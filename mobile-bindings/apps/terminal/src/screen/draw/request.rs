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
/// Columns of the names of what is known.
const NAME: usize = 8;
/// Columns that have room for the names of claims in a column.
const WIDE: usize = 40;

/// Shows a request from the row `scrolled` on, if it is longer than the page; gives the row that is shown first,
/// and whether the page has room for what nobody may approve without having seen: who, what, and that it is the first use.
pub(super) fn draw(frame: &mut Frame<'_>, it: &PendingRequest, area: Rect, scrolled: u16) -> (u16, bool) {
    let inside = usize::from(area.width.saturating_sub(2));
    let (mut known, claims) = (vital(it, inside), claims(it, inside));
    known.extend(also_known(it, inside));
    if known.len() + claims.len() + 4 <= usize::from(area.height) {
        let height = u16::try_from(known.len() + 2).unwrap_or(u16::MAX);
        let [top, bottom] = Layout::vertical([Constraint::Length(height), Constraint::Min(3)]).areas(area);
        let part = |title: &'static str, rows: Vec<Line<'static>>| Paragraph::new(rows).block(Block::bordered().title(title));
        frame.render_widget(part(KNOWN, known), top);
        frame.render_widget(part(CLAIMED, claims), bottom);
        return (0, true);
    }
    // No room for frames: one text, with what matters first.
    let width = usize::from(area.width);
    let mut rows = title(KNOWN, width);
    rows.extend(vital(it, width));
    let needed = rows.len();
    rows.extend(also_known(it, width));
    rows.extend(title(CLAIMED, width));
    rows.extend(self::claims(it, width));
    let hidden = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_sub(area.height);
    let scrolled = scrolled.min(hidden);
    frame.render_widget(Paragraph::new(rows).scroll((scrolled, 0)), area);
    if scrolled < hidden {
        more_below(frame, area);
    }
    (scrolled, needed <= usize::from(area.height))
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
