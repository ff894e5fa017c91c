//! What a process must know to take codes: 32 random bytes that it gets through its environment.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use rand_core::{OsRng, RngCore as _};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Random bytes in a token.
const BYTES: usize = 32;

/// A token as text, base64url. Wiped on drop; `Debug` reveals nothing.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    /// From the operating system's randomness.
    pub(crate) fn make() -> Self {
        let mut bytes = Zeroizing::new([0; BYTES]);
        OsRng.fill_bytes(&mut *bytes);
        Self(Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes)))
    }

    /// What another process was told.
    pub(crate) fn from_text(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text. Every call carries a comment that says why.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this token, in constant time for a given length.
    pub(crate) fn is(&self, text: &str) -> bool {
        bool::from(self.0.as_bytes().ct_eq(text.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_show_nothing() {
        let (one, two) = (Token::make(), Token::make());
        assert_eq!(one.expose().len(), 43);
        assert!(one.is(one.expose()) && !one.is(two.expose()) && !one.is("") && !one.is(&one.expose()[1..]));
        assert_eq!(format!("{one:?}"), "Token(..)");
    }
}
