//! Times on the command line: `30s`, `5m`, `1m30s`.

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
        let seconds = parse_seconds(text).filter(|seconds| (MIN_TIMEOUT..=MAX_TIMEOUT).contains(seconds));
        seconds.map(Self).ok_or(BadTimeout)
    }
}

/// `90s`, `5m`, `1m30s`; `None` if it is written in another way.
fn parse_seconds(text: &str) -> Option<u64> {
    let (minutes, seconds) = match text.split_once('m') {
        Some((minutes, "")) => (minutes, "0"),
        Some((minutes, rest)) => (minutes, rest.strip_suffix('s')?),
        None => ("0", text.strip_suffix('s')?),
    };
    let number = |text: &str| {
        let plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if plain { text.parse::<u64>().ok() } else { None }
    };
    Some(number(minutes)? * 60 + number(seconds)?)
}

/// How long a code must still live when it is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinLife(u64);

/// The longest that may be asked for, seconds: less than the longest step.
pub const MAX_MIN_LIFE: u64 = 119;

/// The text is no such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a time from 0s to {MAX_MIN_LIFE}s, like 10s")]
pub struct BadMinLife;

impl From<MinLife> for Duration {
    fn from(life: MinLife) -> Self {
        Self::from_secs(life.0)
    }
}

impl FromStr for MinLife {
    type Err = BadMinLife;

    fn from_str(text: &str) -> Result<Self, BadMinLife> {
        parse_seconds(text).filter(|seconds| *seconds <= MAX_MIN_LIFE).map(Self).ok_or(BadMinLife)
    }
}

/// How long codes of one approval are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(u64);

/// What a step is taken to last, seconds, as long as the phone has not said so.
pub const USUAL_STEP: u64 = 30;
/// The longest window, seconds: what the most codes of one approval give.
pub const MAX_WINDOW: u64 = USUAL_STEP * countersign_core::request::MAX_CODES as u64;

/// The text is no such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a time from {USUAL_STEP}s to {}m, like 5m: one approval gives codes of at most {} steps of {USUAL_STEP} s",
    MAX_WINDOW / 60,
    countersign_core::request::MAX_CODES
)]
pub struct BadWindow;

impl Window {
    /// Milliseconds.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0 * 1000
    }

    /// How many steps it needs.
    #[must_use]
    pub fn steps(self) -> u8 {
        u8::try_from(self.0.div_ceil(USUAL_STEP)).unwrap_or(u8::MAX)
    }
}

impl FromStr for Window {
    type Err = BadWindow;

    fn from_str(text: &str) -> Result<Self, BadWindow> {
        parse_seconds(text).filter(|seconds| (USUAL_STEP..=MAX_WINDOW).contains(seconds)).map(Self).ok_or(BadWindow)
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
    fn windows_and_lives_have_limits() {
        let steps = |text: &str| text.parse::<Window>().map(Window::steps);
        assert_eq!((steps("30s"), steps("31s"), steps("10m"), steps("9m31s")), (Ok(1), Ok(2), Ok(20), Ok(20)));
        assert_eq!((steps("10m1s"), steps("29s"), steps("5")), (Err(BadWindow), Err(BadWindow), Err(BadWindow)));
        assert_eq!("10s".parse::<MinLife>().map(Duration::from), Ok(Duration::from_secs(10)));
        assert_eq!(("0s".parse(), "2m".parse::<MinLife>()), (Ok(MinLife(0)), Err(BadMinLife)));
        let words = "write a time from 30s to 10m, like 5m: one approval gives codes of at most 20 steps of 30 s";
        assert_eq!(BadWindow.to_string(), words);
    }

    #[test]
    fn counts_down() {
        assert_eq!(Left(Duration::from_secs(245)).to_string(), "4 min 05 s");
        assert_eq!(Left(Duration::from_millis(59_900)).to_string(), "59 s");
    }
}
