//! Texts that a person will see (docs/PROTOCOL.md §2).

/// Longest name of a pairing, phone or seed, in characters.
pub const MAX_NAME: usize = 64;
/// Longest reason, in characters.
pub const MAX_REASON: usize = 120;
/// Longest hint, in characters.
pub const MAX_HINT: usize = 200;
/// Longest label of a seed, in characters.
pub const MAX_LABEL: usize = 128;

/// Replaces characters that could mislead the reader by U+FFFD and cuts at `max` characters.
#[must_use]
pub fn clean(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if is_misleading(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether `text` has at most `max` characters, none of which could mislead the reader.
#[must_use]
pub fn is_clean(text: &str, max: usize) -> bool {
    // A character has at most four bytes: the cheap test bounds the work.
    text.len() <= max.saturating_mul(4) && text.chars().count() <= max && !text.chars().any(is_misleading)
}

fn is_misleading(c: char) -> bool {
    c.is_control() || INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Separators, bidirectional controls, and characters without width or ink.
const INVISIBLE: &[(char, char)] = &[
    ('\u{00ad}', '\u{00ad}'),
    ('\u{034f}', '\u{034f}'),
    ('\u{061c}', '\u{061c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{e0000}', '\u{e0fff}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_what_misleads() {
        assert_eq!(clean("a\u{202e}b\nc", 10), "a\u{fffd}b\u{fffd}c");
        assert_eq!(clean("häuser", 2), "hä");
        assert!(is_clean("release 1.2 – ok ✓", 64));
        assert!(!is_clean("a\u{200d}b", 64));
        assert!(!is_clean("abc", 2));
    }
}
