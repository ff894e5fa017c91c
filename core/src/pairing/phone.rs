//! The phone's side: scans the pairing code, initiates, shows six digits.

use rand_core::{CryptoRng, RngCore};
use serde_bytes::{ByteArray, ByteBuf};

use super::{
    PairingCode, PairingError,
    message::{CI_HELLO_SIZES, CiHello, DONE_SIZES, Done, PHONE_HELLO_SIZES, PhoneHello, derive_digits, derive_psk},
};
use crate::{
    channel::{Handshake, Side, Suite, Transport, decode, encode, pad, unpad},
    keys::{ChannelPublic, DeviceRoot, PairingId, PublicKey, Secret32, SigningKey},
    relay::{RelayUrl, Ticket, TicketId},
    seed::Recipient,
    text::{MAX_NAME, clean, is_clean},
};

/// Bytes that a circuit of an ordinary ticket may carry.
const TICKET_BYTES: u32 = 65_536;
/// OPENs an hour of an ordinary ticket.
const TICKET_OPENS: u16 = 600;

/// The ticket of a pairing. A later one differs in its push address only.
pub(crate) fn ticket_for(mailbox: &SigningKey, ticket_id: TicketId, sender: PublicKey, push: Vec<u8>) -> Ticket {
    Ticket {
        mailbox_public: mailbox.public(),
        ticket_id,
        sender: Some(sender),
        max_bytes: TICKET_BYTES,
        opens_per_hour: TICKET_OPENS,
        expires: 0,
        push,
    }
}

/// What a phone tells every laptop about itself; public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneIdentity {
    /// What the phone calls itself, at most 64 characters.
    pub name: String,
    /// Seeds are sealed to this.
    pub recipient: Recipient,
    /// Records and receipts are signed by this.
    pub signer: PublicKey,
}

/// P1 was sent.
pub struct AwaitP2 {
    code: PairingCode,
    handshake: Handshake,
    push: Vec<u8>,
}

impl AwaitP2 {
    /// Begins with a scanned code; gives P1.
    ///
    /// # Errors
    /// [`PairingError::Peer`] if the code's key is no X25519 key.
    pub fn start(device: &DeviceRoot, code: PairingCode, rng: &mut (impl RngCore + CryptoRng)) -> Result<(Self, Vec<u8>), PairingError> {
        let id = code.pairing_id();
        let own = device.derive_channel(&id);
        let mut handshake = Handshake::new(Suite::Pairing, Side::Initiator(code.ci_static), &id, &own, &code.psk, Secret32::make(rng))?;
        let p1 = handshake.write(&[])?;
        Ok((Self { code, handshake, push: Vec::new() }, p1))
    }

    /// The ticket will carry this push address, which the relay sealed for this pairing's mailbox.
    #[must_use]
    pub fn with_push(mut self, sealed: Vec<u8>) -> Self {
        self.push = sealed;
        self
    }

    /// Takes P2, gives P3; the six digits are to be shown next.
    ///
    /// # Errors
    /// [`PairingError::Peer`].
    pub fn receive(
        mut self,
        p2: &[u8],
        device: &DeviceRoot,
        identity: &PhoneIdentity,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(AwaitP4, Vec<u8>), PairingError> {
        let plain = self.handshake.read(p2)?;
        let hello: CiHello = decode(unpad(&plain, CI_HELLO_SIZES)?)?;
        if hello.v != 1 || !is_clean(&hello.name, MAX_NAME) {
            return Err(PairingError::Peer);
        }
        let pairing_id = self.code.pairing_id();
        let mailbox = device.derive_mailbox(&pairing_id);
        let mut ticket_id = [0; 16];
        rng.fill_bytes(&mut ticket_id);
        let ticket = ticket_for(&mailbox, ticket_id, *hello.sender, self.push.clone());
        let share = Secret32::make(rng);
        let phone_hello = PhoneHello {
            v: 1,
            name: clean(&identity.name, MAX_NAME),
            recipient: identity.recipient.to_string(),
            signer: ByteArray::new(identity.signer),
            ticket: ByteBuf::from(ticket.sign(&mailbox)),
            // Sent to the laptop, encrypted: both shares go into the psk.
            psk_share: ByteArray::new(*share.expose()),
        };
        let p3 = self.handshake.write(&pad(&encode(&phone_hello)?, PHONE_HELLO_SIZES)?)?;
        let transport = self.handshake.finish()?;
        // Input of HKDF.
        let psk = derive_psk(transport.hash(), &self.code.psk, &hello.psk_share, share.expose());
        let paired = PhonePaired {
            pairing_id,
            name: hello.name,
            relay: self.code.relay,
            ci_static: self.code.ci_static,
            psk,
            ticket_id,
            push: self.push,
            p5: Vec::new(),
        };
        Ok((AwaitP4 { transport, paired }, p3))
    }
}

/// The six digits are on screen.
pub struct AwaitP4 {
    transport: Transport,
    paired: PhonePaired,
}

impl AwaitP4 {
    /// The six digits to show.
    #[must_use]
    pub fn digits(&self) -> String {
        derive_digits(self.transport.hash())
    }

    /// What the laptop calls this pairing.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.paired.name
    }

    /// Takes P4: the digits were right. Storing the result gives P5.
    ///
    /// # Errors
    /// [`PairingError::Peer`].
    pub fn receive(mut self, p4: &[u8]) -> Result<PhonePaired, PairingError> {
        let plain = self.transport.read(p4)?;
        if decode::<Done>(unpad(&plain, DONE_SIZES)?)? != Done::Paired {
            return Err(PairingError::Peer);
        }
        self.paired.p5 = self.transport.write(&pad(&encode(&Done::Stored)?, DONE_SIZES)?)?;
        Ok(self.paired)
    }
}

/// The phone's result, to be stored; holds the psk.
#[derive(Debug)]
pub struct PhonePaired {
    /// Names the pairing.
    pub pairing_id: PairingId,
    /// What the laptop calls it.
    pub name: String,
    /// Where its mailbox is.
    pub relay: RelayUrl,
    /// CI's channel static.
    pub ci_static: ChannelPublic,
    /// The pairing's psk.
    pub psk: Secret32,
    /// The ticket CI was given.
    pub ticket_id: [u8; 16],
    /// The sealed push address in it; empty if there is none.
    pub push: Vec<u8>,
    /// Says that the pairing is stored; given out by [`crate::phone::Phone::add_pairing`] once it is.
    pub(crate) p5: Vec<u8>,
}
