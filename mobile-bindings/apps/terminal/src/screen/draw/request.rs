//! One request: what this phone knows, and what the job claims, apart.

use countersign_mobile::PendingRequest;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{Block, Paragraph, Wrap},
};

use super::{
    bold,
    wrap::{more_below, wrapped},
};
use crate::{screen::rows::wanted, show};

const KNOWN: &str = "Known to this phone";
const CLAIMED: &str = "CLAIMED by the job, checked by nobody";

/// Shows a request from the row `scrolled` on, if it is longer than the page; gives the row that is shown first,
/// and whether the page has room for what nobody may approve without having seen: who, what, and that it is the first use.
pub(super) fn draw(frame: &mut Frame<'_>, it: &PendingRequest, area: Rect, scrolled: u16) -> (u16, bool) {
    let (known, claims) = (known(it), claims(it));
    let width = usize::from(area.width.saturating_sub(2));
    let rows = |lines: &[Line<'_>]| lines.iter().map(|line| wrapped(&line.to_string(), width).len()).sum::<usize>() + 2;
    let (above, below) = (rows(&known), rows(&claims));
    if above + below <= usize::from(area.height) {
        let height = u16::try_from(above).unwrap_or(u16::MAX);
        let [top, bottom] = Layout::vertical([Constraint::Length(height), Constraint::Min(3)]).areas(area);
        let part = |title: &'static str, lines| {
            Paragraph::new::<Vec<Line<'_>>>(lines).wrap(Wrap { trim: false }).block(Block::bordered().title(title))
        };
        frame.render_widget(part(KNOWN, known), top);
        frame.render_widget(part(CLAIMED, claims), bottom);
        return (0, true);
    }
    // No room for frames: one text, with what matters first.
    let titled =
        |title: &str, lines: Vec<Line<'static>>| std::iter::once(Line::from(bold(&format!("{title}:")))).chain(lines).collect::<Vec<_>>();
    let known = titled(KNOWN, known);
    let needed = if it.verified.first_use { 4 } else { 3 };
    let needed: usize = known.iter().take(needed).map(|line| wrapped(&line.to_string(), usize::from(area.width)).len()).sum();
    let lines = known.into_iter().chain(titled(CLAIMED, claims));
    let rows: Vec<Line<'_>> = lines
        .flat_map(|line| {
            let style = line.spans.last().map(|span| span.style).unwrap_or_default();
            wrapped(&line.to_string(), usize::from(area.width)).into_iter().map(move |row| Line::from(Span::styled(row, style)))
        })
        .collect();
    let hidden = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_sub(area.height);
    let scrolled = scrolled.min(hidden);
    frame.render_widget(Paragraph::new(rows).scroll((scrolled, 0)), area);
    if scrolled < hidden {
        more_below(frame, area);
    }
    (scrolled, needed <= usize::from(area.height))
}

/// What this phone knows of a request, the most important first.
fn known(it: &PendingRequest) -> Vec<Line<'static>> {
    let verified = &it.verified;
    let mut known: Vec<Line<'static>> =
        vec![vec!["who     ".into(), bold(&verified.pairing)].into(), vec!["what    ".into(), bold(&wanted(it))].into()];
    if verified.first_use {
        known.push("FIRST USE of this seed by this pairing".into());
    }
    known.extend(verified.recipients.iter().map(|recipient| Line::from(format!("can open it too: {recipient}"))));
    if it.away {
        known.push("the connection to the job is lost for now".into());
    }
    known.push(format!("time    {} s left", it.seconds_left).into());
    known
}

/// What the job says.
fn claims(it: &PendingRequest) -> Vec<Line<'static>> {
    let mut claims: Vec<_> = show::claims(&it.claimed).into_iter().map(|(name, value)| Line::from(format!("{name:10}  {value}"))).collect();
    if claims.is_empty() {
        claims.push("nothing".into());
    }
    claims
}
