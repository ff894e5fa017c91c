//! Wake-ups: where this phone is reached by push messages, and who was told (docs/PROTOCOL.md §7.7).

use std::net::IpAddr;

use serde_bytes::{ByteArray, ByteBuf};

use super::{
    Context, Phone, PhoneError, PhoneEvent, PhoneOutput, WakeUpState,
    session::AwaitConfirm,
    state::{MAX_PAIRINGS, Pairing, Push, State, WakeUp, wake_up_of},
};
use crate::{
    channel::{ChannelError, decode, encode, pad, unpad},
    keys::PairingId,
    pairing::ticket_for,
    relay::{CloseReason, ErrorCode, Frame, MAX_ENDPOINT, Mailbox, PushStatus, RelayUrl, Subscription},
    request::{CiMessage, PhoneMessage, RESULT_SIZES, Renew, SHORT_SIZES},
};

/// A push subscription of this phone. Whoever has it can wake the phone: `Debug` reveals nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PushAddress {
    /// URL of the push service (https), at most [`MAX_ENDPOINT`] printable ASCII characters; or `apns:` or `fcm:` and a token, for relays with a gateway.
    pub endpoint: String,
    /// The P-256 public key of its messages, uncompressed; 65 bytes.
    pub p256dh: [u8; 65],
    /// Their authentication secret; 16 bytes.
    pub auth: [u8; 16],
}

impl std::fmt::Debug for PushAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushAddress(..)")
    }
}

impl PushAddress {
    /// The token of a service (`apns`, `fcm`) that has no keys of its own, for relays with a gateway to it.
    #[must_use]
    pub fn token(service: &str, token: &str) -> Self {
        let mut p256dh = [0; 65];
        p256dh[0] = 4;
        Self { endpoint: format!("{service}:{}", token.trim()), p256dh, auth: [0; 16] }
    }

    /// Only the form is looked at; whether it is an address that can be sent to, the relay says.
    fn is_sound(&self) -> bool {
        let known = ["https://", "apns:", "fcm:"].iter().any(|start| self.endpoint.len() > start.len() && self.endpoint.starts_with(start));
        (known || is_on_this_machine(&self.endpoint))
            && self.endpoint.len() <= MAX_ENDPOINT
            && self.endpoint.bytes().all(|byte| byte.is_ascii_graphic())
            && self.p256dh.first() == Some(&4)
    }
}

/// Without TLS only what leaves no machine: a push service under test.
fn is_on_this_machine(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// PUSHes of one connection.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    unanswered: usize,
    /// The human was told that the relay does not do it.
    told: bool,
}

impl Phone {
    /// From now on a relay (`None`: every relay that has no address of its own) may wake this phone at `address`; `None`: no longer. Relays that are connected
    /// are asked at once, the others when they are. Tickets have to be renewed: [`super::PairingInfo::wake_up`].
    ///
    /// # Errors
    /// [`PhoneError::PushAddress`], [`PhoneError::Full`], [`PhoneError::NotSaved`].
    pub fn set_wake_up(&mut self, relay: Option<&RelayUrl>, address: Option<PushAddress>, ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        if !address.as_ref().is_none_or(PushAddress::is_sound) {
            return Err(PhoneError::PushAddress);
        }
        let relay = relay.map(|relay| relay.origin().to_owned()).unwrap_or_default();
        let before = self.state.paired.wake_ups.clone();
        if address.is_some() && before.iter().filter(|wake_up| wake_up.relay != relay).count() >= MAX_PAIRINGS {
            return Err(PhoneError::Full { what: "wake-up addresses" });
        }
        self.transact(ctx, |state| {
            state.paired.wake_ups.retain(|wake_up| wake_up.relay != relay);
            state.paired.wake_ups.extend(address.map(|it| WakeUp {
                relay,
                endpoint: it.endpoint,
                p256dh: ByteArray::new(it.p256dh),
                auth: ByteArray::new(it.auth),
            }));
            let changed = |pairing: &Pairing| state.wake_up(&pairing.relay) != wake_up_of(&before, &pairing.relay);
            let changed: Vec<_> = state.paired.pairings.iter().filter(|pairing| changed(pairing)).map(|pairing| pairing.id).collect();
            for pairing in state.paired.pairings.iter_mut().filter(|pairing| changed.contains(&pairing.id)) {
                pairing.push = None;
            }
        })?;
        self.without_push.clear();
        let here: Vec<(Mailbox, PairingId, RelayUrl)> = self.mailboxes.clone();
        for (mailbox, id, relay) in here {
            self.register(mailbox, &id, &relay);
        }
        Ok(())
    }

    /// The address that a relay may wake this phone at.
    #[must_use]
    pub fn wake_up(&self, relay: &RelayUrl) -> Option<PushAddress> {
        let wake_up = self.state.wake_up(relay.origin())?;
        Some(PushAddress { endpoint: wake_up.endpoint.clone(), p256dh: *wake_up.p256dh, auth: *wake_up.auth })
    }

    /// A new connection: what the old one was asked is void.
    pub(super) fn forget_pushes(&mut self, relay: &RelayUrl) {
        self.pushes.remove(relay.origin());
    }

    /// A mailbox is proven, or about to be: has the relay seal the address for it, if there is one and it is a live pairing.
    pub(super) fn register(&mut self, mailbox: Mailbox, id: &PairingId, relay: &RelayUrl) {
        if self.state.pairing(id).is_none() || self.without_push.contains(relay) {
            return;
        }
        let Some(address) = self.wake_up(relay) else { return };
        let subscription = Subscription { p256dh: address.p256dh, auth: address.auth, endpoint: address.endpoint.as_bytes() };
        let frame = Frame::Push { mailbox, subscription: Some(subscription) }.encode();
        self.outputs.push_back(PhoneOutput::Send { relay: relay.clone(), frame });
        self.pushes_at(relay).unanswered += 1;
    }

    /// PUSH_SEALED.
    pub(super) fn push_sealed(&mut self, relay: &RelayUrl, mailbox: &Mailbox, status: PushStatus, sealed: &[u8], ctx: &mut Context<'_>) {
        let pushes = self.pushes_at(relay);
        // What nobody asked for is not stored.
        let Some(left) = pushes.unanswered.checked_sub(1) else { return };
        pushes.unanswered = left;
        if self.state.wake_up(relay.origin()).is_none() {
            return;
        }
        if status != PushStatus::Ok || sealed.is_empty() {
            return self.not_registered(relay, if status == PushStatus::Ok { PushStatus::Off } else { status });
        }
        let Some(id) = self.pairing_of(mailbox, relay) else { return };
        let Some(pairing) = self.state.pairing(&id) else { return };
        if pairing.push.as_ref().is_some_and(|push| push.sealed == sealed) {
            return;
        }
        let push = Push { sealed: ByteBuf::from(sealed), given: false };
        match self.transact(ctx, |state| state.set_push(&id, push)) {
            Ok(()) => self.event(PhoneEvent::WakeUpRegistered(id)),
            Err(error) => self.event(PhoneEvent::NotSaved(error)),
        }
    }

    /// The relay complained. If it did so about a PUSH, it does not know them: it is not sent another, or it would end every connection.
    pub(super) fn push_not_known(&mut self, relay: &RelayUrl, code: ErrorCode) {
        if code == ErrorCode::Malformed && self.pushes_at(relay).unanswered > 0 {
            self.without_push.push(relay.clone());
            self.not_registered(relay, PushStatus::Off);
        }
    }

    /// M3 of the operation `ticket`: the newest ticket, without asking anybody.
    pub(super) fn renew(
        &mut self,
        id: &PairingId,
        mut session: AwaitConfirm,
        tail: &[u8],
        ctx: &mut Context<'_>,
    ) -> Result<Vec<u8>, CloseReason> {
        let request_id = session.channel.request.request_id;
        let damaged = |_: ChannelError| CloseReason::SessionUnknown;
        let plain = session.channel.transport.read(tail).map_err(damaged)?;
        let message = unpad(&plain, SHORT_SIZES).and_then(decode).map_err(damaged)?;
        let (CiMessage::Renew(Renew { request_id: renewed, sender }), Some(pairing)) = (message, self.state.pairing(id)) else {
            return Err(CloseReason::Refused);
        };
        if renewed != request_id {
            return Err(CloseReason::Refused);
        }
        let push = pairing.push.as_ref().map(|push| push.sealed.to_vec()).unwrap_or_default();
        let mailbox = self.device.derive_mailbox(id);
        let ticket = ticket_for(&mailbox, *pairing.ticket, *sender, push).sign(&mailbox);
        let message = encode(&PhoneMessage::Ticket(ByteBuf::from(ticket))).and_then(|body| pad(&body, RESULT_SIZES));
        let answer = message.and_then(|message| session.channel.transport.write(&message)).map_err(|_| CloseReason::PhoneFailed)?;
        if self.wake_up_state(id) == WakeUpState::NeedsTicket {
            // Only shown; a laptop that lost the answer asks again.
            let _ = self.transact(ctx, |state: &mut State| state.push_given(id));
        }
        Ok(answer)
    }

    /// How far wake-ups are for a pairing.
    pub(super) fn wake_up_state(&self, id: &PairingId) -> WakeUpState {
        match self.state.pairing(id).and_then(|pairing| pairing.push.as_ref()) {
            None => WakeUpState::Off,
            Some(Push { given: false, .. }) => WakeUpState::NeedsTicket,
            Some(Push { given: true, .. }) => WakeUpState::Ready,
        }
    }

    fn not_registered(&mut self, relay: &RelayUrl, status: PushStatus) {
        if !std::mem::replace(&mut self.pushes_at(relay).told, true) {
            self.event(PhoneEvent::WakeUpRefused(relay.clone(), status));
        }
    }

    fn pushes_at(&mut self, relay: &RelayUrl) -> &mut Pushes {
        self.pushes.entry(relay.origin().to_owned()).or_default()
    }
}
