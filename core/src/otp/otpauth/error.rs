//! What can be wrong with an otpauth URI, or is worth a word.

use super::{MAX_PERIOD, MAX_SECRET, MAX_URI, MIN_PERIOD, MIN_SECRET};

/// Something the owner of a seed should hear, though it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The secret is shorter than RFC 4226 asks for.
    #[error("the secret has fewer than 128 bits; ask the service for a longer one if it offers any")]
    ShortSecret,
}

/// Why a text is no usable otpauth URI. Never holds any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OtpAuthError {
    /// Longer than [`MAX_URI`], as given or in normal form.
    #[error("the otpauth URI is too long (at most {MAX_URI} bytes, names and issuer percent-encoded); shorten the account name or issuer")]
    TooLong,
    /// Bytes that are no printable ASCII, or a raw `#`.
    #[error("the otpauth URI may hold printable ASCII only; percent-encode everything else, `#` too")]
    NotAscii,
    /// Another scheme.
    #[error("not an otpauth URI: it must start with otpauth://totp/")]
    Scheme,
    /// The export of Google Authenticator.
    #[error(
        "this is an export of several seeds (otpauth-migration); import it in the app on the phone, or show the QR code of the one account at its service"
    )]
    Migration,
    /// Counter-based codes.
    #[error("counter-based codes (hotp) are not supported; ask the service for time-based ones (totp)")]
    Hotp,
    /// Neither totp nor hotp.
    #[error("codes of this type are not supported; only otpauth://totp/ is")]
    Type,
    /// A broken percent escape, or bytes that are no UTF-8.
    #[error("the otpauth URI has a broken percent escape; copy it again from the service")]
    Percent,
    /// No account, too long, or characters that could mislead a reader.
    #[error("the label must name an account, have at most 128 characters, and hold no control or direction-changing characters")]
    Label,
    /// The issuer has a colon, or characters that could mislead a reader.
    #[error("the issuer may hold no colon and no control or direction-changing characters")]
    Issuer,
    /// A known parameter comes twice.
    #[error("a parameter of the otpauth URI comes twice; copy it again from the service")]
    Repeated,
    /// No secret, or an empty one.
    #[error("the otpauth URI has no secret; copy it again from the service")]
    NoSecret,
    /// The secret is no base32.
    #[error("the secret is not base32 (letters A to Z and digits 2 to 7) or was cut; copy it again from the service")]
    Secret,
    /// The secret has fewer than [`MIN_SECRET`] or more than [`MAX_SECRET`] bytes.
    #[error("the secret must have {MIN_SECRET} to {MAX_SECRET} bytes (16 to 103 base32 characters)")]
    SecretLength,
    /// Not SHA1, SHA256 or SHA512.
    #[error("the algorithm must be SHA1, SHA256 or SHA512")]
    Algorithm,
    /// Not 6, 7 or 8.
    #[error("the number of digits must be 6, 7 or 8")]
    Digits,
    /// Not [`MIN_PERIOD`] to [`MAX_PERIOD`].
    #[error("the period must be {MIN_PERIOD} to {MAX_PERIOD} seconds")]
    Period,
}
