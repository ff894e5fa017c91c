//! Text in rows.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    widgets::Paragraph,
};

/// Lines of at most `width` characters, broken at spaces where there are any.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let mut letters = word.chars().peekable();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.extend(letters);
            }
            // A word that is longer than a line is cut into lines.
            _ => loop {
                lines.push(letters.by_ref().take(width.max(1)).collect());
                if letters.peek().is_none() {
                    break;
                }
            },
        }
    }
    lines
}

/// Says in the corner that there is more.
pub(super) fn more_below(frame: &mut Frame<'_>, area: Rect) {
    let sign = " more below: Down ";
    let width = u16::try_from(sign.len()).unwrap_or(0).min(area.width);
    let corner = Rect { x: area.right().saturating_sub(width), y: area.bottom().saturating_sub(1), width, height: area.height.min(1) };
    frame.render_widget(Paragraph::new(sign).style(Style::new().add_modifier(Modifier::REVERSED)), corner);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_where_they_can_be() {
        assert_eq!(wrapped("one two 1234567890", 7), ["one two", "1234567", "890"]);
        assert_eq!(wrapped("", 0), [""]);
    }
}
