//! The pairing code: what the QR code holds.

use bech32::Hrp;
use zeroize::Zeroizing;

use crate::{
    keys::{ChannelPublic, PairingId, Secret32, decode_bech32, encode_bech32, hash},
    labels,
    relay::RelayUrl,
};

const HRP: Hrp = Hrp::parse_unchecked("countersign-pair-");
const VERSION: u8 = 1;
const NO_FLAGS: u8 = 0;

/// Where the two ends meet, 16 bytes.
pub type Rendezvous = [u8; 16];

/// Everything a phone needs to begin a pairing. Holds the QR psk: wiped on drop.
#[derive(Debug, PartialEq, Eq)]
pub struct PairingCode {
    pub(crate) ci_static: ChannelPublic,
    pub(crate) psk: Secret32,
    /// Where both ends MEET.
    pub rendezvous: Rendezvous,
    /// At which relay.
    pub relay: RelayUrl,
}

/// Why a text is no pairing code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairingCodeError {
    /// Does not start with `COUNTERSIGN-PAIR-1`.
    #[error("not a pairing code: it must start with COUNTERSIGN-PAIR-1")]
    Prefix,
    /// Cut or mistyped.
    #[error("the pairing code is damaged or cut short; copy all of it")]
    Checksum,
    /// Made by a newer program.
    #[error("the pairing code is of a version this program does not know; update this program")]
    Version,
    /// The relay in it can't be used.
    #[error("the relay in the pairing code can't be used: it must be wss://, or ws:// to this very machine")]
    Relay,
}

impl PairingCode {
    /// Writes `COUNTERSIGN-PAIR-1...` in capitals, fit for a QR code's alphanumeric mode.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let relay = self.relay.origin().as_bytes();
        let mut data = Zeroizing::new(Vec::with_capacity(82 + relay.len()));
        data.extend_from_slice(&[VERSION, NO_FLAGS]);
        data.extend_from_slice(&self.ci_static);
        // The code exists to carry this secret to the phone's camera.
        data.extend_from_slice(self.psk.expose());
        data.extend_from_slice(&self.rendezvous);
        data.extend_from_slice(relay);
        encode_bech32(HRP, &data)
    }

    /// Names the pairing: `SHA-256(label | 00 | rendezvous | ci static)`, first 16 bytes.
    #[must_use]
    pub fn pairing_id(&self) -> PairingId {
        let digest = hash(labels::PAIRING_ID, &[&self.rendezvous, &self.ci_static]);
        digest.first_chunk().copied().unwrap_or_default()
    }
}

impl std::str::FromStr for PairingCode {
    type Err = PairingCodeError;

    fn from_str(text: &str) -> Result<Self, PairingCodeError> {
        use PairingCodeError::{Checksum, Prefix, Relay, Version};
        let text = text.trim();
        if !text.get(..HRP.len() + 1).unwrap_or_default().eq_ignore_ascii_case("countersign-pair-1") {
            return Err(Prefix);
        }
        let data = decode_bech32(HRP, text).ok_or(Checksum)?;
        let (start, rest) = data.split_first_chunk::<2>().ok_or(Checksum)?;
        if *start != [VERSION, NO_FLAGS] {
            return Err(Version);
        }
        let (ci_static, rest) = rest.split_first_chunk::<32>().ok_or(Checksum)?;
        let (psk, rest) = rest.split_at_checked(32).ok_or(Checksum)?;
        let (rendezvous, relay) = rest.split_first_chunk::<16>().ok_or(Checksum)?;
        Ok(Self {
            ci_static: *ci_static,
            psk: Secret32::from_slice(psk).ok_or(Checksum)?,
            rendezvous: *rendezvous,
            relay: std::str::from_utf8(relay).ok().and_then(|url| url.parse().ok()).ok_or(Relay)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> PairingCode {
        PairingCode {
            ci_static: [1; 32],
            psk: Secret32::from_bytes([2; 32]),
            rendezvous: [3; 16],
            relay: "wss://relay.example.org".parse().unwrap(),
        }
    }

    #[test]
    fn text_goes_there_and_back() {
        let text = code().to_text();
        assert_eq!(text.parse::<PairingCode>().unwrap(), code());
        assert_eq!(format!(" {}\n", *text).parse::<PairingCode>().unwrap(), code());
    }

    #[test]
    fn damaged_text_is_refused() {
        let text = code().to_text();
        assert_eq!(text.get(..40).unwrap().parse::<PairingCode>(), Err(PairingCodeError::Checksum));
        assert_eq!("hello".parse::<PairingCode>(), Err(PairingCodeError::Prefix));
        assert_eq!(encode_bech32(HRP, &[2; 90]).parse::<PairingCode>(), Err(PairingCodeError::Version));
        let mut data = vec![1, 0];
        data.extend([0; 80]);
        data.extend(b"ws://relay.example.org");
        assert_eq!(encode_bech32(HRP, &data).parse::<PairingCode>(), Err(PairingCodeError::Relay));
    }
}
