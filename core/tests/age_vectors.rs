//! Runs the public age test vectors (tests/vectors/age) against the strict grammar and the decryptor behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // Test helpers; the vectors are files.

use std::{collections::BTreeMap, io::Read as _};

use countersign_core::seed::{MAX_SEALED, SealedError, SealedSeed};
use sha2::{Digest as _, Sha256};

/// Vectors that age opens and Countersign refuses, with the rule of docs/PROTOCOL.md §3 that each breaks.
const REFUSED_BY_DESIGN: [(&str, SealedError, &str); 12] = [
    ("armor_crlf", SealedError::Version, "armored: only the binary format is taken"),
    ("armor_full_last_line", SealedError::Version, "armored: only the binary format is taken"),
    ("armor_no_eol", SealedError::Version, "armored: only the binary format is taken"),
    ("armor_whitespace_outside", SealedError::Version, "armored: only the binary format is taken"),
    ("armor_x25519", SealedError::Version, "armored: only the binary format is taken"),
    ("stream_257_chunks", SealedError::TooLong, "16 MiB: a sealed seed has one chunk and at most 2048 bytes"),
    ("stream_257_chunks_full", SealedError::TooLong, "16 MiB: a sealed seed has one chunk and at most 2048 bytes"),
    ("stream_258_chunks", SealedError::TooLong, "16 MiB: a sealed seed has one chunk and at most 2048 bytes"),
    ("stream_last_chunk_full", SealedError::TooLong, "64 KiB: a sealed seed has at most 2048 bytes"),
    ("stream_last_chunk_full_second", SealedError::TooLong, "two chunks: a sealed seed has one"),
    ("stream_three_chunks", SealedError::TooLong, "three chunks: a sealed seed has one"),
    ("stream_two_chunks", SealedError::TooLong, "two chunks: a sealed seed has one"),
];

/// Header failures that only the decryptor can see.
const LEFT_TO_THE_DECRYPTOR: [&str; 2] = ["x25519_identity", "x25519_low_order"];

/// Files that the age crate's lenient parser opens although they break the grammar: the strict check is what refuses them.
const LENIENT_IN_THE_AGE_CRATE: [&str; 2] = ["stanza_missing_body", "stanza_missing_final_line"];

struct Vector {
    name: String,
    header: BTreeMap<String, String>,
    file: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/age");
    let mut vectors: Vec<Vector> = std::fs::read_dir(folder).unwrap().map(|entry| read(&entry.unwrap().path())).collect();
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    vectors
}

fn read(path: &std::path::Path) -> Vector {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let (header, file) = bytes.split_at(end);
    let header: BTreeMap<String, String> = std::str::from_utf8(header)
        .unwrap()
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut file = file.strip_prefix(b"\n\n").unwrap().to_vec();
    if header.get("compressed").is_some_and(|kind| kind == "zlib") {
        // More than the limit is enough to be refused for it.
        file = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&file, 4 * MAX_SEALED).unwrap_or_else(|stopped| stopped.output);
    }
    Vector { name: path.file_name().unwrap().to_str().unwrap().to_owned(), header, file }
}

/// What the age crate alone makes of a file: the payload, or nothing.
fn decrypt(file: &[u8], vector: &Vector) -> Option<Vec<u8>> {
    let identity: age::x25519::Identity = vector.header.get("identity")?.parse().unwrap();
    let decryptor = age::Decryptor::new_buffered(file).ok()?;
    let mut payload = Vec::new();
    let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).ok()?;
    reader.read_to_end(&mut payload).ok()?;
    Some(payload)
}

#[test]
fn every_vector_is_opened_rightly_or_refused() {
    let (mut opened, mut refused) = (Vec::new(), Vec::new());
    for vector in vectors() {
        let checked = SealedSeed::parse(vector.file.clone());
        let payload = checked.as_ref().ok().and_then(|sealed| decrypt(sealed.as_bytes(), &vector));
        let by_design = REFUSED_BY_DESIGN.iter().find(|(name, ..)| *name == vector.name);
        match (vector.header.get("expect").map(String::as_str).unwrap(), payload, by_design) {
            ("success", Some(payload), None) => {
                let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&payload));
                assert_eq!(vector.header.get("payload"), Some(&digest), "{}", vector.name);
                opened.push(vector.name);
            }
            ("success", None, Some((_, error, reason))) => {
                assert_eq!(checked, Err(*error), "{}: {reason}", vector.name);
                refused.push(vector.name);
            }
            ("success", payload, by_design) => {
                panic!("{}: opened: {}, listed as refused: {}", vector.name, payload.is_some(), by_design.is_some())
            }
            (_, Some(_), _) => panic!("{} must not open", vector.name),
            ("header failure" | "armor failure", None, _) => {
                assert_eq!(checked.is_ok(), LEFT_TO_THE_DECRYPTOR.contains(&vector.name.as_str()), "{}", vector.name);
            }
            (_, None, _) => {}
        }
    }
    assert_eq!(refused.len(), REFUSED_BY_DESIGN.len());
    let all = [
        "stanza_empty_body",
        "stanza_empty_last_line",
        "stanza_valid_characters",
        "stream_empty_payload",
        "x25519",
        "x25519_grease",
        "x25519_multiple_recipients",
    ];
    assert_eq!(opened, all);
}

#[test]
fn all_vectors_are_there() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 98);
    assert_eq!(vectors.iter().filter(|vector| vector.header.contains_key("compressed")).count(), 20);
}

/// The reason for a grammar of our own: without it these would open.
#[test]
fn the_age_crate_alone_is_too_lenient() {
    for vector in vectors().iter().filter(|vector| LENIENT_IN_THE_AGE_CRATE.contains(&vector.name.as_str())) {
        assert!(decrypt(&vector.file, vector).is_some(), "{}: the age crate has become strict", vector.name);
        assert_eq!(SealedSeed::parse(vector.file.clone()), Err(SealedError::Header), "{}", vector.name);
    }
}
