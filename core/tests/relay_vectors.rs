//! `tests/vectors/relay.json`: made here with fixed keys, checked here field by field.
//!
//! After a change of the protocol: `COUNTERSIGN_WRITE_VECTORS=1 cargo test -p countersign-core --test relay_vectors` writes the file again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use countersign_core::{
    keys::{CiRoot, DeviceRoot, PairingId, SigningKey},
    relay::{
        CloseReason, ErrorCode, Frame, MailboxProof, OpenProof, PushStatus, RelayUrl, Role, Subscription, Ticket, WakeResult,
        mailbox_address, parse_ticket,
    },
};
use serde_json::{Value, json};

const FILE: &str = include_str!("../../tests/vectors/relay.json");

const ORIGIN: &str = "wss://relay.example.org";
const NONCE: [u8; 32] = [0x4e; 32];
const PAIRING: PairingId = [0x50; 16];
const TICKET_ID: [u8; 16] = [0x71; 16];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    assert_eq!(text.len() % 2, 0);
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn mailbox_key() -> SigningKey {
    DeviceRoot::from_slice(&[1; 32]).unwrap().derive_mailbox(&PAIRING)
}

fn sender_key() -> SigningKey {
    CiRoot::from_slice(&[2; 32]).unwrap().derive_sender()
}

fn ticket() -> Ticket {
    Ticket {
        mailbox_public: mailbox_key().public(),
        ticket_id: TICKET_ID,
        sender: Some(sender_key().public()),
        max_bytes: 65_536,
        opens_per_hour: 600,
        expires: 0,
        push: Vec::new(),
    }
}

fn describe_ticket(ticket: &Ticket) -> Value {
    json!({
        "mailbox_public": hex(&ticket.mailbox_public),
        "mailbox": hex(ticket.mailbox().as_bytes()),
        "ticket_id": hex(&ticket.ticket_id),
        "sender": ticket.sender.map(|sender| hex(&sender)),
        "max_bytes": ticket.max_bytes,
        "opens_per_hour": ticket.opens_per_hour,
        "expires": ticket.expires,
        "push": hex(&ticket.push),
    })
}

fn describe(frame: &Frame<'_>) -> Value {
    match *frame {
        Frame::Hello { version, nonce, time } => json!({"type": "HELLO", "version": version, "nonce": hex(&nonce), "time": time}),
        Frame::Prove { mailbox_public, signature, deny } => json!({
            "type": "PROVE", "mailbox_public": hex(&mailbox_public), "signature": hex(&signature),
            "deny": deny.iter().map(|id| hex(id)).collect::<Vec<_>>(),
        }),
        Frame::Open { circuit, ticket, signature, tail } => json!({
            "type": "OPEN", "circuit": circuit, "ticket": hex(ticket), "signature": hex(&signature), "tail": hex(tail),
        }),
        Frame::Meet { circuit, role, rendezvous } => {
            json!({"type": "MEET", "circuit": circuit, "role": u8::from(role == Role::Phone), "rendezvous": hex(&rendezvous)})
        }
        Frame::Push { mailbox, subscription: None } => json!({"type": "PUSH", "mailbox": hex(mailbox.as_bytes()), "kind": 0}),
        Frame::Push { mailbox, subscription: Some(it) } => json!({
            "type": "PUSH", "mailbox": hex(mailbox.as_bytes()), "kind": 1, "p256dh": hex(&it.p256dh), "auth": hex(&it.auth),
            "endpoint": hex(it.endpoint),
        }),
        Frame::Wake { circuit, result } => json!({"type": "WAKE", "circuit": circuit, "result": u8::from(result)}),
        Frame::PushSealed { mailbox, status, key, sealed } => json!({
            "type": "PUSH_SEALED", "mailbox": hex(mailbox.as_bytes()), "status": u8::from(status), "key": hex(&key), "sealed": hex(sealed),
        }),
        Frame::Proved { mailbox } => json!({"type": "PROVED", "mailbox": hex(mailbox.as_bytes())}),
        Frame::Incoming { circuit, mailbox, ticket_id, tail } => json!({
            "type": "INCOMING", "circuit": circuit, "mailbox": hex(mailbox.as_bytes()), "ticket_id": hex(&ticket_id), "tail": hex(tail),
        }),
        Frame::Opened { circuit } => json!({"type": "OPENED", "circuit": circuit}),
        Frame::Waiting { circuit } => json!({"type": "WAITING", "circuit": circuit}),
        Frame::Met { circuit } => json!({"type": "MET", "circuit": circuit}),
        Frame::Evicted { mailbox } => json!({"type": "EVICTED", "mailbox": hex(mailbox.as_bytes())}),
        Frame::Error { code } => json!({"type": "ERROR", "code": u8::from(code)}),
        Frame::Data { circuit, tail } => json!({"type": "DATA", "circuit": circuit, "tail": hex(tail)}),
        Frame::Close { circuit, reason } => json!({"type": "CLOSE", "circuit": circuit, "reason": u8::from(reason)}),
    }
}

fn good_frames() -> Vec<Value> {
    let ticket = ticket().sign(&mailbox_key());
    let proof = OpenProof { origin: ORIGIN, nonce: &NONCE, circuit: 1, ticket: &ticket, tail: b"first message" };
    let mailbox = mailbox_address(&mailbox_key().public());
    let signature = MailboxProof { origin: ORIGIN, nonce: &NONCE }.sign(&mailbox_key());
    let mailbox_public = mailbox_key().public();
    let subscription = Subscription { p256dh: [4; 65], auth: [0x61; 16], endpoint: b"https://push.example.org/abc" };
    let frames = [
        ("hello", Frame::Hello { version: 1, nonce: NONCE, time: 1_790_000_000 }),
        ("a version this text does not know still parses", Frame::Hello { version: 2, nonce: NONCE, time: 0 }),
        ("prove", Frame::Prove { mailbox_public, signature, deny: &[] }),
        ("prove with a deny list", Frame::Prove { mailbox_public, signature, deny: &[TICKET_ID, [0x72; 16]] }),
        ("open", Frame::Open { circuit: 1, ticket: &ticket, signature: proof.sign(&sender_key()), tail: proof.tail }),
        ("meet as the laptop", Frame::Meet { circuit: 7, role: Role::Laptop, rendezvous: [0x52; 16] }),
        ("meet as the phone", Frame::Meet { circuit: 0x7fff_ffff, role: Role::Phone, rendezvous: [0x52; 16] }),
        ("push, asking for the key", Frame::Push { mailbox, subscription: None }),
        ("push, registering", Frame::Push { mailbox, subscription: Some(subscription) }),
        ("proved", Frame::Proved { mailbox }),
        ("incoming", Frame::Incoming { circuit: 0x8000_0000, mailbox, ticket_id: TICKET_ID, tail: b"first message" }),
        ("opened", Frame::Opened { circuit: 1 }),
        ("waiting", Frame::Waiting { circuit: 1 }),
        ("met", Frame::Met { circuit: 7 }),
        ("evicted", Frame::Evicted { mailbox }),
        ("error", Frame::Error { code: ErrorCode::SessionOver }),
        ("an error code of a later version", Frame::Error { code: ErrorCode::Other(200) }),
        ("wake", Frame::Wake { circuit: 1, result: WakeResult::Gone }),
        ("a wake result of a later version", Frame::Wake { circuit: 1, result: WakeResult::Other(200) }),
        ("push_sealed", Frame::PushSealed { mailbox, status: PushStatus::Ok, key: [4; 65], sealed: b"sealed push address" }),
        ("push_sealed of a relay without wake-ups", Frame::PushSealed { mailbox, status: PushStatus::Off, key: [0; 65], sealed: &[] }),
        ("data", Frame::Data { circuit: 1, tail: &[0, 1, 2, 255] }),
        ("an empty message", Frame::Data { circuit: 1, tail: &[] }),
        ("close", Frame::Close { circuit: 1, reason: CloseReason::RendezvousTaken }),
        ("a reason of a later version", Frame::Close { circuit: 1, reason: CloseReason::Other(200) }),
    ];
    let entry =
        |(name, frame): &(&str, Frame<'_>)| json!({"name": name, "section": "7.1", "hex": hex(&frame.encode()), "fields": describe(frame)});
    frames.iter().map(entry).collect()
}

fn bad_frames() -> Vec<Value> {
    let prove = Frame::Prove { mailbox_public: [1; 32], signature: [2; 64], deny: &[TICKET_ID] }.encode();
    let with = |bytes: &[u8], more: &[u8]| [bytes, more].concat();
    let many = with(&with(&[0x10], &[1; 96]), &with(&257_u16.to_be_bytes(), &[0; 257 * 16]));
    let frames: Vec<(&str, Vec<u8>)> = vec![
        ("no bytes", vec![]),
        ("type 00 does not exist", vec![0]),
        ("type 14 does not exist", vec![0x14, 0, 0, 0, 1]),
        ("type 29 does not exist", vec![0x29, 0, 0, 0, 1]),
        ("type 32 does not exist", vec![0x32, 0, 0, 0, 1]),
        ("HELLO cut short", with(&[0x01, 1], &[0; 39])),
        ("HELLO with a byte left over", with(&[0x01, 1], &[0; 41])),
        ("PROVE whose count is more than its list", prove[..prove.len() - 1].to_vec()),
        ("PROVE whose count is less than its list", with(&prove, &[0])),
        ("PROVE with more than MAX_DENY tickets", many),
        ("OPEN whose ticket is cut short", with(&[0x11, 0, 0, 0, 1, 0, 200], &[0; 199])),
        ("OPEN whose signature is cut short", with(&[0x11, 0, 0, 0, 1, 0, 1, 9], &[0; 63])),
        ("OPEN with a ticket over MAX_TICKET", with(&[0x11, 0, 0, 0, 1, 4, 1], &[0; 1025 + 64])),
        ("MEET with role 2", with(&[0x12, 0, 0, 0, 1, 2], &[0; 16])),
        ("MEET cut short", with(&[0x12, 0, 0, 0, 1, 1], &[0; 15])),
        ("PUSH without a kind", with(&[0x13], &[7; 32])),
        ("PUSH of kind 2", with(&with(&[0x13], &[7; 32]), &[2])),
        ("PUSH of kind 0 with a byte left over", with(&with(&[0x13], &[7; 32]), &[0, 0])),
        ("PUSH of kind 1 without a subscription", with(&with(&[0x13], &[7; 32]), &[1])),
        ("PUSH with an empty endpoint", with(&with(&[0x13], &[7; 32]), &with(&with(&[1], &[4; 81]), &[0, 0]))),
        (
            "PUSH with an endpoint over MAX_ENDPOINT",
            with(&with(&[0x13], &[7; 32]), &with(&with(&[1], &[4; 81]), &with(&[2, 129], &[65; 641]))),
        ),
        ("PUSH with a byte after the endpoint", with(&with(&[0x13], &[7; 32]), &with(&with(&[1], &[4; 81]), &[0, 1, 65, 65]))),
        ("PROVED with a byte left over", with(&[0x20], &[0; 33])),
        ("INCOMING without a whole ticket id", with(&[0x21, 0x80, 0, 0, 0], &[0; 47])),
        ("OPENED with three bytes", vec![0x22, 0, 0, 0]),
        ("WAITING with five bytes", vec![0x23, 0, 0, 0, 0, 0]),
        ("MET without a circuit", vec![0x24]),
        ("EVICTED cut short", with(&[0x25], &[0; 31])),
        ("ERROR without a code", vec![0x26]),
        ("ERROR with a text", vec![0x26, 1, 65]),
        ("WAKE without a result", vec![0x27, 0, 0, 0, 1]),
        ("WAKE with two results", vec![0x27, 0, 0, 0, 1, 0, 0]),
        ("PUSH_SEALED cut short", with(&[0x28], &[0; 99])),
        ("PUSH_SEALED over MAX_SEALED_PUSH", with(&with(&[0x28], &[0; 98]), &with(&864_u16.to_be_bytes(), &[0; 864]))),
        ("DATA without a whole circuit", vec![0x30, 0, 0, 0]),
        ("CLOSE without a reason", vec![0x31, 0, 0, 0, 1]),
        ("CLOSE with two reasons", vec![0x31, 0, 0, 0, 1, 0, 0]),
        ("DATA over MAX_FRAME", with(&[0x30, 0, 0, 0, 1], &[0; 16_380])),
    ];
    frames.iter().map(|(reason, bytes)| json!({"reason": reason, "section": "7.1", "hex": hex(bytes)})).collect()
}

fn tickets() -> Value {
    let keyless = Ticket { sender: None, expires: 1_800_000_000, push: b"sealed push address".to_vec(), ..ticket() };
    let good = [("as made at pairing", ticket()), ("keyless, with an end and a push address", keyless.clone())];
    let signed = ticket().sign(&mailbox_key());
    let flipped = |at: usize| {
        let mut bytes = signed.clone();
        bytes[at] ^= 1;
        bytes
    };
    let bad = [
        ("empty", vec![]),
        ("cut short", signed[..signed.len() - 1].to_vec()),
        ("a byte left over", [&signed[..], &[0]].concat()),
        ("version 2", [&[2], &signed[1..]].concat()),
        ("another ticket id than the signed one", flipped(33)),
        ("another sender than the signed one", flipped(49)),
        ("more bytes than signed", flipped(81)),
        ("a damaged signature", flipped(signed.len() - 1)),
        ("a push address longer than the ticket", flipped(96)),
        ("signed by a key that is not the mailbox's", ticket().sign(&sender_key())),
        ("a mailbox key of small order", Ticket { mailbox_public: [0; 32], ..ticket() }.sign(&mailbox_key())),
        ("longer than MAX_TICKET", Ticket { push: vec![7; 1024], ..ticket() }.sign(&mailbox_key())),
    ];
    json!({
        "good": good.iter().map(|(name, ticket)| json!({
            "name": name, "section": "7.3", "hex": hex(&ticket.sign(&mailbox_key())), "fields": describe_ticket(ticket),
        })).collect::<Vec<_>>(),
        "bad": bad.iter().map(|(reason, bytes)| json!({"reason": reason, "section": "7.3", "hex": hex(bytes)})).collect::<Vec<_>>(),
    })
}

fn mailbox_proofs() -> Value {
    let signature = hex(&MailboxProof { origin: ORIGIN, nonce: &NONCE }.sign(&mailbox_key()));
    let entry = |key: &str, text: &str, origin: &str, nonce: &[u8]| {
        json!({
            key: text, "section": "7.2", "mailbox_public": hex(&mailbox_key().public()),
            "origin": origin, "nonce": hex(nonce), "signature": signature,
        })
    };
    json!({
        "good": [entry("name", "a proof", ORIGIN, &NONCE)],
        "bad": [
            entry("reason", "made for another relay", "wss://relay.example.com", &NONCE),
            entry("reason", "made for another connection", ORIGIN, &[0x4f; 32]),
        ],
    })
}

fn open_proofs() -> Value {
    let ticket = ticket().sign(&mailbox_key());
    let right = OpenProof { origin: ORIGIN, nonce: &NONCE, circuit: 1, ticket: &ticket, tail: b"first message" };
    let signature = hex(&right.sign(&sender_key()));
    let entry = |key: &str, text: &str, proof: &OpenProof<'_>| {
        json!({
            key: text, "section": "7.4", "sender": hex(&sender_key().public()), "origin": proof.origin, "nonce": hex(proof.nonce),
            "circuit": proof.circuit, "ticket": hex(proof.ticket), "tail": hex(proof.tail), "signature": signature,
        })
    };
    json!({
        "good": [entry("name", "a proof", &right)],
        "bad": [
            entry("reason", "made for another relay", &OpenProof { origin: "ws://localhost", ..right }),
            entry("reason", "made for another connection", &OpenProof { nonce: &[0; 32], ..right }),
            entry("reason", "made for another circuit", &OpenProof { circuit: 2, ..right }),
            entry("reason", "made for another ticket", &OpenProof { ticket: b"another", ..right }),
            entry("reason", "made for another message", &OpenProof { tail: b"another", ..right }),
        ],
    })
}

fn urls() -> Value {
    let good = [
        ("wss://relay.example.org", "wss://relay.example.org"),
        ("WSS://Relay.Example.ORG:443/", "wss://relay.example.org"),
        ("wss://relay.example.org:8443", "wss://relay.example.org:8443"),
        ("wss://10.0.0.1", "wss://10.0.0.1"),
        ("wss://[2001:DB8:0::1]:7700", "wss://[2001:db8::1]:7700"),
        ("ws://localhost:80", "ws://localhost"),
        ("ws://127.0.0.1:7700", "ws://127.0.0.1:7700"),
        ("ws://127.255.0.9", "ws://127.255.0.9"),
        ("ws://[0:0::1]:7700", "ws://[::1]:7700"),
    ];
    let long = format!("wss://{}.example.org", "a".repeat(120));
    let bad = [
        ("", "no scheme"),
        ("relay.example.org", "no scheme"),
        ("https://relay.example.org", "another scheme"),
        (" wss://relay.example.org", "a space before"),
        ("ws://relay.example.org", "no TLS to another machine"),
        ("ws://10.0.0.1:7700", "no TLS to another machine"),
        ("ws://localhost.example.org", "no TLS to another machine"),
        ("ws://[::ffff:127.0.0.1]", "a mapped address is not loopback"),
        ("wss://", "no host"),
        ("wss://:443", "no host"),
        ("wss://relay..example.org", "an empty label"),
        ("wss://relay.example.org.", "an empty label"),
        ("wss://-relay.example.org", "a label that starts with a hyphen"),
        ("wss://r\u{e9}lay.example.org", "not ASCII (write it as xn--...)"),
        ("wss://relay_.example.org", "a character no host name has"),
        ("ws://127.1", "a short form of an address"),
        ("ws://0x7f000001", "another form of an address"),
        ("ws://2130706433", "another form of an address"),
        ("ws://127.0.0.01", "an octal-looking address"),
        ("wss://[::1", "an open bracket"),
        ("wss://[fe80::1%25eth0]", "a zone"),
        ("wss://::1", "an address without brackets"),
        ("wss://relay.example.org:", "an empty port"),
        ("wss://relay.example.org:0", "port 0"),
        ("wss://relay.example.org:65536", "a port that does not exist"),
        ("wss://relay.example.org:+443", "a sign in the port"),
        ("wss://relay.example.org:0443", "a leading zero in the port"),
        ("wss://relay.example.org/v1", "a path"),
        ("wss://relay.example.org//", "a path"),
        ("wss://relay.example.org?x", "a query"),
        ("wss://relay.example.org#x", "a fragment"),
        ("wss://user@relay.example.org", "a user name"),
        (long.as_str(), "over MAX_RELAY_URL"),
    ];
    json!({
        "good": good.iter().map(|(text, origin)| json!({"section": "7", "text": text, "origin": origin})).collect::<Vec<_>>(),
        "bad": bad.iter().map(|(text, reason)| json!({"section": "7", "text": text, "reason": reason})).collect::<Vec<_>>(),
    })
}

fn vectors() -> Value {
    json!({
        "about": "docs/PROTOCOL.md section 7. Good entries parse to these fields and are written as these bytes; bad ones are refused.",
        "keys": {
            "device_root": hex(&[1; 32]), "pairing_id": hex(&PAIRING), "ci_root": hex(&[2; 32]),
            "mailbox_public": hex(&mailbox_key().public()),
            "mailbox": hex(mailbox_address(&mailbox_key().public()).as_bytes()),
            "sender_public": hex(&sender_key().public()),
        },
        "frames": {"good": good_frames(), "bad": bad_frames()},
        "tickets": tickets(),
        "mailbox_proofs": mailbox_proofs(),
        "open_proofs": open_proofs(),
        "urls": urls(),
    })
}

fn file() -> Value {
    serde_json::from_str(FILE).unwrap()
}

fn entries<'a>(file: &'a Value, part: &str, kind: &str) -> &'a [Value] {
    let list = file[part][kind].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the one place that writes the file")]
fn the_file_is_what_this_code_makes() {
    if std::env::var_os("COUNTERSIGN_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/relay.json"), text).unwrap();
        return;
    }
    assert_eq!(file(), vectors());
}

#[test]
fn frames() {
    let file = file();
    for entry in entries(&file, "frames", "good") {
        let bytes = unhex(&entry["hex"]);
        let frame = Frame::parse(&bytes).unwrap_or_else(|error| panic!("{entry}: {error}"));
        assert_eq!(frame.encode(), bytes, "{entry}");
        assert_eq!(describe(&frame), entry["fields"]);
        for length in 0..bytes.len() {
            // A cut frame is either refused or (where there is a tail) another frame; it never fails worse.
            let _ = Frame::parse(&bytes[..length]);
        }
    }
    for entry in entries(&file, "frames", "bad") {
        assert!(Frame::parse(&unhex(&entry["hex"])).is_err(), "{}", entry["reason"]);
    }
}

#[test]
fn signed_tickets() {
    let file = file();
    for entry in entries(&file, "tickets", "good") {
        let bytes = unhex(&entry["hex"]);
        let ticket = parse_ticket(&bytes).unwrap_or_else(|error| panic!("{entry}: {error}"));
        assert_eq!(describe_ticket(&ticket), entry["fields"]);
        assert_eq!(ticket.sign(&mailbox_key()), bytes);
    }
    for entry in entries(&file, "tickets", "bad") {
        assert!(parse_ticket(&unhex(&entry["hex"])).is_err(), "{}", entry["reason"]);
    }
}

#[test]
fn proofs() {
    let file = file();
    for (kind, holds) in [("good", true), ("bad", false)] {
        for entry in entries(&file, "mailbox_proofs", kind) {
            let nonce = unhex(&entry["nonce"]).try_into().unwrap();
            let proof = MailboxProof { origin: entry["origin"].as_str().unwrap(), nonce: &nonce };
            let public = unhex(&entry["mailbox_public"]).try_into().unwrap();
            let signature = unhex(&entry["signature"]).try_into().unwrap();
            assert_eq!(proof.verify(&public, &signature).is_ok(), holds, "{entry}");
        }
        for entry in entries(&file, "open_proofs", kind) {
            let nonce = unhex(&entry["nonce"]).try_into().unwrap();
            let (ticket, tail) = (unhex(&entry["ticket"]), unhex(&entry["tail"]));
            let circuit = u32::try_from(entry["circuit"].as_u64().unwrap()).unwrap();
            let proof = OpenProof { origin: entry["origin"].as_str().unwrap(), nonce: &nonce, circuit, ticket: &ticket, tail: &tail };
            let sender = unhex(&entry["sender"]).try_into().unwrap();
            let signature = unhex(&entry["signature"]).try_into().unwrap();
            assert_eq!(proof.verify(&sender, &signature).is_ok(), holds, "{entry}");
        }
    }
}

#[test]
fn relay_urls() {
    let file = file();
    for entry in entries(&file, "urls", "good") {
        let url = RelayUrl::parse(entry["text"].as_str().unwrap()).unwrap_or_else(|error| panic!("{entry}: {error}"));
        assert_eq!(url.origin(), entry["origin"]);
        assert_eq!(RelayUrl::parse(url.origin()), Ok(url.clone()), "the normal form is its own normal form");
    }
    for entry in entries(&file, "urls", "bad") {
        assert!(RelayUrl::parse(entry["text"].as_str().unwrap()).is_err(), "{entry}");
    }
}
