//! One target.

use std::time::Duration;

use serde::Serialize;

use super::{sign::Sign, template::Template};

/// Always set for the command.
pub const CODE_VARIABLE: &str = "COUNTERSIGN_CODE";
/// Longest name of a variable, bytes.
const MAX_VARIABLE: usize = 128;

/// How a tool takes a code, and how it says that one is missing or wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Profile {
    /// As in `target = "..."`.
    pub name: String,
    /// What it is, in a line.
    pub about: String,
    /// Words of an otpauth label's issuer that give the target away.
    pub issuer: Vec<String>,
    /// The variables that hold the code, beside [`CODE_VARIABLE`].
    pub env: Vec<String>,
    /// Arguments that are appended to the command. Other users of the machine can read them.
    pub args: Vec<Template>,
    /// What is written to the command's standard input, which is closed after it.
    pub stdin: Option<Template>,
    /// How long a code must still live when the command starts, seconds.
    pub min_life: u64,
    /// Whether the code of one step may be used twice.
    pub reuse: bool,
    /// Whether a command that was refused its code is run again with another one.
    pub retry: bool,
    /// Signs of a code that is wrong, used already, or too old.
    pub wrong: Vec<Sign>,
    /// Signs that no code arrived.
    pub missing: Vec<Sign>,
    /// Signs of too many attempts.
    pub limited: Vec<Sign>,
}

/// Where a command finds its code.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// Environment variables.
    pub env: Vec<String>,
    /// Arguments that are appended.
    pub args: Vec<Template>,
    /// The whole of its standard input.
    pub stdin: Option<Template>,
}

impl Profile {
    /// [`Profile::min_life`]. A code with a period no longer than this is used at its beginning.
    #[must_use]
    pub fn min_life(&self) -> Duration {
        Duration::from_secs(self.min_life)
    }

    /// How the command gets its code; the variables in `named`, if there are any, take the place of everything that the target says.
    #[must_use]
    pub fn delivery(&self, named: &[String]) -> Delivery {
        let mut delivery = match named {
            [] => Delivery { env: self.env.clone(), args: self.args.clone(), stdin: self.stdin.clone() },
            named => Delivery { env: named.to_vec(), ..Delivery::default() },
        };
        if !delivery.env.iter().any(|name| name == CODE_VARIABLE) {
            delivery.env.push(CODE_VARIABLE.to_owned());
        }
        delivery
    }

    /// Whether any sign needs what the command wrote: on standard output, on standard error.
    #[must_use]
    pub fn reads(&self) -> (bool, bool) {
        let signs = self.wrong.iter().chain(&self.missing).chain(&self.limited);
        signs.map(Sign::reads).fold((false, false), |all, one| (all.0 || one.0, all.1 || one.1))
    }
}

/// Whether an environment variable of this name may hold a code: letters, digits and `_`; not `PATH`, and of our own names only
/// [`CODE_VARIABLE`]. Some systems don't tell `a` from `A`.
#[must_use]
pub fn is_code_variable(name: &str) -> bool {
    let plain = (1..=MAX_VARIABLE).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let upper = name.to_ascii_uppercase();
    plain && upper != "PATH" && (upper == CODE_VARIABLE || !upper.starts_with("COUNTERSIGN_"))
}

#[cfg(test)]
mod tests {
    use crate::targets::Targets;

    #[test]
    fn names_replace_what_the_target_says() {
        let targets = Targets::builtin();
        let delivery = |target: &str, named: &[String]| targets.find(target).unwrap().delivery(named);
        assert_eq!(delivery("npm", &[]).env, ["NPM_CONFIG_OTP", "npm_config_otp", "COUNTERSIGN_CODE"]);
        assert_eq!(delivery("npm", &["MFA".into()]).env, ["MFA", "COUNTERSIGN_CODE"]);
        assert_eq!(delivery("generic", &[]).env, ["COUNTERSIGN_CODE"]);
        assert_eq!(delivery("yarn", &[]).args.len(), 1);
        assert_eq!(delivery("yarn", &["COUNTERSIGN_CODE".into()]).args.len(), 0);
        assert_eq!(delivery("yarn", &["COUNTERSIGN_CODE".into()]).env, ["COUNTERSIGN_CODE"]);
    }
}
