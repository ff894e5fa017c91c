//! What a seed's codes are for, and how the tool in question takes one.

use serde::Deserialize;

/// The service or tool behind a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Target {
    /// npm, and everything that runs it.
    Npm,
    /// pnpm, which also runs npm.
    Pnpm,
    /// RubyGems.
    Gem,
    /// Hex.
    Hex,
    /// Anything else.
    #[default]
    Generic,
}

/// Always set for the child.
pub const CODE_VARIABLE: &str = "COUNTERSIGN_CODE";

/// Name, a word in the label that gives it away, the variables its tool reads.
const TARGETS: &[(Target, &str, &str, &[&str])] = &[
    (Target::Npm, "npm", "npm", &["NPM_CONFIG_OTP", "npm_config_otp"]),
    (Target::Pnpm, "pnpm", "pnpm", &["PNPM_CONFIG_OTP", "NPM_CONFIG_OTP"]),
    (Target::Gem, "gem", "rubygems", &["GEM_HOST_OTP_CODE"]),
    (Target::Hex, "hex", "hex", &["HEX_OTP"]),
    (Target::Generic, "generic", "", &[]),
];

impl Target {
    /// As in the config.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        TARGETS.iter().find(|row| row.0 == self).map_or("generic", |row| row.1)
    }

    /// The variables its tool reads, without [`CODE_VARIABLE`].
    #[must_use]
    pub fn variables(self) -> &'static [&'static str] {
        TARGETS.iter().find(|row| row.0 == self).map_or(&[], |row| row.3)
    }

    /// What the issuer in a label (`npm:alice`, `hex.pm:team`) tells.
    #[must_use]
    pub fn guess(label: &str) -> Self {
        let issuer = label.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let is_word = |word: &str| !word.is_empty() && issuer.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word);
        TARGETS.iter().find(|row| is_word(row.2)).map_or(Self::Generic, |row| row.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_by_the_issuer() {
        for (label, target) in [
            ("npm:alice", Target::Npm),
            ("registry.npm.example:alice", Target::Npm),
            ("RubyGems.org:alice", Target::Gem),
            ("hex.pm:alice", Target::Hex),
            ("ACME:npm", Target::Generic),
            ("hexagon:alice", Target::Generic),
        ] {
            assert_eq!(Target::guess(label), target, "{label}");
        }
    }

    #[test]
    fn every_target_has_its_row() {
        for target in <Target as clap::ValueEnum>::value_variants() {
            assert!(TARGETS.iter().any(|row| row.0 == *target));
        }
    }
}
