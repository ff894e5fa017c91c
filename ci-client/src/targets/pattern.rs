//! A regular expression of a profile: compiled once, bounded in size; it runs in linear time.

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Longest pattern, bytes.
pub const MAX_PATTERN: usize = 512;
/// Most memory a compiled pattern may take, bytes.
pub const PATTERN_SIZE: usize = 1024 * 1024;
/// Deepest nesting of groups.
const NESTING: u32 = 32;

/// A pattern that compiles. `^` and `$` are the ends of a line.
#[derive(Clone)]
pub struct Pattern(Regex);

/// The text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPattern {
    /// Longer than [`MAX_PATTERN`].
    #[error("a pattern has at most {MAX_PATTERN} bytes")]
    TooLong,
    /// It matches the empty text, so it says nothing.
    #[error("the pattern {0:?} matches everything")]
    MatchesEverything(String),
    /// It grows beyond [`PATTERN_SIZE`] when compiled.
    #[error("the pattern {0:?} is too large when compiled; give it smaller repetitions")]
    TooLarge(String),
    /// It is no regular expression.
    #[error("the pattern {pattern:?} does not compile: {why}")]
    Syntax {
        /// As given.
        pattern: String,
        /// What and where.
        why: String,
    },
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        if text.len() > MAX_PATTERN {
            return Err(BadPattern::TooLong);
        }
        let regex = RegexBuilder::new(text).multi_line(true).crlf(true).size_limit(PATTERN_SIZE).nest_limit(NESTING).build();
        let regex = regex.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => BadPattern::TooLarge(text.to_owned()),
            error => BadPattern::Syntax { pattern: text.to_owned(), why: why(&error.to_string()) },
        })?;
        if regex.is_match("") { Err(BadPattern::MatchesEverything(text.to_owned())) } else { Ok(Self(regex)) }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// One line of regex's picture: `unclosed group, at character 3`.
fn why(picture: &str) -> String {
    let message = picture.lines().rev().find_map(|line| line.trim().strip_prefix("error: ")).unwrap_or("not a regular expression");
    // The pattern is shown with four spaces before it, the caret below.
    let caret = picture.lines().find(|line| !line.trim().is_empty() && line.trim().chars().all(|c| c == '^'));
    let column = caret.and_then(|line| line.find('^')).and_then(|at| at.checked_sub(4));
    column.map_or_else(|| message.to_owned(), |at| format!("{message}, at character {}", at + 1))
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Pattern::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn faults_are_named_with_their_place() {
        assert_eq!(refused("ab(c"), "the pattern \"ab(c\" does not compile: unclosed group, at character 3");
        assert_eq!(
            refused("[z-a]"),
            r#"the pattern "[z-a]" does not compile: invalid character class range, the start must be <= the end, at character 2"#
        );
        assert_eq!(
            refused("(?=x)"),
            "the pattern \"(?=x)\" does not compile: look-around, including look-ahead and look-behind, is not supported, at character 1"
        );
        assert!(refused("(a{1000}){1000}").contains("too large when compiled"));
        assert_eq!(refused(&"a".repeat(MAX_PATTERN + 1)), "a pattern has at most 512 bytes");
    }

    #[test]
    fn a_pattern_that_says_nothing_is_refused() {
        for text in ["", ".*", "a?", "$"] {
            assert_eq!(Pattern::parse(text).unwrap_err(), BadPattern::MatchesEverything(text.to_owned()));
        }
    }

    #[test]
    fn lines_have_ends() {
        let pattern = Pattern::parse("^code E429$").unwrap();
        assert!(pattern.is_match("npm\ncode E429\r\nmore"));
        assert!(!pattern.is_match("npm code E429\n"));
    }
}
