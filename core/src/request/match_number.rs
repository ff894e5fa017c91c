//! The number that the human reads in the log and types on the phone (docs/PROTOCOL.md §5.3).

use subtle::ConstantTimeEq as _;

use crate::{keys::decimal, labels};

/// Digits while CI's identity is not verified and bound.
pub const SIX_DIGITS: u8 = 6;

/// A match number; shown by CI only.
#[derive(Clone, PartialEq, Eq)]
pub struct MatchNumber(String);

impl MatchNumber {
    pub(crate) fn derive(hash: &[u8; 32], digits: u8) -> Self {
        Self(decimal(hash, labels::MATCH, digits))
    }

    /// The digits, nothing else.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// Whether a human typed this number; blanks and hyphens do not count. Takes the same time for every number of the right length.
    #[must_use]
    pub fn matches(&self, typed: &str) -> bool {
        self.0.as_bytes().ct_eq(plain(typed).as_bytes()).into()
    }

    /// Whether it could be a match number of so many digits: what can't is a slip of the hand, and no guess.
    #[must_use]
    pub fn could_be(typed: &str, digits: u8) -> bool {
        let typed = plain(typed);
        typed.len() == usize::from(digits) && typed.bytes().all(|byte| byte.is_ascii_digit())
    }
}

fn plain(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

impl std::fmt::Debug for MatchNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MatchNumber(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_typed_with_or_without_blanks() {
        let number = MatchNumber::derive(&[3; 32], SIX_DIGITS);
        assert_eq!(number.digits().len(), 6);
        let (left, right) = number.digits().split_at(3);
        assert!(number.matches(&format!(" {left} {right}\n")));
        assert!(number.matches(&format!("{left}-{right}")));
        assert!(!number.matches(left));
        assert!(!number.matches(""));
        for (typed, could) in
            [("012 345", true), ("012-345", true), ("", false), ("12345", false), ("1234567", false), ("12345a", false), ("١٢٣٤٥٦", false)]
        {
            assert_eq!(MatchNumber::could_be(typed, SIX_DIGITS), could, "{typed}");
        }
    }
}
