//! All public cacophony vectors of `25519_ChaChaPoly_SHA256`, through our resolver.

use data_encoding::HEXLOWER;
use serde::Deserialize;

use super::resolver::Resolver;
use crate::keys::Secret32;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    protocol_name: String,
    #[serde(default)]
    init_prologue: String,
    init_static: Option<String>,
    init_ephemeral: Option<String>,
    init_remote_static: Option<String>,
    init_psks: Option<Vec<String>>,
    #[serde(default)]
    resp_prologue: String,
    resp_static: Option<String>,
    resp_ephemeral: Option<String>,
    resp_remote_static: Option<String>,
    resp_psks: Option<Vec<String>>,
    handshake_hash: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    payload: String,
    ciphertext: String,
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn hex32(text: &str) -> [u8; 32] {
    hex(text).try_into().unwrap()
}

struct Party<'a> {
    prologue: &'a str,
    own: &'a Option<String>,
    ephemeral: &'a Option<String>,
    peer: &'a Option<String>,
    psks: &'a Option<Vec<String>>,
}

fn build(name: &str, party: &Party<'_>, initiator: bool) -> snow::HandshakeState {
    let ephemeral = Secret32::from_bytes(party.ephemeral.as_deref().map_or([0; 32], hex32));
    let prologue = hex(party.prologue);
    let own = party.own.as_deref().map(hex);
    let peer = party.peer.as_deref().map(hex);
    let psks: Vec<[u8; 32]> = party.psks.iter().flatten().map(|psk| hex32(psk)).collect();
    let places: Vec<u8> = name.split("psk").skip(1).map(|rest| rest.as_bytes()[0] - b'0').collect();
    assert_eq!(psks.len(), places.len(), "{name}");
    let mut builder = snow::Builder::with_resolver(name.parse().unwrap(), Box::new(Resolver::new(ephemeral))).prologue(&prologue).unwrap();
    if let Some(own) = &own {
        builder = builder.local_private_key(own).unwrap();
    }
    if let Some(peer) = &peer {
        builder = builder.remote_public_key(peer).unwrap();
    }
    for (place, psk) in places.iter().zip(&psks) {
        builder = builder.psk(*place, psk).unwrap();
    }
    if initiator { builder.build_initiator().unwrap() } else { builder.build_responder().unwrap() }
}

#[test]
fn every_cacophony_vector_agrees() {
    let file: File = serde_json::from_str(include_str!("../../../tests/vectors/noise.json")).unwrap();
    assert_eq!(file.vectors.len(), 59);
    for vector in &file.vectors {
        run(vector);
    }
}

fn run(vector: &Vector) {
    let name = &vector.protocol_name;
    let mut ci = build(
        name,
        &Party {
            prologue: &vector.init_prologue,
            own: &vector.init_static,
            ephemeral: &vector.init_ephemeral,
            peer: &vector.init_remote_static,
            psks: &vector.init_psks,
        },
        true,
    );
    let mut phone = build(
        name,
        &Party {
            prologue: &vector.resp_prologue,
            own: &vector.resp_static,
            ephemeral: &vector.resp_ephemeral,
            peer: &vector.resp_remote_static,
            psks: &vector.resp_psks,
        },
        false,
    );
    let one_way =
        ["Noise_N_", "Noise_K_", "Noise_X_", "Noise_Npsk", "Noise_Kpsk", "Noise_Xpsk"].iter().any(|start| name.starts_with(start));
    let mut messages = vector.messages.iter().enumerate();
    let (mut out, mut plain) = (vec![0; 65535], vec![0; 65535]);
    while !ci.is_handshake_finished() {
        let (number, message) = messages.next().unwrap();
        let (from, to) = if number % 2 == 0 { (&mut ci, &mut phone) } else { (&mut phone, &mut ci) };
        let payload = hex(&message.payload);
        let length = from.write_message(&payload, &mut out).unwrap();
        assert_eq!(HEXLOWER.encode(&out[..length]), message.ciphertext, "{name} message {number}");
        let length = to.read_message(&out[..length], &mut plain).unwrap();
        assert_eq!(plain[..length], payload, "{name} message {number}");
    }
    assert_eq!(HEXLOWER.encode(ci.get_handshake_hash()), vector.handshake_hash, "{name}");
    assert_eq!(phone.get_handshake_hash(), ci.get_handshake_hash(), "{name}");
    let (mut ci, mut phone) = (ci.into_transport_mode().unwrap(), phone.into_transport_mode().unwrap());
    for (number, message) in messages {
        let (from, to) = if one_way || number % 2 == 0 { (&mut ci, &mut phone) } else { (&mut phone, &mut ci) };
        let payload = hex(&message.payload);
        let length = from.write_message(&payload, &mut out).unwrap();
        assert_eq!(HEXLOWER.encode(&out[..length]), message.ciphertext, "{name} message {number}");
        let length = to.read_message(&out[..length], &mut plain).unwrap();
        assert_eq!(plain[..length], payload, "{name} message {number}");
    }
}
