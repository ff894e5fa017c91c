//! What the end of a command says about its code.

use anstream::adapter::strip_bytes;
use serde::Serialize;

use super::{profile::Profile, sign::Sign};

/// How much of the end of each stream is kept and looked at, bytes.
pub const TAIL: usize = 64 * 1024;

/// How a command took its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It exited with 0.
    Fine,
    /// The code was wrong, used already, or too old: another one may be right.
    WrongCode,
    /// The tool got no code: another one would not arrive either.
    MissingCode,
    /// Too many attempts (429): more of them make it worse.
    Limited,
    /// It failed for another reason, or does not say why.
    Failed,
}

impl Verdict {
    /// What to tell the human, and what to do next; `target` is the name of the seed's target. Nothing if there is nothing about the code.
    #[must_use]
    pub fn words(self, target: &str) -> Option<(String, String)> {
        let (what, next) = match self {
            Self::WrongCode => {
                ("the code was refused: wrong, used already, or too old", "run it again: it needs the code of a new step".to_owned())
            }
            Self::MissingCode => (
                "no code arrived at the tool",
                format!("`countersign targets {target}` tells how it is handed over; a script that clears the environment loses it"),
            ),
            Self::Limited => ("too many attempts", "wait before you run this again: every attempt makes it longer".to_owned()),
            Self::Fine | Self::Failed => return None,
        };
        Some((format!("{what} (judged by the signs of target {target})"), next))
    }
}

/// Reads the end of a command. `exit` is `None` if a signal ended it, which is never a matter of the code.
///
/// Exit code 0 is success whatever was written: what succeeded must not be run again.
#[must_use]
pub fn verdict(profile: &Profile, exit: Option<u8>, stdout: &[u8], stderr: &[u8]) -> Verdict {
    let Some(exit) = exit else { return Verdict::Failed };
    if exit == 0 {
        return Verdict::Fine;
    }
    let (stdout, stderr) = (plain(stdout), plain(stderr));
    let fits = |signs: &[Sign]| signs.iter().any(|sign| sign.fits(exit, &stdout, &stderr));
    // What is worst to get wrong comes first: too many attempts, then a code that never arrived.
    if fits(&profile.limited) {
        Verdict::Limited
    } else if fits(&profile.missing) {
        Verdict::MissingCode
    } else if fits(&profile.wrong) {
        Verdict::WrongCode
    } else {
        Verdict::Failed
    }
}

/// The last [`TAIL`] bytes without escape sequences. A character that was cut becomes U+FFFD.
fn plain(bytes: &[u8]) -> String {
    let tail = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
    String::from_utf8_lossy(&strip_bytes(tail).into_vec()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Targets;

    fn npm() -> std::sync::Arc<Profile> {
        Targets::builtin().find("npm").unwrap()
    }

    const EOTP: &str = "npm error code EOTP\nnpm error This operation requires a one-time password from your authenticator.\n";

    #[test]
    fn success_and_signals_are_no_matter_of_the_code() {
        assert_eq!(verdict(&npm(), Some(0), b"", EOTP.as_bytes()), Verdict::Fine);
        assert_eq!(verdict(&npm(), None, b"", EOTP.as_bytes()), Verdict::Failed);
        assert_eq!(verdict(&npm(), Some(1), b"", EOTP.as_bytes()), Verdict::WrongCode);
        assert_eq!(verdict(&npm(), Some(1), b"", b"npm error code E404\n"), Verdict::Failed);
    }

    #[test]
    fn escapes_are_no_text() {
        let coloured = "\u{1b}[1mnpm\u{1b}[22m \u{1b}[31merror\u{1b}[39m \u{1b}[94mcode\u{1b}[39m E\u{1b}]8;;x\u{7}OTP\u{1b}]8;;\u{7}\n";
        assert_eq!(verdict(&npm(), Some(1), b"", coloured.as_bytes()), Verdict::WrongCode);
    }

    #[test]
    fn only_the_end_counts() {
        let long = |filler: usize| [EOTP.as_bytes(), &vec![b'\n'; filler]].concat();
        assert_eq!(verdict(&npm(), Some(1), b"", &long(TAIL - EOTP.len())), Verdict::WrongCode);
        assert_eq!(verdict(&npm(), Some(1), b"", &long(TAIL)), Verdict::Failed);
        // A character that was cut in two harms nothing.
        assert_eq!(verdict(&npm(), Some(1), b"\xff", &[b"\xb6\n", EOTP.as_bytes()].concat()), Verdict::WrongCode);
    }

    #[test]
    fn too_many_attempts_come_first() {
        let both = format!("{EOTP}npm error code E429\n");
        assert_eq!(verdict(&npm(), Some(1), b"", both.as_bytes()), Verdict::Limited);
    }

    /// Of tools that the recorded outputs in tests/fixtures do not hold: what their sources and servers say.
    #[test]
    fn tools_that_are_not_at_hand() {
        let berry = "\u{27a4} \u{1b}[31mYN0033\u{1b}[39m: The registry requires additional authentication, but Yarn is not running in an interactive terminal";
        for (target, text, expected) in [
            ("yarn-berry", "YN0041: Invalid OTP token", Verdict::WrongCode),
            ("yarn-berry", berry, Verdict::WrongCode),
            ("yarn-berry", "YN0035: Response Code: 429 (Too Many Requests)", Verdict::Limited),
            ("yarn-berry", "YN0035: Package not found", Verdict::Failed),
            ("hex", "Two-factor authentication required. Include X-Hex-OTP header with your TOTP code.", Verdict::MissingCode),
            ("hex", "Invalid two-factor authentication code", Verdict::WrongCode),
            ("hex", "API rate limit exceeded for IP 192.0.2.1", Verdict::Limited),
            ("steam", "FAILED (Two-factor code mismatch)", Verdict::WrongCode),
            ("steam", "ERROR (Rate Limit Exceeded)", Verdict::Limited),
            ("steam", "Two-factor code:FAILED (Account logon denied, need two-factor code)", Verdict::MissingCode),
            ("npm", "npm ERR! code EOTP\nnpm ERR! This operation requires a one-time password.", Verdict::WrongCode),
            ("changesets", "🦋  error npm error code E429", Verdict::Limited),
            ("generic", "one-time password, 429 Too Many Requests", Verdict::Failed),
        ] {
            let profile = Targets::builtin().find(target).unwrap();
            assert_eq!(verdict(&profile, Some(1), text.as_bytes(), b""), expected, "{target}: {text}");
        }
    }

    #[test]
    fn exit_codes_are_signs_too() {
        let own = "[target.x]\nwrong = [{ exit = [3] }, { exit = [4], stderr = ['^no$'] }]\n";
        let config = crate::config::Config::parse("", &format!("version = 1\n{own}")).unwrap();
        let profile = config.targets.find("x").unwrap();
        for (exit, stderr, expected) in
            [(3, "", Verdict::WrongCode), (4, "", Verdict::Failed), (4, "no\n", Verdict::WrongCode), (5, "no\n", Verdict::Failed)]
        {
            assert_eq!(verdict(&profile, Some(exit), b"no", stderr.as_bytes()), expected, "{exit} {stderr}");
        }
    }
}
