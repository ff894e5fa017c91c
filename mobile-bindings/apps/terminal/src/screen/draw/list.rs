//! A page that is a list: one row is chosen, and always seen.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    text::Line,
    widgets::{Block, Paragraph},
};

use super::more::more_below;
use crate::{
    screen::rows::Row,
    wrap::{columns, hanging},
};

/// Rows of an area that has room for a frame.
const FRAMED: u16 = 5;
const CHOSEN: &str = "> ";
const OTHERS: &str = "  ";
/// Before what is only claimed.
const CLAIM: &str = "? ";
const CLAIM_BELOW: &str = "  ? ";

/// Draws `rows`, from the first on or so that `chosen` is the last that is seen.
pub(super) fn draw(frame: &mut Frame<'_>, title: &str, rows: &[Row], chosen: usize, area: Rect) {
    let framed = area.height >= FRAMED;
    let block = if framed { Block::bordered().title(title.to_owned()) } else { Block::new() };
    let inner = block.inner(area);
    let width = usize::from(inner.width).saturating_sub(CHOSEN.len());
    // One row that leads nowhere is nothing to choose.
    let choice = rows.len() > 1 || rows.iter().any(Row::leads_on);
    let mut lines: Vec<Line<'_>> = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (number, row) in rows.iter().enumerate() {
        let is_chosen = choice && number == chosen;
        if is_chosen {
            start = lines.len();
        }
        let style = if is_chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        for (part, text) in texts(row, width).into_iter().enumerate() {
            let mark = match (choice, is_chosen && part == 0) {
                (false, _) => "",
                (true, true) => CHOSEN,
                (true, false) => OTHERS,
            };
            lines.push(Line::styled(format!("{mark}{text}"), style));
        }
        if number <= chosen {
            end = lines.len();
        }
    }
    let hidden = lines.len().saturating_sub(usize::from(inner.height));
    // The first line of the chosen one in any case.
    let scrolled = end.saturating_sub(usize::from(inner.height)).min(start).min(hidden);
    let offset = u16::try_from(scrolled).unwrap_or(u16::MAX);
    let last = (!framed).then(|| lines.get((scrolled + usize::from(inner.height)).saturating_sub(1)).cloned()).flatten();
    frame.render_widget(Paragraph::new(lines).scroll((offset, 0)).block(block), area);
    if scrolled < hidden {
        // In a frame it covers nothing.
        more_below(frame, area, last.as_ref());
    }
}

/// A row in the rows of the page. What goes on in the next one is indented, and what was only claimed is marked: neither looks like another row.
fn texts(row: &Row, width: usize) -> Vec<String> {
    let mut texts = hanging("", "  ", &row.text, width);
    let Some(claim) = &row.claim else { return texts };
    let beside = format!("  {CLAIM}{claim}");
    match texts.as_mut_slice() {
        [only] if columns(only) + columns(&beside) <= width => only.push_str(&beside),
        _ => texts.extend(hanging(CLAIM_BELOW, CLAIM_BELOW, claim, width)),
    }
    texts
}
