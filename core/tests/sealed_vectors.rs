//! Checks tests/vectors/sealed.json: sealed seeds that open and sealed seeds that must not.
//!
//! age files are random, so the vectors are made once and stored. To make them anew:
//! `COUNTERSIGN_WRITE_VECTORS=1 cargo test -p countersign-core --test sealed_vectors` writes new ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)] // Test helpers; the vectors are files.

use std::io::{Read as _, Write as _};

use age::secrecy::SecretString;
use countersign_core::{
    keys::UnlockRoot,
    otp::{compute, parse_otpauth},
    seed::{Recipient, SealedSeed, age_recipient, open, seal},
};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    /// The phone's `unlock_root`, hex; what is derived from it follows.
    unlock_root: String,
    age_identity: String,
    age_recipient: String,
    signer: String,
    opens: Vec<Opens>,
    must_fail: Vec<MustFail>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opens {
    section: String,
    reason: String,
    /// The record without its padding, and its length with it.
    record: String,
    record_size: usize,
    seed_id: String,
    created: u64,
    label: String,
    step: u64,
    code: String,
    sha256: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MustFail {
    section: String,
    reason: String,
    /// The rule of the grammar that is broken; null if the file is well formed and opening it must fail.
    malformed: Option<String>,
    sealed: String,
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn phone(unlock_root: &str) -> UnlockRoot {
    UnlockRoot::from_slice(&hex(unlock_root)).unwrap()
}

/// What the plain age tool would give.
fn decrypt(sealed: &[u8], identity: &str) -> String {
    let identity: age::x25519::Identity = identity.parse().unwrap();
    let decryptor = age::Decryptor::new_buffered(sealed).unwrap();
    let mut plaintext = String::new();
    decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).unwrap().read_to_string(&mut plaintext).unwrap();
    plaintext
}

fn vectors() -> Vectors {
    let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sealed.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn keys() {
    let vectors = vectors();
    let phone = phone(&vectors.unlock_root);
    // Published test keys, to compare with.
    assert_eq!(phone.derive_age_identity().expose(), vectors.age_identity);
    assert_eq!(age_recipient(&phone.derive_age_identity()).unwrap().as_str(), vectors.age_recipient);
    assert_eq!(HEXLOWER.encode(&phone.derive_signing().public()), vectors.signer);
}

#[test]
fn good_ones_open() {
    let vectors = vectors();
    let phone = phone(&vectors.unlock_root);
    let own = phone.derive_signing().public();
    assert_eq!(vectors.opens.len(), 3);
    for vector in vectors.opens {
        let name = format!("{}, {}", vector.section, vector.reason);
        let sealed = SealedSeed::parse(hex(&vector.sealed)).expect(&name);
        assert_eq!(HEXLOWER.encode(&sealed.digest()), vector.sha256, "{name}");
        let opened = open(&sealed, &phone.derive_age_identity(), &|signer| *signer == own).expect(&name);
        assert_eq!(HEXLOWER.encode(&opened.seed_id), vector.seed_id, "{name}");
        assert_eq!((opened.created, opened.otpauth.label(), opened.enrolled_by), (vector.created, vector.label, own), "{name}");
        // A published test value, to compare with.
        assert_eq!(compute(&opened.otpauth, vector.step).expose(), vector.code, "{name}");
        let plaintext = decrypt(sealed.as_bytes(), &vectors.age_identity);
        assert_eq!(plaintext, format!("{:width$}", vector.record, width = vector.record_size), "{name}");
        // Nobody trusted, nothing opened.
        assert!(open(&sealed, &phone.derive_age_identity(), &|_| false).is_err(), "{name}");
    }
}

#[test]
fn bad_ones_do_not() {
    let vectors = vectors();
    let phone = phone(&vectors.unlock_root);
    let own = phone.derive_signing().public();
    assert_eq!(vectors.must_fail.len(), 23);
    for vector in vectors.must_fail {
        let name = format!("{}, {}", vector.section, vector.reason);
        match (SealedSeed::parse(hex(&vector.sealed)), vector.malformed) {
            (Err(error), Some(expected)) => assert_eq!(format!("{error:?}"), expected, "{name}"),
            (Ok(sealed), None) => {
                let opened = open(&sealed, &phone.derive_age_identity(), &|signer| *signer == own);
                assert!(opened.is_err(), "{name}");
            }
            (checked, expected) => assert_eq!(checked.err().map(|error| format!("{error:?}")), expected, "{name}"),
        }
    }
}

// From here on: how the vectors are made.

const URI: &str = "otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const CREATED: u64 = 1_767_225_600;

/// The phone of the vectors is number 0.
fn root(n: u8) -> UnlockRoot {
    let bytes: Vec<u8> = (0..32).map(|at| at + 32 * n).collect();
    UnlockRoot::from_slice(&bytes).unwrap()
}

fn recipient(n: u8) -> Recipient {
    age_recipient(&root(n).derive_age_identity()).unwrap()
}

fn sealed(uri: &str, seed_id: u8, signer: u8, recipients: &[u8]) -> Vec<u8> {
    let recipients: Vec<Recipient> = recipients.iter().map(|&n| recipient(n)).collect();
    let otpauth = parse_otpauth(uri).unwrap();
    seal(&otpauth, [seed_id; 16], CREATED, &root(signer).derive_signing(), &recipients).unwrap().as_bytes().to_vec()
}

/// As the plain age tool does it, for any number of recipients.
fn encrypt(plaintext: &[u8], recipients: &[u8]) -> Vec<u8> {
    let keys: Vec<age::x25519::Recipient> = recipients.iter().map(|&n| recipient(n).as_str().parse().unwrap()).collect();
    finish(age::Encryptor::with_recipients(keys.iter().map(|key| key as &dyn age::Recipient)).unwrap(), plaintext)
}

fn finish(encryptor: age::Encryptor, plaintext: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = encryptor.wrap_output(&mut file).unwrap();
    writer.write_all(plaintext).unwrap();
    writer.finish().unwrap();
    file
}

fn opens(reason: &str, uri: &str, seed_id: u8, recipients: &[u8]) -> Opens {
    let identity = root(0).derive_age_identity();
    let file = sealed(uri, seed_id, 0, recipients);
    let sealed = SealedSeed::parse(file.clone()).unwrap();
    let opened = open(&sealed, &identity, &|_| true).unwrap();
    // Test keys and codes, to be published.
    let plaintext = decrypt(&file, identity.expose());
    Opens {
        section: "3".into(),
        reason: reason.into(),
        record: plaintext.trim_end().into(),
        record_size: plaintext.len(),
        seed_id: HEXLOWER.encode(&opened.seed_id),
        created: opened.created,
        label: opened.otpauth.label(),
        step: 1,
        code: compute(&opened.otpauth, 1).expose().into(),
        sha256: HEXLOWER.encode(&sealed.digest()),
        sealed: HEXLOWER.encode(&file),
    }
}

/// Section, reason, the rule of the grammar that is broken, and the file.
type Bad = (&'static str, &'static str, Option<&'static str>, Vec<u8>);

fn made_bad() -> Vec<Bad> {
    let good = sealed(URI, 1, 0, &[0]);
    // Published test keys: see `opens`.
    let record = decrypt(&good, root(0).derive_age_identity().expose());
    let record = record.as_str();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        let byte = bytes.get_mut(at).unwrap();
        // Base64 stays base64.
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        bytes
    };
    let cut = |length: usize| good.get(..length).unwrap().to_vec();
    // The first stanza's share begins after the version line and `-> X25519 `.
    let (share, last) = (22 + 10 + 5, good.len() - 1);
    let mac = good.windows(4).position(|window| window == b"\n---").unwrap() + 10;
    let again = |plaintext: &str| encrypt(plaintext.as_bytes(), &[0]);
    let mut stranger = sealed(URI, 1, 1, &[0]);
    let scrypt = finish(age::Encryptor::with_user_passphrase(SecretString::from("passphrase".to_owned())), record.as_bytes());
    vec![
        ("3", "a changed byte in the share", None, changed(share)),
        ("3", "a changed byte in the header's MAC", None, changed(mac)),
        ("3", "a changed byte in the payload", None, changed(last)),
        ("3", "a changed byte in the version line", Some("Version"), changed(3)),
        ("3", "cut by one byte", None, cut(last)),
        ("3", "cut in the header", Some("Header"), cut(100)),
        ("3", "cut after the header and nonce", Some("Payload"), cut(good.len() - 528)),
        ("3, rule 1", "2049 bytes", Some("TooLong"), [good.as_slice(), &vec![0; 2049 - good.len()]].concat()),
        ("3, rule 2", "nine stanzas, one of them grease", Some("TooManyStanzas"), encrypt(record.as_bytes(), &[0, 1, 2, 3, 4, 5, 6, 7])),
        ("3, rule 2", "CR LF", Some("Version"), replaced(&good, b"v1\n", b"v1\r\n")),
        ("3, rule 2", "armored", Some("Version"), b"-----BEGIN AGE ENCRYPTED FILE-----\n".to_vec()),
        ("3, rule 4", "for a passphrase", Some("Scrypt"), scrypt),
        ("3, rule 5", "a record of 1025 bytes", Some("Payload"), again(&format!("{record:1025}"))),
        ("3", "for another phone", None, sealed(URI, 1, 0, &[1])),
        ("3", "signed by a stranger", None, std::mem::take(&mut stranger)),
        ("3", "made by plain age: no record", None, again(&format!("{URI:512}"))),
        ("3", "made by plain age: nothing", None, again("")),
        ("3", "a label its signer did not sign", None, again(&record.replace("alice", "mallo"))),
        ("3", "an unknown key", None, again(&format!("{:512}", record.trim_end().replace("{", r#"{"x":1,"#)))),
        ("3", "a repeated key", None, again(&format!("{:512}", record.trim_end().replace("{", r#"{"v":1,"#)))),
        ("3", "no padding", None, again(record.trim_end())),
        ("3", "padding other than spaces", None, again(&format!("{}\n", record.split_at(511).0))),
        ("3", "padded to neither size", None, again(&format!("{record:768}"))),
    ]
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    let (before, after) = bytes.split_at(at);
    [before, to, after.split_at(from.len()).1].concat()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the one place that writes the file")]
fn vectors_can_be_made() {
    let long = format!(
        "otpauth://totp/{}:alice?secret={}&algorithm=SHA512&digits=8&period=60",
        "Example%20Corporation%20".repeat(5),
        "A".repeat(103)
    );
    let identity = root(0).derive_age_identity();
    let must_fail = made_bad().into_iter().map(|(section, reason, malformed, file)| MustFail {
        section: section.into(),
        reason: reason.into(),
        malformed: malformed.map(str::to_owned),
        sealed: HEXLOWER.encode(&file),
    });
    let vectors = Vectors {
        // Test keys, to be published.
        unlock_root: HEXLOWER.encode(root(0).expose()),
        age_identity: identity.expose().into(),
        age_recipient: recipient(0).to_string(),
        signer: HEXLOWER.encode(&root(0).derive_signing().public()),
        opens: vec![
            opens("one recipient", URI, 1, &[0]),
            opens("a record of 1024 bytes", &long, 2, &[0]),
            opens("seven recipients", URI, 3, &[1, 2, 3, 0, 4, 5, 6]),
        ],
        must_fail: must_fail.collect(),
    };
    assert_eq!(vectors.must_fail.len(), self::vectors().must_fail.len());
    if std::env::var_os("COUNTERSIGN_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&vectors).unwrap() + "\n";
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sealed.json"), text).unwrap();
    }
}
