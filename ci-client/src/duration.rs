//! `--timeout`: `30s`, `5m`, `1m30s`.

use std::{fmt, str::FromStr, time::Duration};

/// The shortest timeout, seconds.
pub const MIN_TIMEOUT: u64 = 5;
/// The longest timeout, seconds; what a phone accepts.
pub const MAX_TIMEOUT: u64 = countersign_core::request::MAX_TTL as u64;

/// How long to wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(u64);

/// The text is no timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a time from {MIN_TIMEOUT}s to {}m, like 90s, 5m or 1m30s", MAX_TIMEOUT / 60)]
pub struct BadTimeout;

impl Timeout {
    /// Milliseconds.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0 * 1000
    }
}

impl FromStr for Timeout {
    type Err = BadTimeout;

    fn from_str(text: &str) -> Result<Self, BadTimeout> {
        let (minutes, seconds) = match text.split_once('m') {
            Some((minutes, "")) => (minutes, "0"),
            Some((minutes, rest)) => (minutes, rest.strip_suffix('s').ok_or(BadTimeout)?),
            None => ("0", text.strip_suffix('s').ok_or(BadTimeout)?),
        };
        let number = |text: &str| {
            let plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            if plain { text.parse::<u64>().map_err(|_| BadTimeout) } else { Err(BadTimeout) }
        };
        let total = number(minutes)? * 60 + number(seconds)?;
        if (MIN_TIMEOUT..=MAX_TIMEOUT).contains(&total) { Ok(Self(total)) } else { Err(BadTimeout) }
    }
}

/// Time left, for a human: `4 min 05 s`, `59 s`.
pub(crate) struct Left(pub(crate) Duration);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds < 60 { write!(f, "{seconds} s") } else { write!(f, "{} min {:02} s", seconds / 60, seconds % 60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [("5s", 5), ("90s", 90), ("5m", 300), ("1m30s", 90), ("10m", 600), ("600s", 600)] {
            assert_eq!(text.parse(), Ok(Timeout(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "5", "4s", "0m", "11m", "601s", "-5s", "+5s", "5h", "m", "s", "5m5", "99999s", "5 s", "1.5m", "10m1s"] {
            assert_eq!(text.parse::<Timeout>(), Err(BadTimeout), "{text}");
        }
    }

    #[test]
    fn counts_down() {
        assert_eq!(Left(Duration::from_secs(245)).to_string(), "4 min 05 s");
        assert_eq!(Left(Duration::from_millis(59_900)).to_string(), "59 s");
    }
}
