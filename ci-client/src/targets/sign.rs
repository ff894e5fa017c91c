//! By what one sees how a command ended: its exit code and what it wrote.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::pattern::Pattern;

/// Most entries of a list in a profile: variables, arguments, signs, exit codes, patterns.
pub const MAX_LIST: usize = 16;

/// A sign: the exit code is one of `exit` (if there are any), and one of the patterns matches (if there are any).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// Exit codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "exits")]
    pub exit: Vec<u8>,
    /// Patterns for the end of standard output.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub stdout: Vec<Pattern>,
    /// Patterns for the end of standard error.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub stderr: Vec<Pattern>,
    /// Patterns for either.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub output: Vec<Pattern>,
}

impl Sign {
    /// Whether there are patterns, so that it needs what the command wrote: on standard output, on standard error.
    #[must_use]
    pub fn reads(&self) -> (bool, bool) {
        (!self.stdout.is_empty() || !self.output.is_empty(), !self.stderr.is_empty() || !self.output.is_empty())
    }

    pub(super) fn fits(&self, exit: u8, stdout: &str, stderr: &str) -> bool {
        let one = |patterns: &[Pattern], text: &str| patterns.iter().any(|pattern| pattern.is_match(text));
        let seen = || one(&self.stdout, stdout) || one(&self.stderr, stderr) || one(&self.output, stdout) || one(&self.output, stderr);
        let silent = self.reads() == (false, false);
        (self.exit.is_empty() || self.exit.contains(&exit)) && (silent || seen())
    }

    fn is_empty(&self) -> bool {
        self.exit.is_empty() && self.reads() == (false, false)
    }
}

/// The signs of one kind.
pub(super) fn signs<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Sign>>, D::Error> {
    let signs: Vec<Sign> = list(from)?;
    if signs.iter().any(Sign::is_empty) {
        return Err(D::Error::custom("a sign needs exit codes or patterns: exit, stdout, stderr or output"));
    }
    Ok(Some(signs))
}

/// A list of bounded length.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(from)?;
    if list.len() <= MAX_LIST { Ok(list) } else { Err(D::Error::custom(format!("a list has at most {MAX_LIST} entries"))) }
}

fn exits<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let exits: Vec<i64> = list(from)?;
    let exits = exits.into_iter().map(|exit| u8::try_from(exit).ok().filter(|exit| *exit != 0));
    exits.collect::<Option<_>>().ok_or_else(|| D::Error::custom("an exit code is 1 to 255: a command that ends with 0 has succeeded"))
}
