//! Text in rows.

use ratatui::text::Span;

/// Columns that a text takes on a terminal.
pub(crate) fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text from outside in one line without gaps: with enough blanks a text could place the rest of it anywhere on a page.
pub(crate) fn tidy(text: &str) -> String {
    // The last one is a letter of Braille without dots.
    let words = text.split(|c: char| c.is_whitespace() || c == '\u{2800}').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// As much of a text as takes at most `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut filled = 1;
    let kept = text.chars().take_while(|c| {
        filled += columns(c.encode_utf8(&mut [0; 4]));
        filled <= width
    });
    let kept: String = kept.collect();
    if kept.is_empty() { kept } else { kept + "…" }
}

/// Rows of at most `width` columns, broken at spaces where there are any.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    broken(text, width, |c| columns(c.encode_utf8(&mut [0; 4])))
}

/// Rows of which the first begins with `first` and every other one with `others`.
pub(crate) fn hanging(first: &str, others: &str, text: &str, width: usize) -> Vec<String> {
    marked(first, others, wrapped(text, width.saturating_sub(columns(first).max(columns(others)))))
}

/// The same for a terminal that breaks lines by itself: no row may be longer there than it is taken for here, whatever its letters are.
pub(crate) fn hanging_surely(first: &str, others: &str, text: &str, width: usize) -> Vec<String> {
    let width = width.saturating_sub(columns(first).max(columns(others)));
    marked(first, others, broken(text, width, |c| if c.is_ascii() { 1 } else { 2 }))
}

fn marked(first: &str, others: &str, rows: Vec<String>) -> Vec<String> {
    rows.into_iter().enumerate().map(|(number, row)| format!("{}{row}", if number == 0 { first } else { others })).collect()
}

fn broken(text: &str, width: usize, columns: fn(char) -> usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let mut filled = 0;
    for word in text.split(' ') {
        let length: usize = word.chars().map(columns).sum();
        match rows.last_mut() {
            Some(row) if filled + 1 + length <= width => {
                row.push(' ');
                row.push_str(word);
                filled += 1 + length;
            }
            // A word that is longer than a row is cut into rows.
            _ => {
                let mut row = String::new();
                filled = 0;
                for c in word.chars() {
                    if filled + columns(c) > width && !row.is_empty() {
                        rows.push(std::mem::take(&mut row));
                        filled = 0;
                    }
                    row.push(c);
                    filled += columns(c);
                }
                rows.push(row);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_where_they_can_be() {
        assert_eq!(wrapped("one two 1234567890", 7), ["one two", "1234567", "890"]);
        assert_eq!(wrapped("", 0), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
    }

    #[test]
    fn no_row_is_wider_than_it_may_be() {
        assert_eq!(wrapped("リリース 1", 5), ["リリ", "ース", "1"]);
        // Some terminals draw this in two columns.
        assert_eq!(hanging_surely("? ", "  ", "±±±", 6), ["? ±±", "  ±"]);
        assert_eq!(hanging("- ", "  ", "one two", 5), ["- one", "  two"]);
    }

    #[test]
    fn what_is_cut_says_so() {
        for (width, expected) in [(9, "cut short"), (8, "cut sho…"), (1, ""), (0, "")] {
            assert_eq!(cut("cut short", width), expected);
        }
    }

    #[test]
    fn gaps_are_closed() {
        assert_eq!(tidy(" fix  typo\u{a0}\u{3000}\u{2003}\u{2800} now "), "fix typo now");
    }
}
