//! The otpauth URI (docs/PROTOCOL.md §4).

mod error;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::percent;
use crate::text;
pub use error::{OtpAuthError, Warning};

/// Longest URI, in bytes; the normal form keeps to it as well.
pub const MAX_URI: usize = 512;
/// Shortest secret, in bytes.
pub const MIN_SECRET: usize = 10;
/// Longest secret, in bytes.
pub const MAX_SECRET: usize = 64;
/// Secrets below this many bytes are accepted with a warning (RFC 4226 §4 asks for 128 bits).
const GOOD_SECRET: usize = 16;
/// Shortest period, in seconds.
pub const MIN_PERIOD: u64 = 15;
/// Longest period, in seconds.
pub const MAX_PERIOD: u64 = 120;

/// The hash of the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1, what nearly everybody uses.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// As in the URI: `SHA1`, `SHA256` or `SHA512`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// A seed: the secret and how codes are made from it.
///
/// The secret is wiped on drop. There is deliberately no `Clone`, `Serialize` or `Display`; `Debug` prints `OtpAuth(..)`.
pub struct OtpAuth {
    secret: Zeroizing<Vec<u8>>,
    issuer: Option<String>,
    account: String,
    algorithm: Algorithm,
    digits: u8,
    period: u64,
}

/// Reads an otpauth URI. White space around it is not removed.
///
/// # Errors
/// The first thing that is wrong, see [`OtpAuthError`].
pub fn parse_otpauth(uri: &str) -> Result<OtpAuth, OtpAuthError> {
    if uri.len() > MAX_URI {
        return Err(OtpAuthError::TooLong);
    }
    if uri.bytes().any(|byte| !matches!(byte, b' '..=b'~') || byte == b'#') {
        return Err(OtpAuthError::NotAscii);
    }
    let (scheme, rest) = uri.split_once("://").ok_or(OtpAuthError::Scheme)?;
    if scheme.eq_ignore_ascii_case("otpauth-migration") {
        return Err(OtpAuthError::Migration);
    }
    if !scheme.eq_ignore_ascii_case("otpauth") {
        return Err(OtpAuthError::Scheme);
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (kind, label) = path.split_once('/').unwrap_or((path, ""));
    if kind.eq_ignore_ascii_case("hotp") {
        return Err(OtpAuthError::Hotp);
    }
    if !kind.eq_ignore_ascii_case("totp") {
        return Err(OtpAuthError::Type);
    }
    let otpauth = read_parts(label, &Parameters::split(query)?)?;
    if otpauth.to_uri().len() > MAX_URI { Err(OtpAuthError::TooLong) } else { Ok(otpauth) }
}

/// The known parameters as written, still percent-encoded.
#[derive(Default)]
struct Parameters<'a> {
    secret: Option<&'a str>,
    issuer: Option<&'a str>,
    algorithm: Option<&'a str>,
    digits: Option<&'a str>,
    period: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn split(query: &'a str) -> Result<Self, OtpAuthError> {
        let mut found = Self::default();
        for part in query.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let slot = match name.to_ascii_lowercase().as_str() {
                "secret" => &mut found.secret,
                "issuer" => &mut found.issuer,
                "algorithm" => &mut found.algorithm,
                "digits" => &mut found.digits,
                "period" => &mut found.period,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(OtpAuthError::Repeated);
            }
        }
        Ok(found)
    }
}

fn read_parts(label: &str, parameters: &Parameters<'_>) -> Result<OtpAuth, OtpAuthError> {
    let decode = |text| percent::decode(text).ok_or(OtpAuthError::Percent);
    let label = decode(label)?;
    // An issuer that the parameter overrides must be clean too; only the label shown has to be short.
    if !text::is_clean(&label, MAX_URI) {
        return Err(OtpAuthError::Label);
    }
    let (label_issuer, account) = label.split_once(':').unwrap_or(("", &label));
    let given = decode(parameters.issuer.unwrap_or_default())?;
    let issuer = [given.as_str(), label_issuer].map(|issuer| issuer.trim_matches(' ')).into_iter().find(|issuer| !issuer.is_empty());
    if issuer.is_some_and(|issuer| issuer.contains(':') || !text::is_clean(issuer, text::MAX_LABEL)) {
        return Err(OtpAuthError::Issuer);
    }
    let account = account.trim_matches(' ');
    // Without an issuer a colon in the account would be read as the one that ends the issuer.
    if account.is_empty() || (issuer.is_none() && account.contains(':')) {
        return Err(OtpAuthError::Label);
    }
    let otpauth = OtpAuth {
        secret: read_secret(&decode(parameters.secret.unwrap_or_default())?)?,
        issuer: issuer.map(str::to_owned),
        account: account.to_owned(),
        algorithm: parameters.algorithm.map_or(Ok(Algorithm::Sha1), |text| read_algorithm(&decode(text)?))?,
        digits: parameters.digits.map_or(Ok(6), |text| read_digits(&decode(text)?))?,
        period: parameters.period.map_or(Ok(30), |text| read_period(&decode(text)?))?,
    };
    if text::is_clean(&otpauth.label(), text::MAX_LABEL) { Ok(otpauth) } else { Err(OtpAuthError::Label) }
}

fn read_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, OtpAuthError> {
    let mut folded = Zeroizing::new(Vec::with_capacity(text.len()));
    folded.extend(text.bytes().filter(|byte| !matches!(byte, b' ' | b'-' | b'=')).map(|byte| byte.to_ascii_uppercase()));
    if folded.is_empty() {
        return Err(OtpAuthError::NoSecret);
    }
    // Services that pick random letters leave bits over at the end. Every authenticator drops them, so they are not an error.
    let mut lenient = BASE32_NOPAD.specification();
    lenient.check_trailing_bits = false;
    let lenient = lenient.encoding().map_err(|_| OtpAuthError::Secret)?;
    let length = lenient.decode_len(folded.len()).map_err(|_| OtpAuthError::Secret)?;
    let mut secret = Zeroizing::new(vec![0; length]);
    lenient.decode_mut(&folded, &mut secret).map_err(|_| OtpAuthError::Secret)?;
    if (MIN_SECRET..=MAX_SECRET).contains(&length) { Ok(secret) } else { Err(OtpAuthError::SecretLength) }
}

fn read_algorithm(text: &str) -> Result<Algorithm, OtpAuthError> {
    let known = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
    known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text)).ok_or(OtpAuthError::Algorithm)
}

fn read_digits(text: &str) -> Result<u8, OtpAuthError> {
    match text {
        "6" => Ok(6),
        "7" => Ok(7),
        "8" => Ok(8),
        _ => Err(OtpAuthError::Digits),
    }
}

fn read_period(text: &str) -> Result<u64, OtpAuthError> {
    let plain = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let period = text.parse().ok().filter(|period| plain && (MIN_PERIOD..=MAX_PERIOD).contains(period));
    period.ok_or(OtpAuthError::Period)
}

impl OtpAuth {
    /// The name of the service, if the URI has one.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The name of the account, never empty.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What a person sees: `ISSUER:ACCOUNT`, or `ACCOUNT`; clean text of at most `MAX_LABEL` characters.
    #[must_use]
    pub fn label(&self) -> String {
        self.issuer.as_ref().map_or_else(|| self.account.clone(), |issuer| format!("{issuer}:{}", self.account))
    }

    /// The hash of the HMAC.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Digits of a code, 6 to 8.
    #[must_use]
    pub fn digits(&self) -> u8 {
        self.digits
    }

    /// Seconds a step lasts, [`MIN_PERIOD`] to [`MAX_PERIOD`].
    #[must_use]
    pub fn period(&self) -> u64 {
        self.period
    }

    /// What the owner should hear about this seed.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        if self.secret.len() < GOOD_SECRET { vec![Warning::ShortSecret] } else { Vec::new() }
    }

    /// The secret, 10 to 64 bytes. Every call carries a comment that says why.
    pub(crate) fn expose_secret(&self) -> &[u8] {
        &self.secret
    }

    /// Writes the normal form, which holds the secret; the text is wiped on drop.
    #[must_use]
    pub fn to_uri(&self) -> Zeroizing<String> {
        let issuer = self.issuer.as_deref().unwrap_or_default();
        // Large enough that the text never moves and leaves a copy behind.
        let capacity = 128 + 2 * MAX_SECRET + 3 * (2 * issuer.len() + self.account.len());
        let mut uri = Zeroizing::new(String::with_capacity(capacity));
        uri.push_str("otpauth://totp/");
        if self.issuer.is_some() {
            percent::encode(issuer, &mut uri);
            uri.push(':');
        }
        percent::encode(&self.account, &mut uri);
        uri.push_str("?secret=");
        // The normal form is the one place where the secret is written out.
        BASE32_NOPAD.encode_append(self.expose_secret(), &mut uri);
        if self.issuer.is_some() {
            uri.push_str("&issuer=");
            percent::encode(issuer, &mut uri);
        }
        for (name, value) in
            [("algorithm", self.algorithm.as_str()), ("digits", &self.digits.to_string()), ("period", &self.period.to_string())]
        {
            uri.push('&');
            uri.push_str(name);
            uri.push('=');
            uri.push_str(value);
        }
        uri
    }
}

impl std::fmt::Debug for OtpAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OtpAuth(..)")
    }
}

#[cfg(test)]
mod tests;
