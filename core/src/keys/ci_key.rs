//! `COUNTERSIGN_KEY`: what CI keeps secret (docs/PROTOCOL.md §1).

use bech32::Hrp;
use zeroize::Zeroizing;

use super::{CiRoot, Secret32, decode_bech32, encode_bech32};

const HRP: Hrp = Hrp::parse_unchecked("countersign-key-");
const VERSION: u8 = 1;

/// The secret of one pairing on the CI side: root and psk.
#[derive(Debug, PartialEq, Eq)]
pub struct CiKey {
    /// Gives the channel static and the sender key.
    pub root: CiRoot,
    /// The pairing's psk.
    pub psk: Secret32,
}

/// Why a text is no CI key. Never holds any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CiKeyError {
    /// There is nothing but white space and comments.
    #[error("the key is empty")]
    Empty,
    /// Does not start with `COUNTERSIGN-KEY-1`.
    #[error("not a Countersign key: it must start with COUNTERSIGN-KEY-1")]
    Prefix,
    /// Cut, mistyped or mixed-case text.
    #[error("the key is damaged or cut short (its checksum does not match)")]
    Checksum,
    /// A version this program does not know.
    #[error("the key is of a version this program does not know")]
    Version,
}

impl CiKey {
    /// Writes `COUNTERSIGN-KEY-1...`; the text is wiped on drop.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut data = Zeroizing::new(Vec::with_capacity(65));
        data.push(VERSION);
        // The text form is the one place where both secrets leave the program.
        data.extend_from_slice(self.root.expose());
        data.extend_from_slice(self.psk.expose());
        encode_bech32(HRP, &data)
    }
}

impl std::str::FromStr for CiKey {
    type Err = CiKeyError;

    fn from_str(text: &str) -> Result<Self, CiKeyError> {
        let prefix = text.get(..HRP.len() + 1).unwrap_or_default();
        if !prefix.eq_ignore_ascii_case("countersign-key-1") {
            return Err(CiKeyError::Prefix);
        }
        let data = decode_bech32(HRP, text).ok_or(CiKeyError::Checksum)?;
        let (&version, rest) = data.split_first().ok_or(CiKeyError::Checksum)?;
        if version != VERSION {
            return Err(CiKeyError::Version);
        }
        let (root, psk) = rest.split_at_checked(32).ok_or(CiKeyError::Checksum)?;
        Ok(Self {
            root: CiRoot::from_slice(root).ok_or(CiKeyError::Checksum)?,
            psk: Secret32::from_slice(psk).ok_or(CiKeyError::Checksum)?,
        })
    }
}

/// Reads one or more keys, separated by white space or commas; `#` starts a comment line.
///
/// # Errors
/// [`CiKeyError::Empty`] without any key, else what is wrong with the first bad one.
pub fn parse_ci_keys(text: &str) -> Result<Vec<CiKey>, CiKeyError> {
    let keys = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split([' ', '\t', '\r', ',']))
        .filter(|word| !word.is_empty())
        .map(str::parse)
        .collect::<Result<Vec<CiKey>, _>>()?;
    if keys.is_empty() { Err(CiKeyError::Empty) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CiKey {
        CiKey { root: CiRoot::from_slice(&[1; 32]).unwrap(), psk: Secret32::from_bytes([2; 32]) }
    }

    #[test]
    fn text_goes_there_and_back() {
        let text = key().to_text();
        assert!(text.starts_with("COUNTERSIGN-KEY-1"));
        assert_eq!(text.parse::<CiKey>().unwrap(), key());
        assert_eq!(text.to_ascii_lowercase().parse::<CiKey>().unwrap(), key());
        assert_eq!(parse_ci_keys(&format!("# alice\n{}\n\n{},", *text, *text)).unwrap().len(), 2);
    }

    #[test]
    fn damaged_text_is_refused() {
        let text = key().to_text();
        let cut = text.get(..text.len() - 1).unwrap();
        assert_eq!(cut.parse::<CiKey>(), Err(CiKeyError::Checksum));
        assert_eq!(text.replace('Q', "q").parse::<CiKey>(), Err(CiKeyError::Checksum));
        assert_eq!("AGE-SECRET-KEY-1QQ".parse::<CiKey>(), Err(CiKeyError::Prefix));
        assert_eq!("".parse::<CiKey>(), Err(CiKeyError::Prefix));
        assert_eq!(parse_ci_keys(" \n# x\n"), Err(CiKeyError::Empty));
        let future = encode_bech32(HRP, &[9; 65]);
        assert_eq!(future.parse::<CiKey>(), Err(CiKeyError::Version));
    }
}
