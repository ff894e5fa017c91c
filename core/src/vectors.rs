//! `tests/vectors/protocol.json`: keys, pairing and one request, byte for byte, for other implementations.
//!
//! `COUNTERSIGN_WRITE_VECTORS=1 cargo test -p countersign-core protocol_vectors` writes the file anew; review the difference.

use data_encoding::HEXLOWER;
use rand_core::{CryptoRng, Error, RngCore};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use crate::{
    channel::{encode, pad},
    ci::session::AwaitAck,
    keys::{CiKey, CiRoot, DeviceRoot, Secret32, UnlockRoot},
    pairing::{AwaitP1, AwaitP2, PhoneIdentity},
    phone::{Context, Decision, NotSaved, Phone, PhoneOutput, Store},
    relay::{Frame, mailbox_address},
    request::{Operation, PhoneMessage, REQUEST_SIZES, RESUME, Request},
    time::Now,
};

const FILE: &str = "../tests/vectors/protocol.json";
const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";
const NOW: Now = Now { unix: 1_700_000_000, mono: 0 };

/// Gives out bytes that count up from a start, so that every random value of a vector can be written down.
struct Counting(u8);

impl RngCore for Counting {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        out.fill(self.0);
        self.0 = self.0.wrapping_add(1);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Counting {}

struct Nowhere;

impl Store for Nowhere {
    fn save(&mut self, _: &str, _: &[u8]) -> Result<(), NotSaved> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn keys() -> Value {
    let (device, unlock) = (DeviceRoot::from_slice(&[1; 32]).unwrap(), UnlockRoot::from_slice(&[2; 32]).unwrap());
    let key = CiKey { root: CiRoot::from_slice(&[3; 32]).unwrap(), psk: Secret32::from_bytes([4; 32]) };
    let pairing = [5; 16];
    let identity = PhoneIdentity::derive("phone", &unlock).unwrap();
    let mailbox = device.derive_mailbox(&pairing).public();
    json!({
        "section": "1", "device_root": hex(&[1; 32]), "unlock_root": hex(&[2; 32]), "ci_root": hex(&[3; 32]), "psk": hex(&[4; 32]),
        "pairing_id": hex(&pairing),
        "phone_channel_secret": hex(device.derive_channel(&pairing).secret().expose()),
        "phone_channel_public": hex(&device.derive_channel(&pairing).public()),
        "phone_mailbox_public": hex(&mailbox),
        "mailbox": hex(mailbox_address(&mailbox).as_bytes()),
        "phone_state_key": hex(device.derive_state_key().0.expose()),
        "age_identity": unlock.derive_age_identity().expose(),
        "age_recipient": identity.recipient.as_str(),
        "signing_public": hex(&identity.signer),
        "ci_channel_secret": hex(key.root.derive_channel().secret().expose()),
        "ci_channel_public": hex(&key.root.derive_channel().public()),
        "ci_sender_public": hex(&key.root.derive_sender().public()),
        "ci_key": key.to_text().as_str(),
    })
}

#[test]
fn protocol_vectors() {
    let (device, unlock) = (DeviceRoot::from_slice(&[1; 32]).unwrap(), UnlockRoot::from_slice(&[2; 32]).unwrap());
    let identity = PhoneIdentity::derive("phone", &unlock).unwrap();

    // Pairing. Random values of the laptop count up from 0x10: root, rendezvous, QR psk, ephemeral, psk share; those of the phone from 0x20.
    let (mut of_laptop, mut of_phone) = (Counting(0x10), Counting(0x20));
    let laptop = AwaitP1::make("acme/widget", "wss://relay.example.org".parse().unwrap(), &mut of_laptop);
    let (code, pairing_id) = (laptop.code().to_text().to_string(), laptop.code().pairing_id());
    let (ours, p1) = AwaitP2::start(&device, code.parse().unwrap(), &mut of_phone).unwrap();
    let (laptop, p2) = laptop.receive(&p1, &mut of_laptop).unwrap();
    let (ours, p3) = ours.receive(&p2, &device, &identity, &mut of_phone).unwrap();
    let digits = ours.digits();
    let (laptop, p4) = laptop.receive(&p3).unwrap().check(&digits).unwrap();
    let paired = ours.receive(&p4).unwrap();
    let (psk, p5) = (hex(paired.psk.expose()), paired.p5.clone());
    let of_laptop = laptop.receive(&p5).unwrap();
    let pairing = json!({
        "section": "6", "laptop_random": "10 (ci_root), 11 (rendezvous), 12 (QR psk), 13 (ephemeral), 14 (psk_share), each byte repeated",
        "phone_random": "20 (ephemeral), 21 (ticket id), 22 (psk_share), each byte repeated",
        "device_root": hex(&[1; 32]), "unlock_root": hex(&[2; 32]), "name": "acme/widget", "phone_name": "phone",
        "code": code, "pairing_id": hex(&pairing_id), "p1": hex(&p1), "p2": hex(&p2), "p3": hex(&p3), "p4": hex(&p4), "p5": hex(&p5),
        "digits": digits, "psk": psk, "ticket": hex(&of_laptop.pairing.ticket), "ci_key": of_laptop.key.to_text().as_str(),
    });

    // A request with that pairing. The sealed seed is made anew each time, so it stands in the vector and is imported.
    let mut store = Nowhere;
    let mut rng = Counting(0x30);
    let mut ctx = Context { now: NOW, rng: &mut rng, store: &mut store };
    let mut phone = Phone::create(device, &identity, &mut ctx).unwrap();
    phone.add_pairing(paired, &mut ctx).unwrap();
    let old: Option<Value> = std::fs::read_to_string(FILE).ok().and_then(|text| serde_json::from_str(&text).ok());
    let sealed = match old.as_ref().and_then(|old| old["request"]["sealed"].as_str()) {
        Some(sealed) => crate::seed::SealedSeed::parse(HEXLOWER.decode(sealed.as_bytes()).unwrap()).unwrap(),
        None => phone.enroll(&crate::otp::parse_otpauth(URI).unwrap(), &[], &unlock, &mut ctx).unwrap(),
    };
    phone.import(sealed.clone(), &unlock, &mut ctx).unwrap();

    let mut request = Request::make(Operation::Code, NOW.unix, &mut Counting(0x40));
    request.sealed = ByteBuf::from(sealed.as_bytes());
    request.codes = 2;
    request.min_life = 20;
    request.seed_name = "npm".into();
    request.reason = "release 1.2".into();
    let (request_cbor, of_ci) = (encode(&request).unwrap(), of_laptop.pairing);
    let plain = pad(&request_cbor, REQUEST_SIZES).unwrap();
    let (ci, m1) = AwaitAck::start(&of_ci, &of_laptop.key, request, Secret32::from_bytes([0x41; 32])).unwrap();
    let relay = of_ci.relay.clone();
    phone.connected(&relay, &[0x50; 32]);
    while phone.poll_output().is_some() {}
    let mut rng = Counting(0x42);
    let mut ctx = Context { now: NOW, rng: &mut rng, store: &mut store };
    let mailbox = crate::relay::parse_ticket(&of_ci.ticket).unwrap().mailbox();
    phone.received(&relay, &Frame::Incoming { circuit: 1, mailbox, ticket_id: [0; 16], tail: &m1 }.encode(), &mut ctx);
    let m2 = sent(&mut phone);
    let (ack, acked) = ci.receive(&m2).unwrap();
    let (mut ci, m3) = acked.confirm(None).unwrap();
    phone.received(&relay, &Frame::Data { circuit: 1, tail: &m3 }.encode(), &mut ctx);
    while phone.poll_output().is_some() {}
    let id = phone.pending(NOW)[0].request_id;
    let number = ci.number().digits().to_owned();
    phone.decide(&id, &Decision { number: number.clone(), codes: None, grant: true }, &mut ctx).unwrap();
    phone.approve(&id, &unlock, None, &mut ctx).unwrap();
    let m4 = sent(&mut phone);
    let tag = *ci.tag();
    let PhoneMessage::Result(result) = ci.receive(&m4, &of_ci).unwrap() else { panic!("a result") };
    let m5 = ci.outcome(crate::request::Outcome::Used).unwrap();
    let request = json!({
        "section": "5", "pairing": "that of \"pairing\"", "phone_now": NOW.unix, "ci_ephemeral": hex(&[0x41; 32]), "phone_ephemeral": hex(&[0x42; 32]),
        "sealed": hex(sealed.as_bytes()), "otpauth": URI, "request_cbor": hex(&request_cbor), "request_padded_length": plain.len(),
        "m1": hex(&m1), "m2": hex(&m2), "ack_cbor": hex(&encode(&ack).unwrap()), "m3": hex(&m3), "m4": hex(&m4), "m5": hex(&m5),
        "match_number": number, "resume_tag": hex(&tag), "resume_tail": hex(&[&[RESUME], &tag[..], &m3].concat()),
        "result_cbor": hex(&encode(&PhoneMessage::Result(result.clone())).unwrap()),
        "codes": result.codes.iter().map(|code| json!([code.0, code.1.expose()])).collect::<Vec<_>>(),
    });

    let new = json!({ "keys": keys(), "pairing": pairing, "request": request });
    #[allow(clippy::disallowed_methods, reason = "the test that keeps the vectors may write them")]
    if std::env::var_os("COUNTERSIGN_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, serde_json::to_string_pretty(&new).unwrap() + "\n").unwrap();
    }
    assert_eq!(old.or_else(|| serde_json::from_str(&std::fs::read_to_string(FILE).ok()?).ok()), Some(new), "tests/vectors/protocol.json");
}

fn sent(phone: &mut Phone) -> Vec<u8> {
    while let Some(output) = phone.poll_output() {
        if let PhoneOutput::Send { frame, .. } = output
            && let Frame::Data { tail, .. } = Frame::parse(&frame).unwrap()
        {
            return tail.to_vec();
        }
    }
    panic!("the phone sent nothing")
}
