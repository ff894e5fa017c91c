//! The laptop's side: shows the pairing code, answers, reads the six digits.

use rand_core::{CryptoRng, RngCore};
use serde_bytes::ByteArray;
use subtle::ConstantTimeEq as _;

use super::{
    PairingCode, PairingError,
    message::{CI_HELLO_SIZES, CiHello, DONE_SIZES, Done, PHONE_HELLO_SIZES, PhoneHello, derive_digits, derive_psk},
};
use crate::{
    channel::{Handshake, Side, Suite, Transport, decode, encode, pad, unpad},
    ci::CiPairing,
    keys::{CiKey, CiRoot, Secret32},
    relay::{RelayUrl, parse_ticket},
    text::{MAX_NAME, clean, is_clean},
};

/// The pairing code is on screen; waits for the phone's first message.
pub struct AwaitP1 {
    root: CiRoot,
    code: PairingCode,
    name: String,
}

impl AwaitP1 {
    /// Begins a pairing under `name` (shown on the phone; cut to 64 characters).
    pub fn make(name: &str, relay: RelayUrl, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let root = CiRoot::make(rng);
        let mut rendezvous = [0; 16];
        rng.fill_bytes(&mut rendezvous);
        let code = PairingCode { ci_static: root.derive_channel().public(), psk: Secret32::make(rng), rendezvous, relay };
        Self { root, code, name: clean(name, MAX_NAME) }
    }

    /// What to show.
    #[must_use]
    pub fn code(&self) -> &PairingCode {
        &self.code
    }

    /// Takes P1, gives P2.
    ///
    /// # Errors
    /// [`PairingError::Peer`].
    pub fn receive(self, p1: &[u8], rng: &mut (impl RngCore + CryptoRng)) -> Result<(AwaitP3, Vec<u8>), PairingError> {
        let own = self.root.derive_channel();
        let id = self.code.pairing_id();
        let mut handshake = Handshake::new(Suite::Pairing, Side::OpenResponder, &id, &own, &self.code.psk, Secret32::make(rng))?;
        if !handshake.read(p1)?.is_empty() {
            return Err(PairingError::Peer);
        }
        let share = Secret32::make(rng);
        let hello = CiHello {
            v: 1,
            name: self.name.clone(),
            sender: ByteArray::new(self.root.derive_sender().public()),
            // Sent to the phone, encrypted: both shares go into the psk.
            psk_share: ByteArray::new(*share.expose()),
        };
        let p2 = handshake.write(&pad(&encode(&hello)?, CI_HELLO_SIZES)?)?;
        Ok((AwaitP3 { before: self, handshake, share }, p2))
    }
}

/// P2 was sent.
pub struct AwaitP3 {
    before: AwaitP1,
    handshake: Handshake,
    share: Secret32,
}

impl AwaitP3 {
    /// Takes P3; the six digits are to be asked for next.
    ///
    /// # Errors
    /// [`PairingError::Peer`].
    pub fn receive(mut self, p3: &[u8]) -> Result<AwaitDigits, PairingError> {
        let plain = self.handshake.read(p3)?;
        let hello: PhoneHello = decode(unpad(&plain, PHONE_HELLO_SIZES)?)?;
        let ticket = parse_ticket(&hello.ticket).map_err(|_| PairingError::Peer)?;
        let sender = self.before.root.derive_sender().public();
        if hello.v != 1 || !is_clean(&hello.name, MAX_NAME) || ticket.sender != Some(sender) {
            return Err(PairingError::Peer);
        }
        let phone_static = self.handshake.peer().ok_or(PairingError::Peer)?;
        let transport = self.handshake.finish()?;
        // Input of HKDF.
        let psk = derive_psk(transport.hash(), &self.before.code.psk, self.share.expose(), &hello.psk_share);
        let pairing = CiPairing {
            pairing_id: self.before.code.pairing_id(),
            phone_name: hello.name,
            relay: self.before.code.relay,
            ci_static: self.before.code.ci_static,
            phone_static,
            signer: hello.signer.into_array(),
            recipient: hello.recipient.parse().map_err(|_| PairingError::Peer)?,
            ticket: hello.ticket.into_vec(),
        };
        Ok(AwaitDigits { transport, paired: LaptopPaired { pairing, key: CiKey { root: self.before.root, psk } } })
    }
}

/// The phone shows six digits; the human is to type them.
pub struct AwaitDigits {
    transport: Transport,
    paired: LaptopPaired,
}

impl AwaitDigits {
    /// What the phone calls itself.
    #[must_use]
    pub fn phone_name(&self) -> &str {
        &self.paired.pairing.phone_name
    }

    /// Compares the digits, in constant time and once; gives P4.
    ///
    /// # Errors
    /// [`PairingError::WrongDigits`].
    pub fn check(mut self, typed: &str) -> Result<(AwaitP5, Vec<u8>), PairingError> {
        let digits = derive_digits(self.transport.hash());
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        if !bool::from(digits.as_bytes().ct_eq(typed.as_bytes())) {
            return Err(PairingError::WrongDigits);
        }
        let p4 = self.transport.write(&pad(&encode(&Done::Paired)?, DONE_SIZES)?)?;
        Ok((AwaitP5 { transport: self.transport, paired: self.paired }, p4))
    }
}

/// P4 was sent; the phone is about to store the pairing.
pub struct AwaitP5 {
    transport: Transport,
    paired: LaptopPaired,
}

impl AwaitP5 {
    /// Takes P5: now both sides have the pairing.
    ///
    /// # Errors
    /// [`PairingError::Peer`].
    pub fn receive(mut self, p5: &[u8]) -> Result<LaptopPaired, PairingError> {
        let plain = self.transport.read(p5)?;
        if decode::<Done>(unpad(&plain, DONE_SIZES)?)? == Done::Stored { Ok(self.paired) } else { Err(PairingError::Peer) }
    }
}

/// The laptop's result.
#[derive(Debug)]
pub struct LaptopPaired {
    /// The public part, for `countersign.toml`.
    pub pairing: CiPairing,
    /// The secret part, for `COUNTERSIGN_KEY`.
    pub key: CiKey,
}
