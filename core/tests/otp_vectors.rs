//! Checks tests/vectors/otp.json: codes, otpauth URIs good and bad, issue rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)] // Test helpers; the vectors are files.

use countersign_core::otp::{compute, parse_otpauth, plan};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    codes: Vec<Computed>,
    otpauth: Vec<Good>,
    otpauth_must_fail: Vec<Bad>,
    issue: Vec<Issue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Computed {
    section: String,
    algorithm: String,
    digits: u8,
    secret: String,
    step: u64,
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    section: String,
    reason: String,
    uri: String,
    normal: String,
    label: String,
    warning: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    section: String,
    reason: String,
    uri: String,
    error: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issue {
    section: String,
    reason: String,
    now: u64,
    period: u64,
    last_step: Option<u64>,
    count: u8,
    first: Option<u64>,
    last: Option<u64>,
    error: Option<String>,
}

fn vectors() -> Vectors {
    let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/otp.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn codes() {
    let vectors = vectors().codes;
    assert_eq!(vectors.len(), 10 + 18);
    for vector in vectors {
        let secret = BASE32_NOPAD.encode(&HEXLOWER.decode(vector.secret.as_bytes()).unwrap());
        let uri = format!("otpauth://totp/x?secret={secret}&algorithm={}&digits={}", vector.algorithm, vector.digits);
        // A published test value, to compare with.
        assert_eq!(compute(&parse_otpauth(&uri).unwrap(), vector.step).expose(), vector.code, "{}", vector.section);
    }
}

#[test]
fn good_uris() {
    for vector in vectors().otpauth {
        let Good { section, reason, uri, normal, label, warning } = vector;
        let otpauth = parse_otpauth(&uri).unwrap_or_else(|error| panic!("{section}, {reason}: {error}"));
        assert_eq!((otpauth.label(), otpauth.to_uri().as_str()), (label.clone(), normal.as_str()), "{section}, {reason}");
        assert_eq!(otpauth.warnings().is_empty(), !warning, "{section}, {reason}");
        let again = parse_otpauth(&normal).unwrap();
        assert_eq!((again.label(), again.to_uri().as_str()), (label, normal.as_str()), "{section}, {reason}: the normal form");
    }
}

#[test]
fn bad_uris() {
    for Bad { section, reason, uri, error } in vectors().otpauth_must_fail {
        let found = parse_otpauth(&uri).expect_err(&reason);
        assert_eq!(format!("{found:?}"), error, "{section}, {reason}");
    }
}

#[test]
fn issue_rules() {
    for vector in vectors().issue {
        let found = plan(vector.now, vector.period, vector.last_step, vector.count, 0);
        let steps = found.map(|steps| (Some(steps.first()), Some(steps.last())));
        let expected = vector.error.map_or(Ok((vector.first, vector.last)), Err);
        assert_eq!(steps.map_err(|error| format!("{error:?}")), expected, "{}, {}", vector.section, vector.reason);
    }
}
