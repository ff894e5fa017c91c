//! To whom a seed is sealed: `age1...` texts.

use bech32::Hrp;

use crate::keys::{AgeIdentity, decode_bech32};

/// An age X25519 recipient: text that has been checked, in small letters. Public.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient(String);

/// Why a text is no recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// Does not start with `age1`.
    #[error("not an age recipient: it must start with age1")]
    Prefix,
    /// Cut, mistyped, or not in small letters.
    #[error("the age recipient is damaged, cut short, or not an X25519 one")]
    Text,
    /// A small-order point: anybody could open what is sealed to it.
    #[error("the age recipient is no usable key")]
    WeakKey,
}

impl Recipient {
    /// The text, `age1...`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        const HRP: Hrp = Hrp::parse_unchecked("age");
        if !text.starts_with("age1") {
            return Err(RecipientError::Prefix);
        }
        // 62 characters are what 32 bytes give; anything else need not be decoded.
        let bytes = Some(text).filter(|text| text.len() == 62).and_then(|text| decode_bech32(HRP, text)).ok_or(RecipientError::Text)?;
        let public: [u8; 32] = bytes.as_slice().try_into().map_err(|_| RecipientError::Text)?;
        // The age crate panics when it seals to a small-order point. Clamping makes every secret a multiple of the cofactor,
        // so whichever secret is tried, these points and no others give zero.
        let probe = x25519_dalek::StaticSecret::from([1; 32]).diffie_hellman(&public.into());
        if probe.was_contributory() { Ok(Self(text.to_owned())) } else { Err(RecipientError::WeakKey) }
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The recipient that `identity` opens.
///
/// # Errors
/// [`RecipientError::Text`] if the identity's text is no age identity, which a derived one never is.
pub fn age_recipient(identity: &AgeIdentity) -> Result<Recipient, RecipientError> {
    // The age crate reads identities from this text form only.
    let identity: age::x25519::Identity = identity.expose().parse().map_err(|_| RecipientError::Text)?;
    identity.to_public().to_string().parse()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::UnlockRoot;

    #[test]
    fn text_goes_there_and_back() {
        let recipient = age_recipient(&UnlockRoot::from_slice(&[7; 32]).unwrap().derive_age_identity()).unwrap();
        assert_eq!(recipient.as_str().parse::<Recipient>().unwrap(), recipient);
        assert_eq!(recipient.to_string().len(), 62);
    }

    #[test]
    fn others_are_refused() {
        let good = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
        assert!(good.parse::<Recipient>().is_ok());
        for (bad, why) in [
            (String::new(), RecipientError::Prefix),
            (good.to_uppercase(), RecipientError::Prefix),
            (format!(" {good}"), RecipientError::Prefix),
            ("ssh-ed25519 AAAA".into(), RecipientError::Prefix),
            (format!("{good} "), RecipientError::Text),
            (good.replace('7', "8"), RecipientError::Text),
            (good.replace('p', "P"), RecipientError::Text),
            ("age1pq1xxxxxxxx".into(), RecipientError::Text),
            ("age1".repeat(1000), RecipientError::Text),
        ] {
            assert_eq!(bad.parse::<Recipient>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn small_order_points_are_refused() {
        use bech32::{ByteIterExt as _, Fe32IterExt as _};
        let text = |bytes: [u8; 32]| -> String {
            let hrp = Hrp::parse_unchecked("age");
            bytes.into_iter().bytes_to_fes().with_checksum::<bech32::Bech32>(&hrp).chars().collect()
        };
        let mut one = [0; 32];
        one[0] = 1;
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        let eight = data_encoding::HEXLOWER.decode(b"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800").unwrap();
        for point in [[0; 32], one, minus_one, eight.try_into().unwrap()] {
            assert_eq!(text(point).parse::<Recipient>(), Err(RecipientError::WeakKey));
        }
        assert!(text([9; 32]).parse::<Recipient>().is_ok());
    }
}
