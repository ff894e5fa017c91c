//! What Google Authenticator exports: `otpauth-migration://offline?data=...`, a QR code with several accounts in it.

use data_encoding::{BASE32_NOPAD, BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use prost::Message;
use zeroize::{Zeroize, Zeroizing};

use super::{
    OtpAuth, OtpAuthError,
    otpauth::parse_otpauth,
    percent::{decode, encode},
};

/// Longest export, bytes of text: more than a QR code can hold.
pub const MAX_MIGRATION: usize = 8192;
/// Most accounts in one QR code.
pub const MAX_ACCOUNTS: usize = 64;

/// An account of an export.
pub struct Account {
    /// Issuer and account as the other app called it; not yet checked or cleaned.
    pub name: String,
    /// The seed, or why it can't be used here.
    pub otpauth: Result<OtpAuth, OtpAuthError>,
}

/// An export.
pub struct Migration {
    /// In the order of the export.
    pub accounts: Vec<Account>,
    /// Which QR code of how many this is, counted from 1.
    pub part: (u32, u32),
}

/// Why a text is no export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// Another scheme.
    #[error("this is no export of an authenticator: it does not begin with otpauth-migration://")]
    Scheme,
    /// Cut or changed.
    #[error("the export is damaged: scan its QR code again")]
    Damaged,
    /// Made by a later version of the other app.
    #[error("the export has a form that is not known here; add the accounts one by one")]
    Version,
    /// Nothing in it.
    #[error("there is no account in this export")]
    Empty,
}

#[derive(Message)]
#[prost(skip_debug)]
struct Payload {
    #[prost(message, repeated, tag = "1")]
    accounts: Vec<Parameters>,
    #[prost(int32, tag = "2")]
    version: i32,
    #[prost(int32, tag = "3")]
    batch_size: i32,
    #[prost(int32, tag = "4")]
    batch_index: i32,
}

#[derive(Message)]
#[prost(skip_debug)]
struct Parameters {
    #[prost(bytes = "vec", tag = "1")]
    secret: Vec<u8>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    issuer: String,
    /// 1 is SHA-1, 2 SHA-256, 3 SHA-512, 4 MD5.
    #[prost(int32, tag = "4")]
    algorithm: i32,
    /// 1 is six, 2 eight.
    #[prost(int32, tag = "5")]
    digits: i32,
    /// 1 is HOTP, 2 TOTP.
    #[prost(int32, tag = "6")]
    kind: i32,
}

impl Drop for Parameters {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Whether a text wants to be an export.
#[must_use]
pub fn is_migration(text: &str) -> bool {
    text.get(..18).is_some_and(|start| start.eq_ignore_ascii_case("otpauth-migration:"))
}

/// Reads an export. Accounts that can't be used are in it, with the reason.
///
/// # Errors
/// [`MigrationError`].
pub fn parse_migration(text: &str) -> Result<Migration, MigrationError> {
    let (scheme, rest) = text.split_once("://").ok_or(MigrationError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("otpauth-migration") {
        return Err(MigrationError::Scheme);
    }
    if text.len() > MAX_MIGRATION {
        return Err(MigrationError::Damaged);
    }
    let (_, query) = rest.split_once('?').ok_or(MigrationError::Damaged)?;
    let data = query.split('&').find_map(|pair| pair.strip_prefix("data=")).ok_or(MigrationError::Damaged)?;
    let data = decode(data).ok_or(MigrationError::Damaged)?;
    // Some apps write the URL alphabet, or leave the padding out.
    let kinds = [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD];
    let bytes = kinds.iter().find_map(|kind| kind.decode(data.as_bytes()).ok()).map(Zeroizing::new).ok_or(MigrationError::Damaged)?;
    let mut payload = Payload::decode(bytes.as_slice()).map_err(|_| MigrationError::Damaged)?;
    if payload.version > 2 {
        return Err(MigrationError::Version);
    }
    if payload.accounts.len() > MAX_ACCOUNTS {
        return Err(MigrationError::Damaged);
    }
    let accounts: Vec<Account> = payload.accounts.drain(..).map(|it| account(&it)).collect();
    if accounts.is_empty() {
        return Err(MigrationError::Empty);
    }
    let of = u32::try_from(payload.batch_size).unwrap_or(1).max(1);
    let part = u32::try_from(payload.batch_index).unwrap_or(0).saturating_add(1).min(of);
    Ok(Migration { accounts, part: (part, of) })
}

fn account(it: &Parameters) -> Account {
    let with_issuer = it.issuer.is_empty() || it.name.contains(':');
    let name = if with_issuer { it.name.clone() } else { format!("{}:{}", it.issuer, it.name) };
    Account { otpauth: otpauth(it, &name), name }
}

/// By way of the URI, so that there is one place that says what is good.
fn otpauth(it: &Parameters, name: &str) -> Result<OtpAuth, OtpAuthError> {
    let kind = match it.kind {
        0 | 2 => "totp",
        1 => "hotp",
        _ => return Err(OtpAuthError::Type),
    };
    let algorithm = match it.algorithm {
        0 | 1 => "SHA1",
        2 => "SHA256",
        3 => "SHA512",
        _ => return Err(OtpAuthError::Algorithm),
    };
    let digits = match it.digits {
        0 | 1 => "6",
        2 => "8",
        _ => return Err(OtpAuthError::Digits),
    };
    let secret = Zeroizing::new(BASE32_NOPAD.encode(&it.secret));
    // No more than this, so that no copy is left behind when it grows.
    let mut uri = Zeroizing::new(String::with_capacity(128 + 3 * (name.len() + it.issuer.len()) + secret.len()));
    for part in ["otpauth://", kind, "/"] {
        uri.push_str(part);
    }
    for (at, part) in name.splitn(2, ':').enumerate() {
        uri.push_str(if at > 0 { ":" } else { "" });
        encode(part, &mut uri);
    }
    if !it.issuer.is_empty() {
        uri.push_str("?issuer=");
        encode(&it.issuer, &mut uri);
    }
    uri.push_str(if it.issuer.is_empty() { "?secret=" } else { "&secret=" });
    for part in [&secret, "&algorithm=", algorithm, "&digits=", digits] {
        uri.push_str(part);
    }
    parse_otpauth(&uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written out by hand from the field numbers: two accounts, part 2 of 3.
    fn bytes(parameters: &[&[u8]], version: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        for it in parameters {
            bytes.extend([0x0a, u8::try_from(it.len()).unwrap()]);
            bytes.extend(*it);
        }
        bytes.extend([0x10, version, 0x18, 3, 0x20, 1, 0x28, 9]);
        bytes
    }

    fn parameters(secret: &[u8], name: &str, issuer: &str, algorithm: u8, digits: u8, kind: u8) -> Vec<u8> {
        let mut bytes = vec![0x0a, u8::try_from(secret.len()).unwrap()];
        bytes.extend(secret);
        for (tag, text) in [(0x12, name), (0x1a, issuer)] {
            bytes.extend([tag, u8::try_from(text.len()).unwrap()]);
            bytes.extend(text.as_bytes());
        }
        bytes.extend([0x20, algorithm, 0x28, digits, 0x30, kind]);
        bytes
    }

    fn uri(bytes: &[u8]) -> String {
        let data = BASE64.encode(bytes).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("otpauth-migration://offline?data={data}")
    }

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn accounts_come_out_as_they_went_in() {
        let one = parameters(SECRET, "alice", "ACME", 1, 1, 2);
        let two = parameters(SECRET, "ACME:b\u{f6}b", "ACME", 2, 2, 2);
        let migration = parse_migration(&uri(&bytes(&[&one, &two], 1))).unwrap();
        assert_eq!(migration.part, (2, 3));
        let [one, two] = &migration.accounts[..] else { panic!("two accounts") };
        let (one, two) = (one.otpauth.as_ref().unwrap(), two.otpauth.as_ref().unwrap());
        assert_eq!((one.label().as_str(), one.algorithm().as_str(), one.digits()), ("ACME:alice", "SHA1", 6));
        assert_eq!((two.label().as_str(), two.algorithm().as_str(), two.digits()), ("ACME:b\u{f6}b", "SHA256", 8));
        // What is compared is the test's own secret.
        assert_eq!(one.expose_secret(), SECRET);
    }

    /// Made by the Python library `protobuf`.
    #[test]
    fn an_export_of_another_program_is_read() {
        let text = "otpauth-migration://offline?data=CjUKFDEyMzQ1Njc4OTAxMjM0NTY3ODkwEhFhbGljZUBleGFtcGxlLm9yZxoEQUNNRSABKAEwAgo2CiAxMjM0\
                    NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMhIHbnBtOmJvYhoDbnBtIAIoAjACEAEYASjHn%2F%2F%2F%2F%2F%2F%2F%2F%2F8B";
        let migration = parse_migration(text).unwrap();
        assert_eq!(migration.part, (1, 1));
        let labels: Vec<String> = migration.accounts.iter().map(|it| it.otpauth.as_ref().unwrap().label()).collect();
        assert_eq!(labels, ["ACME:alice@example.org", "npm:bob"]);
    }

    #[test]
    fn accounts_that_can_not_be_used_say_why() {
        for (it, why) in [
            (parameters(SECRET, "a", "", 1, 1, 1), OtpAuthError::Hotp),
            (parameters(SECRET, "a", "", 4, 1, 2), OtpAuthError::Algorithm),
            (parameters(SECRET, "a", "", 1, 7, 2), OtpAuthError::Digits),
            (parameters(SECRET, "a", "", 1, 1, 9), OtpAuthError::Type),
        ] {
            let good = parameters(SECRET, "good", "", 1, 1, 2);
            let migration = parse_migration(&uri(&bytes(&[&it, &good], 1))).unwrap();
            assert_eq!(migration.accounts[0].otpauth.as_ref().err(), Some(&why));
            assert!(migration.accounts[1].otpauth.is_ok(), "one that is bad does not cost the others");
        }
        let hostile = parameters(SECRET, "evil\u{202e}\u{7}", "", 1, 1, 2);
        assert!(parse_migration(&uri(&bytes(&[&hostile], 1))).unwrap().accounts[0].otpauth.is_err());
    }

    #[test]
    fn what_is_no_export_is_told() {
        let good = bytes(&[&parameters(SECRET, "a", "", 1, 1, 2)], 1);
        assert_eq!(parse_migration(&uri(&bytes(&[], 1))).err(), Some(MigrationError::Empty));
        assert_eq!(parse_migration(&uri(&bytes(&[&parameters(SECRET, "a", "", 1, 1, 2)], 3))).err(), Some(MigrationError::Version));
        assert_eq!(parse_migration(&uri(&good[..20])).err(), Some(MigrationError::Damaged));
        for text in ["otpauth-migration://offline", "otpauth-migration://offline?data=%%%", "otpauth-migration://offline?data=a"] {
            assert_eq!(parse_migration(text).err(), Some(MigrationError::Damaged), "{text}");
        }
        assert_eq!(parse_migration("otpauth://totp/a?secret=b").err(), Some(MigrationError::Scheme));
        assert_eq!(parse_migration("hello").err(), Some(MigrationError::Scheme));
        let long = format!("otpauth-migration://offline?data={}", "A".repeat(MAX_MIGRATION));
        assert_eq!(parse_migration(&long).err(), Some(MigrationError::Damaged));
    }
}
