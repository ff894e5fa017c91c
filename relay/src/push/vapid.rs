//! Saying to a push service who sends (RFC 8292): a token signed with the relay's own key.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use p256::{
    SecretKey,
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    elliptic_curve::sec1::ToEncodedPoint as _,
};

/// How long a token is good, seconds; RFC 8292 allows a day.
const LIFE: u64 = 12 * 60 * 60;
/// `{"typ":"JWT","alg":"ES256"}`
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9";

/// The relay's key for push services, and whom they may contact about it. The key is wiped on drop; `Debug` reveals nothing.
#[derive(Clone)]
pub(crate) struct Vapid {
    key: SigningKey,
    public: [u8; 65],
    contact: String,
}

impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vapid(..)")
    }
}

impl Vapid {
    /// `contact` has been checked by [`is_contact`].
    pub(crate) fn new(secret: &SecretKey, contact: String) -> Option<Self> {
        let public = secret.public_key().to_encoded_point(false).as_bytes().try_into().ok()?;
        Some(Self { key: SigningKey::from(secret), public, contact })
    }

    /// The public key, uncompressed.
    pub(crate) fn public(&self) -> &[u8; 65] {
        &self.public
    }

    /// The value of `Authorization` for a push service with this origin (`https://host[:port]`).
    pub(crate) fn authorization(&self, origin: &str, unix: u64) -> String {
        let claims = claims(origin, unix.saturating_add(LIFE), &self.contact);
        let signed = format!("{HEADER}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let signature: Signature = self.key.sign(signed.as_bytes());
        let signature = BASE64URL_NOPAD.encode(&signature.to_bytes());
        format!("vapid t={signed}.{signature}, k={}", BASE64URL_NOPAD.encode(&self.public))
    }
}

/// Neither text needs escaping: an origin has no quotes, and a contact was checked for them.
fn claims(origin: &str, expires: u64, contact: &str) -> String {
    format!(r#"{{"aud":"{origin}","exp":{expires},"sub":"{contact}"}}"#)
}

/// Whether a push service can use this to reach the operator: `mailto:` or `https:`, without what JSON would have to escape.
pub(crate) fn is_contact(text: &str) -> bool {
    let rest = text.strip_prefix("mailto:").filter(|rest| rest.contains('@')).or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty())
        && text.len() <= 256
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::{VerifyingKey, signature::Verifier as _};

    use super::*;

    const RFC_TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4\
                             YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA";
    const RFC_KEY: &str = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";

    #[track_caller]
    fn verify(token: &str, key: &[u8]) {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap()).unwrap();
        VerifyingKey::from_sec1_bytes(key).unwrap().verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn the_example_of_rfc_8292() {
        verify(RFC_TOKEN, &BASE64URL_NOPAD.decode(RFC_KEY.as_bytes()).unwrap());
        let claims = claims("https://push.example.net", 1_453_523_768, "mailto:push@example.com");
        assert!(RFC_TOKEN.starts_with(&format!("{HEADER}.{}.", BASE64URL_NOPAD.encode(claims.as_bytes()))));
    }

    #[test]
    fn what_we_sign_is_good_for_half_a_day() {
        let vapid = Vapid::new(&SecretKey::from_slice(&[7; 32]).unwrap(), "mailto:op@example.org".into()).unwrap();
        let value = vapid.authorization("https://push.example.org:8443", 1_000);
        let (token, key) = value.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        verify(token, &BASE64URL_NOPAD.decode(key.as_bytes()).unwrap());
        let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
        assert_eq!(
            std::str::from_utf8(&claims).unwrap(),
            r#"{"aud":"https://push.example.org:8443","exp":44200,"sub":"mailto:op@example.org"}"#
        );
        assert_eq!(format!("{vapid:?}"), "Vapid(..)");
    }

    #[test]
    fn contacts() {
        for good in ["mailto:op@example.org", "https://example.org/contact"] {
            assert!(is_contact(good), "{good}");
        }
        for bad in ["", "op@example.org", "mailto:", "mailto:nobody", "https://", "http://example.org", "mailto:a\"@b", "mailto:a b@c"] {
            assert!(!is_contact(bad), "{bad}");
        }
    }
}
