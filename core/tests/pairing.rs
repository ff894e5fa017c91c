//! Pairing when somebody is in between, mistypes, or comes twice (docs/PROTOCOL.md §6).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use countersign_core::{
    keys::{DeviceRoot, UnlockRoot},
    pairing::{AwaitDigits, AwaitP1, AwaitP2, AwaitP4, PairingCode, PairingError, PhoneIdentity},
    phone::{Context, NotSaved, Phone, Store},
    time::Now,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

struct Nowhere;

impl Store for Nowhere {
    fn save(&mut self, _: &str, _: &[u8]) -> Result<(), NotSaved> {
        Ok(())
    }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

fn device() -> DeviceRoot {
    DeviceRoot::from_slice(&[1; 32]).unwrap()
}

fn identity() -> PhoneIdentity {
    PhoneIdentity::derive("pixel", &UnlockRoot::from_slice(&[2; 32]).unwrap()).unwrap()
}

fn laptop(rng: &mut ChaCha20Rng) -> (AwaitP1, PairingCode) {
    let laptop = AwaitP1::make("acme", "wss://relay.example.org".parse().unwrap(), rng);
    let code = laptop.code().to_text().parse().unwrap();
    (laptop, code)
}

/// Up to the digits; `tamper` sees every message with its number.
fn run(tamper: impl Fn(usize, &mut Vec<u8>)) -> Result<(AwaitDigits, AwaitP4), PairingError> {
    let mut rng = rng();
    let (laptop, code) = laptop(&mut rng);
    let (phone, mut p1) = AwaitP2::start(&device(), code, &mut rng)?;
    tamper(1, &mut p1);
    let (laptop, mut p2) = laptop.receive(&p1, &mut rng)?;
    tamper(2, &mut p2);
    let (phone, mut p3) = phone.receive(&p2, &device(), &identity(), &mut rng)?;
    tamper(3, &mut p3);
    Ok((laptop.receive(&p3)?, phone))
}

#[test]
fn both_sides_end_with_the_same_keys() {
    let (laptop, phone) = run(|_, _| ()).unwrap();
    assert_eq!((laptop.phone_name(), phone.name()), ("pixel", "acme"));
    let (laptop, p4) = laptop.check(&phone.digits()).unwrap();
    let of_phone = phone.receive(&p4).unwrap();
    let (id, psk, ci_static) = (of_phone.pairing_id, of_phone.psk.duplicate(), of_phone.ci_static);
    let mut rng = rng();
    let now = Now { unix: 1_700_000_000, mono: 0 };
    let mut ctx = Context { now, rng: &mut rng, store: &mut Nowhere };
    let mut phone = Phone::create(device(), &identity(), &mut ctx).unwrap();
    let p5 = phone.add_pairing(of_phone, &mut ctx).unwrap();
    let of_laptop = laptop.receive(&p5).unwrap();
    assert_eq!(psk, of_laptop.key.psk);
    assert_eq!((id, ci_static), (of_laptop.pairing.pairing_id, of_laptop.pairing.ci_static));
    assert_eq!(of_laptop.pairing.phone_static, device().derive_channel(&id).public());
    assert!(phone.has_paired(&id));
}

#[test]
fn wrong_digits_store_nothing() {
    let (laptop, phone) = run(|_, _| ()).unwrap();
    let wrong: String = phone.digits().chars().map(|c| if c == '0' { '1' } else { '0' }).collect();
    assert_eq!(laptop.check(&wrong).err(), Some(PairingError::WrongDigits));
}

#[test]
fn every_changed_byte_ends_the_attempt() {
    for message in 1..=3 {
        for at in [0, 1, 31, 32, 33, 47, 48, 60] {
            let result = run(|number, bytes| {
                if number == message
                    && let Some(byte) = bytes.get_mut(at)
                {
                    *byte ^= 1;
                }
            });
            // P1 is 48 bytes; a place beyond it changes nothing.
            if !(message == 1 && at >= 48) {
                assert_eq!(result.err(), Some(PairingError::Peer), "message {message}, byte {at}");
            }
        }
        let cut = run(|number, bytes| {
            if number == message {
                bytes.pop();
            }
        });
        assert_eq!(cut.err(), Some(PairingError::Peer));
    }
}

#[test]
fn a_phone_with_another_code_is_refused() {
    let mut rng = rng();
    let (laptop_one, _) = laptop(&mut rng);
    let (_, code_two) = laptop(&mut rng);
    let (_, p1) = AwaitP2::start(&device(), code_two, &mut rng).unwrap();
    assert_eq!(laptop_one.receive(&p1, &mut rng).err(), Some(PairingError::Peer));
}

#[test]
fn somebody_who_knows_the_code_but_not_the_key_is_refused() {
    // A relay that photographed the QR code plays the laptop: it has the psk, not CI's static secret.
    let mut rng = rng();
    let (_, code) = laptop(&mut rng);
    let (phone, p1) = AwaitP2::start(&device(), code, &mut rng).unwrap();
    let (impostor, _) = laptop(&mut rng);
    assert!(impostor.receive(&p1, &mut rng).is_err());
    assert_eq!(phone.receive(&[0; 304], &device(), &identity(), &mut rng).err(), Some(PairingError::Peer));
}
