//! A line that is shown while it is typed, unless it becomes an otpauth URI, which is a secret. Pure: bytes in, what to show out.

use zeroize::Zeroizing;

/// What such a URI begins with, in any case.
const SECRET: &[u8] = b"otpauth";

/// What comes of a byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Show this; it may be nothing.
    Show(Vec<u8>),
    /// The line is complete. Show the rest of it.
    Line(Vec<u8>),
    /// The end of the input.
    End,
}

/// A line that is being typed. A terminal that does not show it by itself does not edit it either, so the usual keys are here.
pub(super) struct Line {
    bytes: Zeroizing<Vec<u8>>,
    /// How much of it is on screen.
    shown: usize,
}

impl Line {
    /// Of at most `limit` bytes and one more, which tells that it was too long. The buffer never moves.
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(limit + 1)), shown: 0 }
    }

    pub(super) fn typed(&mut self, byte: u8) -> Typed {
        match byte {
            b'\n' | b'\r' => Typed::Line(if self.is_secret() { Vec::new() } else { self.rest() }),
            // Ctrl-D: the end of the input, or of the line.
            4 if self.bytes.is_empty() => Typed::End,
            4 => Typed::Line(if self.is_secret() { Vec::new() } else { self.rest() }),
            // Backspace, and Ctrl-U for all of it.
            8 | 127 => Typed::Show(self.erase()),
            21 => {
                let mut erased = Vec::new();
                while !self.bytes.is_empty() {
                    erased.extend(self.erase());
                }
                Typed::Show(erased)
            }
            0..32 => Typed::Show(Vec::new()),
            _ => {
                if self.bytes.len() < self.bytes.capacity() {
                    self.bytes.push(byte);
                }
                // It may still become one.
                let held = self.is_secret() || SECRET.starts_with(&self.bytes.to_ascii_lowercase());
                Typed::Show(if held { Vec::new() } else { self.rest() })
            }
        }
    }

    pub(super) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }

    fn is_secret(&self) -> bool {
        self.bytes.get(..SECRET.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(SECRET))
    }

    /// What is not on screen yet.
    fn rest(&mut self) -> Vec<u8> {
        let rest = self.bytes.get(self.shown..).unwrap_or_default().to_vec();
        self.shown = self.bytes.len();
        rest
    }

    /// Takes the last character away, and from the screen if it is there.
    fn erase(&mut self) -> Vec<u8> {
        // What follows the first byte of a character in UTF-8.
        while self.bytes.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
        if self.shown > self.bytes.len() {
            self.shown = self.bytes.len();
            return b"\x08 \x08".to_vec();
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is on screen, and the line, if it came to an end.
    fn typed(keys: &str) -> (String, Option<String>) {
        let (mut line, mut shown) = (Line::new(64), Vec::new());
        for byte in keys.bytes() {
            match line.typed(byte) {
                Typed::Show(more) => shown.extend(more),
                Typed::Line(more) => {
                    shown.extend(more);
                    return (String::from_utf8(shown).unwrap(), Some(String::from_utf8(line.into_bytes().to_vec()).unwrap()));
                }
                Typed::End => return (String::from_utf8(shown).unwrap(), None),
            }
        }
        (String::from_utf8(shown).unwrap(), None)
    }

    fn both(text: &str) -> (String, Option<String>) {
        (text.to_owned(), Some(text.to_owned()))
    }

    #[test]
    fn ordinary_lines_are_shown() {
        for text in ["npm", "wss://relay.example.org", "o", "otp", "OTPAUT", "häuser", ""] {
            assert_eq!(typed(&format!("{text}\n")), both(text));
        }
        assert_eq!(typed("oth").0, "oth");
        // Too much of it is told by one byte more.
        assert_eq!(typed(&format!("{}\n", "x".repeat(100))).1.unwrap().len(), 65);
    }

    #[test]
    fn no_part_of_an_otpauth_uri_is() {
        for uri in ["otpauth://totp/a?secret=B", "OTPAuth-migration://offline?data=B"] {
            assert_eq!(typed(&format!("{uri}\n")), (String::new(), Some(uri.to_owned())));
        }
        // Not even where it is typed over.
        assert_eq!(typed("x\x7fotpauth://s").0, "x\x08 \x08");
    }

    #[test]
    fn the_usual_keys_edit() {
        assert_eq!(typed("nmp\x7f\x7fpm\n"), ("nmp\x08 \x08\x08 \x08pm".to_owned(), Some("npm".to_owned())));
        assert_eq!(typed("hä\x7fo\n"), ("hä\x08 \x08o".to_owned(), Some("ho".to_owned())));
        assert_eq!(typed("ab\x15c\n").1, Some("c".to_owned()));
        assert_eq!((typed("\x04").1, typed("ab\x04").1, typed("\x7f\x1b\n").1), (None, Some("ab".to_owned()), Some(String::new())));
    }
}
