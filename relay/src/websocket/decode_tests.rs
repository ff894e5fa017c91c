//! The cases of the Autobahn suite that concern a server that takes binary messages, and tungstenite as an oracle.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use super::*;
use crate::fuzzing::{ours, pieces, theirs};

/// A masked frame as a client writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    frame_of_length(first, payload.len() as u64, payload)
}

fn frame_of_length(first: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// What a decoder says of `bytes` that come in chunks of `chunk`, in words.
fn decode(bytes: &[u8], chunk: usize) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut said = Vec::new();
    for chunk in bytes.chunks(chunk) {
        let mut chunk = chunk.to_vec();
        let mut input = chunk.as_mut_slice();
        loop {
            match decoder.next(&mut input) {
                Ok(Some(Item::Message(bytes))) => said.push(format!("message {}", data_encoding(&bytes))),
                Ok(Some(Item::Ping(bytes))) => said.push(format!("ping {}", data_encoding(&bytes))),
                Ok(Some(Item::Pong)) => said.push("pong".to_owned()),
                Ok(Some(Item::Fragment)) => {}
                Ok(Some(Item::Close(code))) => said.push(format!("close {:?}", code.map(u16::from))),
                Ok(None) => break,
                Err(violation) => {
                    said.push(format!("{violation:?}"));
                    return said;
                }
            }
            assert!(decoder.held() <= 2 * MAX_FRAME + 14 + Decoder::PARTIAL);
        }
        assert!(input.is_empty());
    }
    said
}

/// Long payloads by their length and sum.
fn data_encoding(bytes: &[u8]) -> String {
    if bytes.len() > 40 {
        return format!("{}:{}", bytes.len(), bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>());
    }
    String::from_utf8_lossy(bytes).into_owned()
}

/// The same however the bytes are cut.
#[track_caller]
fn expect(bytes: &[u8], expected: &[&str]) {
    for chunk in [1, 2, 3, 5, 7, 13, 125, 1000, 1 << 20] {
        assert_eq!(decode(bytes, chunk), expected, "in chunks of {chunk}");
    }
}

#[test]
fn binary_messages_of_every_length_form() {
    for length in [0, 1, 125, 126, 127, 128, 4096, MAX_FRAME - 1, MAX_FRAME] {
        let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let bytes = [frame(0x82, &payload), frame(0x82, b"next")].concat();
        expect(&bytes, &[&format!("message {}", data_encoding(&payload)), "message next"]);
    }
}

#[test]
fn a_message_becomes_a_frame_for_another_client_where_it_lies() {
    for length in [0, 1, 125, 126, 4096, MAX_FRAME] {
        let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let expected = [encode::header(length).as_bytes(), &payload].concat();
        let whole = frame(0x82, &payload);
        // In one read, and in two.
        for cut in [whole.len(), 1] {
            let mut decoder = Decoder::default();
            let (mut first, mut second) = (whole[..cut].to_vec(), whole[cut..].to_vec());
            let mut input = first.as_mut_slice();
            let mut item = decoder.next(&mut input).unwrap();
            let mut input = second.as_mut_slice();
            if item.is_none() {
                item = decoder.next(&mut input).unwrap();
            }
            let Some(Item::Message(mut message)) = item else { panic!("no message") };
            assert_eq!(message.reframe().unwrap(), expected);
            assert_eq!(*message, payload);
        }
    }
    let mut decoder = Decoder::default();
    let mut pieces = [frame(0x02, b"a"), frame(0x80, b"b")].concat();
    let mut input = pieces.as_mut_slice();
    assert_eq!(decoder.next(&mut input), Ok(Some(Item::Fragment)));
    let Ok(Some(Item::Message(mut message))) = decoder.next(&mut input) else { panic!("no message") };
    assert_eq!(message.reframe(), None);
    assert_eq!(*message, *b"ab");
}

#[test]
fn a_decoder_between_two_messages_holds_nothing() {
    let mut decoder = Decoder::default();
    for chunk in [vec![0x82], frame(0x82, b"ab").split_off(1), frame(0x02, b"a"), frame(0x80, b"b")] {
        let mut chunk = chunk;
        let mut input = chunk.as_mut_slice();
        while decoder.next(&mut input).unwrap().is_some() {}
    }
    assert_eq!(decoder.held(), 0);
    assert!(decoder.partial.is_none());
}

#[test]
fn pings_and_pongs() {
    expect(&frame(0x89, b""), &["ping "]);
    expect(&frame(0x89, &[b'p'; 125]), &[&format!("ping 125:{}", 125 * u64::from(b'p'))]);
    expect(&frame(0x89, &[b'p'; 126]), &["Protocol"]);
    expect(&[frame(0x8a, b"unasked"), frame(0x89, b"then")].concat(), &["pong", "ping then"]);
    expect(&frame(0x09, b"in pieces"), &["Protocol"]);
}

#[test]
fn reserved_bits_and_opcodes() {
    for bit in [0x40, 0x20, 0x10] {
        for first in [0x82, 0x89, 0x88] {
            expect(&[frame(0x82, b"before"), frame(first | bit, b"")].concat(), &["message before", "Protocol"]);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        expect(&frame(0x80 | opcode, b""), &["Protocol"]);
    }
}

#[test]
fn fragments() {
    expect(&[frame(0x02, b"a"), frame(0x00, b"b"), frame(0x80, b"c")].concat(), &["message abc"]);
    expect(&[frame(0x02, b""), frame(0x00, b""), frame(0x80, b"")].concat(), &["message "]);
    let with_controls = [frame(0x02, b"a"), frame(0x89, b"1"), frame(0x00, b"b"), frame(0x8a, b""), frame(0x89, b"2"), frame(0x80, b"c")];
    expect(&with_controls.concat(), &["ping 1", "pong", "ping 2", "message abc"]);
    expect(&frame(0x80, b"nothing to continue"), &["Protocol"]);
    expect(&[frame(0x02, b"a"), frame(0x82, b"new one")].concat(), &["Protocol"]);
    expect(&[frame(0x02, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat(), &["message ab", "Protocol"]);
    expect(&[frame(0x02, b"a"), frame(0x88, b""), frame(0x80, b"b")].concat(), &["close None", "message ab"]);
}

#[test]
fn text_where_binary_is_due() {
    expect(&frame(0x81, b"hello"), &["Text"]);
    expect(&frame(0x01, b"hello"), &["Text"]);
    expect(&[frame(0x02, b"a"), frame(0x81, b"b")].concat(), &["Text"]);
}

#[test]
fn too_big() {
    // The header alone is enough; nothing is kept for what will not be taken.
    expect(&frame_of_length(0x82, MAX_FRAME as u64 + 1, b""), &["TooBig"]);
    expect(&frame_of_length(0x82, u64::MAX, b""), &["TooBig"]);
    let half = vec![1; MAX_FRAME / 2];
    let endless = [frame(0x02, &half), frame(0x00, &half), frame(0x00, b""), frame(0x00, b"x")].concat();
    expect(&endless, &["TooBig"]);
}

#[test]
fn what_is_not_masked_or_not_the_shortest_form() {
    expect(&[0x82, 0x02, b'a', b'b'], &["Protocol"]);
    expect(&[0x89, 0x00], &["Protocol"]);
    expect(&[0x82, 0x80 | 126, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5], &["Protocol"]);
    expect(&[0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], &["Protocol"]);
}

#[test]
fn closing() {
    expect(&frame(0x88, b""), &["close None"]);
    expect(&frame(0x88, b"\x03"), &["Protocol"]);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999_u16] {
        expect(&frame(0x88, &code.to_be_bytes()), &[&format!("close Some({code})")]);
        expect(&frame(0x88, &[&code.to_be_bytes()[..], "bye \u{2713}".as_bytes()].concat()), &[&format!("close Some({code})")]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535_u16] {
        expect(&frame(0x88, &code.to_be_bytes()), &["Protocol"]);
    }
    expect(&frame(0x88, b"\x03\xe8\xce\xba\xff"), &["NotUtf8"]);
    expect(&frame(0x88, &[&b"\x03\xe8"[..], &[b'x'; 124]].concat()), &["Protocol"]);
}

#[test]
fn agrees_with_tungstenite_on_random_streams() {
    let mut faults = 0;
    for seed in 0..4_000 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        // How it is cut, then the stream.
        let mut data = vec![rng.next_u32() as u8];
        for _ in 0..1 + rng.next_u32() % 8 {
            // Mostly good frames, so that streams get somewhere.
            let first = match rng.next_u32() % 16 {
                0..=6 => 0x82,
                7..=8 => 0x02,
                9..=10 => 0x80,
                11 => 0x00,
                12 => 0x89,
                13 => 0x8a,
                14 => 0x88,
                _ => rng.next_u32() as u8,
            };
            let limit = if rng.next_u32() % 4 == 0 { 20_000 } else { 200 };
            let mut payload = vec![0; rng.next_u32() as usize % limit];
            rng.fill_bytes(&mut payload);
            data.extend(frame(first, &payload));
        }
        if rng.next_u32() % 8 == 0 {
            let at = 1 + rng.next_u32() as usize % (data.len() - 1);
            data[at] ^= 1 << (rng.next_u32() % 8);
        }
        let theirs = theirs(&data[1..]);
        let ours = ours(pieces(&data));
        faults += usize::from(theirs.1);
        // Only in being stricter about lengths (the shortest form) may we differ: then a fault of ours comes earlier.
        if ours != theirs {
            assert!(ours.1 && theirs.0.starts_with(&ours.0), "seed {seed}");
        }
    }
    assert!((500..3_500).contains(&faults), "the streams are all good or all bad: {faults}");
}
