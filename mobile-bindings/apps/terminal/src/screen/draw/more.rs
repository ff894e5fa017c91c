//! The sign that there is more.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    widgets::Paragraph,
};

/// Says in the corner that there is more.
pub(super) fn more_below(frame: &mut Frame<'_>, area: Rect) {
    let sign = " more below: Down ";
    let width = u16::try_from(sign.len()).unwrap_or(0).min(area.width);
    let corner = Rect { x: area.right().saturating_sub(width), y: area.bottom().saturating_sub(1), width, height: area.height.min(1) };
    frame.render_widget(Paragraph::new(sign).style(Style::new().add_modifier(Modifier::REVERSED)), corner);
}
