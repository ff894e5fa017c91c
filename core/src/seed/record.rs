//! The signed record inside a sealed seed (docs/PROTOCOL.md §3).

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    keys::{PublicKey, Signature, SigningKey, verify},
    labels,
    otp::{OtpAuth, parse_otpauth},
};

/// Names one seed, 16 random bytes; public.
pub type SeedId = [u8; 16];

/// The two lengths of a record, in bytes: the shorter one that fits is used.
pub const RECORD_SIZES: [usize; 2] = [512, 1024];

const VERSION: u8 = 1;

/// A record whose signature holds and whose signer is trusted.
pub(super) struct Record {
    pub(super) seed_id: SeedId,
    pub(super) otpauth: OtpAuth,
    pub(super) created: u64,
    pub(super) enrolled_by: PublicKey,
}

/// The JSON, with keys in the order of the protocol. Everything is borrowed: the texts live in buffers that are wiped.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json<'a> {
    v: u8,
    seed_id: &'a str,
    otpauth: &'a str,
    created: u64,
    enrolled_by: &'a str,
    signature: &'a str,
}

/// Writes and signs a record, padded with spaces; `None` if it is longer than the larger size, which no [`OtpAuth`] makes it.
pub(super) fn write(seed_id: &SeedId, otpauth: &OtpAuth, created: u64, signer: &SigningKey) -> Option<Zeroizing<Vec<u8>>> {
    let (uri, enrolled_by) = (otpauth.to_uri(), signer.public());
    let signature = signer.sign(labels::RECORD, &[seed_id, &created.to_be_bytes(), &enrolled_by, uri.as_bytes()]);
    write_json(&Json {
        v: VERSION,
        seed_id: &BASE64URL_NOPAD.encode(seed_id),
        otpauth: &uri,
        created,
        enrolled_by: &BASE64URL_NOPAD.encode(&enrolled_by),
        signature: &BASE64URL_NOPAD.encode(&signature),
    })
}

fn write_json(json: &Json<'_>) -> Option<Zeroizing<Vec<u8>>> {
    // Large enough that the bytes never move and leave a copy behind: a slice can't grow.
    let mut bytes = Zeroizing::new(vec![b' '; RECORD_SIZES.into_iter().max()?]);
    let mut rest = bytes.as_mut_slice();
    serde_json::to_writer(&mut rest, json).ok()?;
    let left = rest.len();
    let written = bytes.len().checked_sub(left)?;
    bytes.truncate(RECORD_SIZES.into_iter().find(|&size| written <= size)?);
    Some(bytes)
}

/// Reads a record, strictly; `None` whatever is wrong. `trusted` says whose records count.
pub(super) fn read(plaintext: &[u8], trusted: &dyn Fn(&PublicKey) -> bool) -> Option<Record> {
    let json = read_json(plaintext)?;
    let seed_id: SeedId = decode(json.seed_id)?;
    let enrolled_by: PublicKey = decode(json.enrolled_by)?;
    let signature: Signature = decode(json.signature)?;
    let parts: [&[u8]; 4] = [&seed_id, &json.created.to_be_bytes(), &enrolled_by, json.otpauth.as_bytes()];
    verify(&enrolled_by, labels::RECORD, &parts, &signature).ok()?;
    if !trusted(&enrolled_by) {
        return None;
    }
    let otpauth = parse_otpauth(json.otpauth).ok()?;
    // One seed has one text: nothing can hide in another spelling.
    let normal = *otpauth.to_uri() == json.otpauth;
    normal.then_some(Record { seed_id, otpauth, created: json.created, enrolled_by })
}

fn read_json(plaintext: &[u8]) -> Option<Json<'_>> {
    let text = std::str::from_utf8(plaintext).ok().filter(|text| RECORD_SIZES.contains(&text.len()))?;
    // serde would also take an array, and any white space around it.
    let text = text.trim_end_matches(' ');
    if !(text.starts_with('{') && text.ends_with('}')) {
        return None;
    }
    serde_json::from_str::<Json<'_>>(text).ok().filter(|json| json.v == VERSION)
}

/// Canonical base64url of exactly `N` bytes.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Secret32;

    const URI: &str = "otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME&algorithm=SHA1&digits=6&period=30";

    fn signer() -> SigningKey {
        SigningKey::from_secret(&Secret32::from_bytes([3; 32]))
    }

    fn record() -> String {
        let bytes = write(&[1; 16], &parse_otpauth(URI).unwrap(), 1_700_000_000, &signer()).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn reads(text: &str) -> bool {
        read(text.as_bytes(), &|_| true).is_some()
    }

    /// The record with `from` replaced, padded again.
    fn changed(from: &str, to: &str) -> String {
        let record = record();
        assert!(record.contains(from), "{from}");
        format!("{:512}", record.trim_end().replacen(from, to, 1))
    }

    /// A record with `uri` taken as it is.
    fn signed(uri: &str) -> String {
        let signature = signer().sign(labels::RECORD, &[&[1; 16], &7_u64.to_be_bytes(), &signer().public(), uri.as_bytes()]);
        let b64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (seed_id, enrolled_by, signature) = (&b64(&[1; 16]), &b64(&signer().public()), &b64(&signature));
        let bytes = write_json(&Json { v: 1, seed_id, otpauth: uri, created: 7, enrolled_by, signature }).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn goes_there_and_back() {
        let text = record();
        assert_eq!(text.len(), 512);
        let start = format!(r#"{{"v":1,"seed_id":"AQEBAQEBAQEBAQEBAQEBAQ","otpauth":"{URI}","created":1700000000,"enrolled_by":""#);
        assert!(text.starts_with(&start), "{text}");
        let read = read(text.as_bytes(), &|key| *key == signer().public()).unwrap();
        assert_eq!((read.seed_id, read.created, read.enrolled_by), ([1; 16], 1_700_000_000, signer().public()));
        assert_eq!(*read.otpauth.to_uri(), URI);
    }

    #[test]
    fn long_uris_take_the_larger_size() {
        let uri = format!("otpauth://totp/{}:{}?secret={}", "i".repeat(63), "a".repeat(64), "A".repeat(103));
        let text = write(&[1; 16], &parse_otpauth(&uri).unwrap(), u64::MAX, &signer()).unwrap();
        assert_eq!(text.len(), 1024);
        assert!(read(&text, &|_| true).is_some());
        // The longest URI there can be, twice over what the issuer above needs.
        let longest = signed(&"x".repeat(crate::otp::MAX_URI));
        assert_eq!(longest.len(), 1024);
    }

    #[test]
    fn only_trusted_signers_count() {
        assert!(read(record().as_bytes(), &|_| false).is_none());
    }

    #[test]
    fn every_changed_value_is_refused() {
        for (from, to) in [
            (r#""v":1"#, r#""v":2"#),
            ("AQEB", "AQEC"),
            ("alice", "mallo"),
            ("1700000000", "1700000001"),
            ("1700000000", "1700000000.0"),
            ("1700000000", "\"1700000000\""),
            ("1700000000", "-1"),
            (r#""signature":""#, r#""signature":"="#),
            (r#""signature":""#, r#""signature":"A"#),
        ] {
            assert!(!reads(&changed(from, to)), "{from} -> {to}");
        }
    }

    #[test]
    fn the_json_is_read_strictly() {
        assert!(reads(&changed("", "")));
        for (from, to) in [
            (r#""v":1,"#, ""),
            (r#""v":1,"#, r#""v":1,"v":1,"#),
            (r#""v":1,"#, r#""v":1,"x":1,"#),
            ("{", " {"),
            ("{", "\u{feff}{"),
            ("{", "[{"),
            ("}", "},"),
            ("}", "}\n"),
            ("}", "}\0"),
            ("}", "}{}"),
            ("}", ""),
            ("alice", "\\u0061lice"),
        ] {
            assert!(!reads(&changed(from, to)), "{from} -> {to}");
        }
        let record = record();
        for length in [0, 511, 513, 1023, 1025] {
            assert!(!reads(&format!("{:length$.length$}", record)), "{length}");
        }
        // A struct can also be read from an array; not here.
        let values: Vec<String> = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(record.trim_end())
            .unwrap()
            .values()
            .map(ToString::to_string)
            .collect();
        assert!(!reads(&format!("{:512}", format!("[{}]", values.join(",")))));
    }

    #[test]
    fn only_the_normal_form_is_read() {
        assert!(reads(&signed(URI)));
        for uri in [
            URI.replace("SHA1", "sha1"),
            URI.replace("&period=30", ""),
            URI.replace("otpauth", "OTPAUTH"),
            format!("{URI}&image=x"),
            "x".into(),
        ] {
            assert!(!reads(&signed(&uri)), "{uri}");
        }
    }
}
