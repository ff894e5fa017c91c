//! The five messages as CI sees them: each state is consumed by the message that ends it.

use serde_bytes::ByteArray;

use super::CiPairing;
use crate::{
    channel::{ChannelError, Handshake, Side, Suite, Transport, decode, encode, pad, unpad},
    keys::{CiKey, PublicKey, Secret32},
    otp::Code,
    relay::parse_ticket,
    request::{
        ACK_SIZES, Ack, CancelReason, CiMessage, Confirm, Enroll, MAX_CODES, MatchNumber, Outcome, PhoneMessage, REQUEST_SIZES,
        RESULT_SIZES, ReceiptOf, Renew, Request, RequestResult, ResumeTag, SHORT_SIZES, Status, derive_resume_tag,
    },
    seed::SealedSeed,
    text::{MAX_LABEL, MAX_REASON, is_clean},
};

/// M1 was sent.
pub(crate) struct AwaitAck {
    handshake: Handshake,
    request: Request,
}

impl AwaitAck {
    /// Gives M1.
    pub(crate) fn start(pairing: &CiPairing, key: &CiKey, request: Request, ephemeral: Secret32) -> Result<(Self, Vec<u8>), ChannelError> {
        let own = key.root.derive_channel();
        let side = Side::Initiator(pairing.phone_static);
        let mut handshake = Handshake::new(Suite::Keyed, side, &pairing.pairing_id, &own, &key.psk, ephemeral)?;
        let mut m1 = vec![Suite::Keyed.byte()];
        m1.extend(handshake.write(&pad(&encode(&request)?, REQUEST_SIZES)?)?);
        Ok((Self { handshake, request }, m1))
    }

    /// Takes M2.
    pub(crate) fn receive(mut self, m2: &[u8]) -> Result<(Ack, Acked), ChannelError> {
        let plain = self.handshake.read(m2)?;
        let ack: Ack = decode(unpad(&plain, ACK_SIZES)?)?;
        // Suite 1 never verifies CI's identity: another number of digits would weaken the match number.
        if ack.digits != crate::request::SIX_DIGITS {
            return Err(ChannelError::Malformed);
        }
        let transport = self.handshake.finish()?;
        let number = MatchNumber::derive(transport.hash(), ack.digits);
        Ok((ack, Acked { transport, request: self.request, number }))
    }
}

/// M2 came.
pub(crate) struct Acked {
    transport: Transport,
    request: Request,
    number: MatchNumber,
}

impl Acked {
    /// Gives M3.
    pub(crate) fn confirm(mut self, enroll: Option<Enroll>) -> Result<(AwaitResult, Vec<u8>), ChannelError> {
        let confirm = CiMessage::Confirm(Confirm { request_id: self.request.request_id, enroll });
        let m3 = self.transport.write(&pad(&encode(&confirm)?, SHORT_SIZES)?)?;
        let tag = derive_resume_tag(self.transport.hash());
        Ok((AwaitResult { transport: self.transport, request: self.request, number: self.number, tag }, m3))
    }
}

impl Acked {
    /// Gives M3 of the operation `Ticket`.
    pub(crate) fn renew(mut self, sender: PublicKey) -> Result<(AwaitTicket, Vec<u8>), ChannelError> {
        let renew = CiMessage::Renew(Renew { request_id: self.request.request_id, sender: ByteArray::new(sender) });
        let m3 = self.transport.write(&pad(&encode(&renew)?, SHORT_SIZES)?)?;
        Ok((AwaitTicket { transport: self.transport, sender }, m3))
    }
}

/// M3 was sent; the phone answers by itself.
pub(crate) struct AwaitTicket {
    transport: Transport,
    sender: PublicKey,
}

impl AwaitTicket {
    /// Takes the ticket: signed by the mailbox of the one we have, and ours to use.
    pub(crate) fn receive(mut self, message: &[u8], pairing: &CiPairing) -> Result<Vec<u8>, ChannelError> {
        let plain = self.transport.read(message)?;
        let PhoneMessage::Ticket(bytes) = decode(unpad(&plain, RESULT_SIZES)?)? else { return Err(ChannelError::Malformed) };
        let (old, new) = (parse_ticket(&pairing.ticket), parse_ticket(&bytes));
        let (Ok(old), Ok(new)) = (old, new) else { return Err(ChannelError::Malformed) };
        let fits = new.mailbox_public == old.mailbox_public && new.sender == Some(self.sender);
        if fits { Ok(bytes.into_vec()) } else { Err(ChannelError::Malformed) }
    }
}

/// M3 was sent; the human is being asked.
pub(crate) struct AwaitResult {
    transport: Transport,
    request: Request,
    number: MatchNumber,
    tag: ResumeTag,
}

impl AwaitResult {
    pub(crate) fn number(&self) -> &MatchNumber {
        &self.number
    }

    pub(crate) fn tag(&self) -> &ResumeTag {
        &self.tag
    }

    /// Takes M4, or the phone's Cancel, and checks everything in it.
    pub(crate) fn receive(&mut self, message: &[u8], pairing: &CiPairing) -> Result<PhoneMessage, ChannelError> {
        let plain = self.transport.read(message)?;
        let message: PhoneMessage = decode(unpad(&plain, RESULT_SIZES)?)?;
        if let PhoneMessage::Result(result) = &message {
            let clean = is_clean(&result.reason, MAX_REASON) && is_clean(&result.label, MAX_LABEL);
            if !clean || (result.status == Status::Approved && !self.is_sound(result, pairing)) {
                return Err(ChannelError::Malformed);
            }
        }
        Ok(message)
    }

    /// Gives Cancel.
    pub(crate) fn cancel(&mut self, reason: CancelReason) -> Result<Vec<u8>, ChannelError> {
        self.transport.write(&pad(&encode(&CiMessage::Cancel(reason))?, SHORT_SIZES)?)
    }

    /// Gives M5.
    pub(crate) fn outcome(&mut self, outcome: Outcome) -> Result<Vec<u8>, ChannelError> {
        self.transport.write(&pad(&encode(&CiMessage::Outcome(outcome))?, SHORT_SIZES)?)
    }

    fn is_sound(&self, result: &RequestResult, pairing: &CiPairing) -> bool {
        let steps_follow = result.codes.windows(2).all(|pair| matches!(pair, [a, b] if a.0.checked_add(1) == Some(b.0)));
        let most = if self.request.sealed.is_empty() { 0 } else { self.request.codes.min(MAX_CODES) };
        let Ok(count) = u8::try_from(result.codes.len()) else { return false };
        let fits = if most == 0 { count == 0 && SealedSeed::parse(result.sealed.to_vec()).is_ok() } else { (1..=most).contains(&count) };
        // The first step is at most a whole batch ahead, so that nobody waits for ever.
        let near =
            result.codes.first().is_none_or(|code| code.0 <= (result.now / result.period.max(1)).saturating_add(u64::from(MAX_CODES)));
        // Only the form is looked at here.
        let digits = result.codes.iter().all(|code| Code::parse(code.1.expose()).is_some());
        let period = count == 0 || (crate::otp::MIN_PERIOD..=crate::otp::MAX_PERIOD).contains(&result.period);
        let Ok(receipt) = result.receipt.as_slice().try_into() else { return false };
        let signed = ReceiptOf {
            hash: self.transport.hash(),
            request_id: &self.request.request_id,
            seed_id: &result.seed_id,
            now: result.now,
            first_step: result.codes.first().map_or(0, |code| code.0),
            count,
        };
        steps_follow && near && fits && digits && period && signed.verify(&pairing.signer, receipt).is_ok()
    }
}
