//! The question, what is typed, and which keys there are.

use ratatui::{Frame, layout::Rect, text::Line, widgets::Paragraph};

use super::bold;
use crate::{
    screen::model::{Model, Page, Question},
    wrap::{columns, hanging, tidy, wrapped},
};

/// Columns that are kept for what is typed.
const ROOM_TO_TYPE: usize = 14;
/// Rows of a window that has room for two rows of keys.
const TWO_ROWS: u16 = 12;

/// What is asked or said beside the keys, in rows; the last one has room for what is typed, if anything is.
pub(super) fn rows(model: &Model, width: u16) -> Vec<String> {
    match (&model.question, model.stray, model.busy) {
        (Some(question), ..) => question_rows(model, question, width),
        (None, true, _) => wrapped("what was asked for is gone, and what you type goes nowhere: press Enter", usize::from(width)),
        (None, false, true) => vec!["one moment ...".into()],
        (None, false, false) => vec![String::new()],
    }
}

/// A question in rows. It may name what a job claims: what goes on in the next row is indented.
pub(super) fn question_rows(model: &Model, question: &Question, width: u16) -> Vec<String> {
    let width = usize::from(width);
    let mut rows = hanging("", "  ", &tidy(&words(model, question)), width);
    if rows.last().is_some_and(|last| columns(last) + ROOM_TO_TYPE > width) {
        rows.push(String::new());
    }
    rows
}

/// Draws those rows; the last ones, if there is no room for all.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, rows: &[String], area: Rect) {
    let rows = rows.get(rows.len().saturating_sub(usize::from(area.height))..).unwrap_or_default();
    let Some((last, above)) = rows.split_last() else { return };
    let Some(question) = &model.question else {
        return frame.render_widget(Paragraph::new(rows.join("\n")), area);
    };
    let typed = if question.is_secret() { "*".repeat(model.input.chars().count()) } else { model.input.to_string() };
    // The end of a long line is what is being typed.
    let before = if last.is_empty() { String::new() } else { format!("{last} ") };
    let room = usize::from(area.width).saturating_sub(columns(&before) + 1);
    let hidden = typed.chars().count().saturating_sub(room);
    let shown: String = typed.chars().skip(hidden).collect();
    let column = u16::try_from(columns(&before) + columns(&shown)).unwrap_or(u16::MAX);
    let row = u16::try_from(above.len()).unwrap_or(u16::MAX);
    let mut lines: Vec<Line<'_>> = above.iter().map(|row| bold(row).into()).collect();
    lines.push(vec![bold(&before), shown.into()].into());
    frame.render_widget(Paragraph::new(lines), area);
    frame.set_cursor_position((area.x.saturating_add(column).min(area.right().saturating_sub(1)), area.y.saturating_add(row)));
}

fn words(model: &Model, question: &Question) -> String {
    let (pairing, seed, most) = model.open().map_or_else(
        || (String::new(), String::new(), 1),
        |it| {
            let seed = it.verified.seed.clone().or_else(|| it.claimed.new_seed.clone()).unwrap_or_else(|| "this seed".into());
            (it.verified.pairing.clone(), seed, it.verified.codes)
        },
    );
    match question {
        Question::Grant => format!("allow {pairing} to use {seed} from now on? [yes/no]"),
        Question::Number => "number in the job's log:".into(),
        Question::Codes => format!("how many codes? [{most}]"),
        Question::Seed => "otpauth URI:".into(),
        Question::Reason => "deny; reason:".into(),
        Question::Block => format!("deny and take the pairing {pairing} back for good? [yes/no]"),
        Question::Quit => "leave although a request waits? [yes/no]".into(),
        Question::Passphrase => format!("{}: passphrase:", model.reason),
        Question::Sure(deed) => deed.question().into(),
    }
}

/// The keys, in one row; in two if there is not enough room in one, but in the window. Those that are missed least come last, and go first.
pub(super) fn help(model: &Model, area: Rect) -> Vec<String> {
    const CHOOSE: &str = "Up/Down: choose";
    const LISTS: &[&str] = &["s: seeds", "p: pairings", "h: history", "q: quit", "r: reconnect", CHOOSE];
    const ENDS: &[&str] = &["Esc: back", "Enter: open", "q: quit", CHOOSE];
    let keys: &[&[&str]] = match (&model.page, &model.question) {
        (_, None) if model.stray => &[&["Enter: go on"]],
        (_, Some(_)) => &[&["Enter: go on", "Esc: back"]],
        (Page::Requests, None) => &[&["Enter: open"], LISTS],
        (Page::Request(_), None) => &[&["a: approve", "d: deny", "b: block", "Esc: back", "q: quit", "r: reconnect"]],
        (Page::History, None) => &[&["Esc: back"], LISTS],
        (Page::Seeds | Page::Pairings, None) => &[&["Enter: open", "Esc: back"], LISTS],
        (Page::Seed(_), None) => &[&["a: allow", "d: deny", "x: remove"], ENDS],
        (Page::Pairing(_), None) => &[&["a: allow", "d: deny", "x: revoke"], ENDS],
    };
    let most = if area.height >= TWO_ROWS { 2 } else { 1 };
    let mut rows = Vec::new();
    let mut row = String::from(" ");
    for key in keys.iter().copied().flatten() {
        if row.chars().count() + key.chars().count() >= usize::from(area.width) {
            if rows.len() + 1 == most {
                break;
            }
            rows.push(std::mem::replace(&mut row, " ".into()));
        }
        row.push_str(key);
        row.push_str("   ");
    }
    rows.push(row);
    rows
}
