//! The sign that there is more.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    text::Line,
    widgets::Paragraph,
};

/// The longest that leaves the text of its row alone is drawn; the last in any case.
const SIGNS: [&str; 3] = [" more below: Down ", " Down ", "v"];

/// Says in the corner that there is more; `last` is the row that is seen there.
pub(super) fn more_below(frame: &mut Frame<'_>, area: Rect, last: Option<&Line<'_>>) {
    let room = usize::from(area.width).saturating_sub(last.map_or(0, Line::width));
    let sign = SIGNS.iter().find(|sign| sign.len() <= room).or(SIGNS.last()).copied().unwrap_or_default();
    let width = u16::try_from(sign.len()).unwrap_or(0).min(area.width);
    let corner = Rect { x: area.right().saturating_sub(width), y: area.bottom().saturating_sub(1), width, height: area.height.min(1) };
    frame.render_widget(Paragraph::new(sign).style(Style::new().add_modifier(Modifier::REVERSED)), corner);
}
