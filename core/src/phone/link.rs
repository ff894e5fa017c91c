//! Relay connections: mailboxes, circuits, and where each frame goes.

use super::{At, Context, Phone, PhoneEvent, PhoneOutput, session::Session, state::State};
use crate::{
    keys::PairingId,
    relay::{CloseReason, Frame, Mailbox, MailboxProof, Nonce, RelayUrl, TicketId, mailbox_address},
};

/// A connection.
pub(super) struct Link {
    relay: RelayUrl,
    /// Of its HELLO.
    nonce: Nonce,
    /// Another device has taken a mailbox over.
    evicted: bool,
}

impl Phone {
    /// The relays that this phone has mailboxes at.
    #[must_use]
    pub fn relays(&self) -> Vec<RelayUrl> {
        let mut relays: Vec<RelayUrl> = Vec::new();
        for relay in addresses(&self.state).filter_map(|(_, relay, _)| RelayUrl::parse(relay).ok()) {
            if !relays.contains(&relay) {
                relays.push(relay);
            }
        }
        relays
    }

    /// A connection to `relay` is up and it said HELLO with `nonce`: proves the mailboxes there, live pairings first. Call [`Phone::disconnected`]
    /// before it is replaced by another.
    pub fn connected(&mut self, relay: &RelayUrl, nonce: &Nonce) {
        self.mailboxes.retain(|(_, _, at)| at != relay);
        self.links.retain(|link| link.relay != *relay);
        self.forget_pushes(relay);
        self.links.push(Link { relay: relay.clone(), nonce: *nonce, evicted: false });
        let here = addresses(&self.state).filter(|(_, at, _)| *at == relay.origin());
        let here: Vec<PairingId> = here.map(|(id, ..)| id).take(MAX_PROVEN).collect();
        for id in here {
            self.prove(&id);
        }
    }

    /// Proves the mailbox of a pairing, live or taken back, if its relay is connected and has room for it.
    pub(super) fn prove(&mut self, id: &PairingId) {
        let Some((_, origin, denied)) = addresses(&self.state).find(|(of, ..)| of == id) else { return };
        let link = self.links.iter().find(|link| link.relay.origin() == origin);
        let Some((relay, nonce)) = link.map(|link| (link.relay.clone(), link.nonce)) else { return };
        self.mailboxes.retain(|(_, of, _)| of != id);
        if self.mailboxes.iter().filter(|(_, _, at)| *at == relay).count() >= MAX_PROVEN {
            return;
        }
        let key = self.device.derive_mailbox(id);
        let mailbox_public = key.public();
        let signature = MailboxProof { origin: relay.origin(), nonce: &nonce }.sign(&key);
        let deny: Vec<TicketId> = denied.into_iter().collect();
        let frame = Frame::Prove { mailbox_public, signature, deny: &deny }.encode();
        self.outputs.push_back(PhoneOutput::Send { relay: relay.clone(), frame });
        self.mailboxes.push((mailbox_address(&mailbox_public), *id, relay));
    }

    /// The connection to `relay` ended: its circuits are gone.
    pub fn disconnected(&mut self, relay: &RelayUrl, ctx: &Context<'_>) {
        self.mailboxes.retain(|(_, _, at)| at != relay);
        self.links.retain(|link| link.relay != *relay);
        self.state.forget_denied(ctx.now.unix);
        let lost: Vec<PairingId> =
            self.sessions.iter().filter(|(_, session)| session.at().is_some_and(|at| at.relay == *relay)).map(|(id, _)| *id).collect();
        for id in lost {
            self.lost_circuit(&id, ctx);
        }
    }

    /// `relay` sent a frame.
    pub fn received(&mut self, relay: &RelayUrl, frame: &[u8], ctx: &mut Context<'_>) {
        match Frame::parse(frame) {
            Ok(Frame::Incoming { circuit, mailbox, tail, .. }) => {
                let at = At { relay: relay.clone(), circuit };
                // What has expired must not stand in the way.
                self.tick(ctx);
                match self.pairing_of(&mailbox, relay) {
                    Some(id) => self.incoming(&id, at, tail, ctx),
                    None => self.close(&at, CloseReason::Refused),
                }
            }
            Ok(Frame::Data { circuit, tail }) => {
                let at = At { relay: relay.clone(), circuit };
                if let Some(id) = self.session_at(&at) {
                    self.message(&id, &at, tail, ctx);
                }
            }
            Ok(Frame::Close { circuit, .. }) => {
                let at = At { relay: relay.clone(), circuit };
                if let Some(id) = self.session_at(&at) {
                    self.lost_circuit(&id, ctx);
                }
            }
            Ok(Frame::Proved { mailbox }) => {
                if let Some(id) = self.pairing_of(&mailbox, relay) {
                    self.register(mailbox, &id, relay);
                }
            }
            Ok(Frame::PushSealed { mailbox, status, sealed, .. }) => self.push_sealed(relay, &mailbox, status, sealed, ctx),
            Ok(Frame::Error { code }) => {
                self.push_not_known(relay, code);
                self.event(PhoneEvent::RelayError(relay.clone(), code));
            }
            Ok(Frame::Evicted { mailbox }) => self.evicted(relay, &mailbox),
            _ => {}
        }
    }

    fn evicted(&mut self, relay: &RelayUrl, mailbox: &Mailbox) {
        self.mailboxes.retain(|(address, _, at)| address != mailbox || at != relay);
        let Some(link) = self.links.iter_mut().find(|link| link.relay == *relay) else { return };
        if !std::mem::replace(&mut link.evicted, true) {
            self.event(PhoneEvent::Evicted(relay.clone()));
        }
    }

    /// Time went by.
    pub fn tick(&mut self, ctx: &mut Context<'_>) {
        let due: Vec<PairingId> = self.sessions.iter().filter(|(_, session)| is_due(session, ctx)).map(|(id, _)| *id).collect();
        for id in due {
            match self.sessions.get(&id) {
                Some(Session::AwaitHuman(_)) => self.expire(&id, ctx),
                Some(Session::AwaitConfirm(session)) => {
                    let at = session.at.clone();
                    self.sessions.remove(&id);
                    if let Some(at) = at {
                        self.close(&at, CloseReason::Timeout);
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn send(&mut self, at: &At, tail: &[u8]) {
        let frame = Frame::Data { circuit: at.circuit, tail }.encode();
        self.outputs.push_back(PhoneOutput::Send { relay: at.relay.clone(), frame });
    }

    pub(super) fn close(&mut self, at: &At, reason: CloseReason) {
        let frame = Frame::Close { circuit: at.circuit, reason }.encode();
        self.outputs.push_back(PhoneOutput::Send { relay: at.relay.clone(), frame });
    }

    pub(super) fn pairing_of(&self, mailbox: &Mailbox, relay: &RelayUrl) -> Option<PairingId> {
        self.mailboxes.iter().find(|(address, _, at)| address == mailbox && at == relay).map(|(_, id, _)| *id)
    }

    pub(super) fn session_at(&self, at: &At) -> Option<PairingId> {
        self.sessions.iter().find(|(_, session)| session.at() == Some(at)).map(|(id, _)| *id)
    }

    /// A circuit is gone. Before M3 the session keeps its place until its deadline: whoever holds a CI key can draw a new match number only that often.
    /// After M3 it waits for the job to come back.
    fn lost_circuit(&mut self, id: &PairingId, ctx: &Context<'_>) {
        match self.sessions.get_mut(id) {
            Some(Session::AwaitConfirm(session)) => session.at = None,
            Some(Session::AwaitHuman(session)) => {
                session.at = None;
                session.away_since = ctx.now.mono;
                self.event(PhoneEvent::JobAway(*id));
            }
            _ => {
                self.sessions.remove(id);
                self.event(PhoneEvent::Settled(*id));
            }
        }
    }
}

fn is_due(session: &Session, ctx: &Context<'_>) -> bool {
    match session {
        Session::AwaitConfirm(session) => ctx.now.mono >= session.deadline,
        Session::AwaitHuman(session) => session.channel.has_expired(ctx.now),
        Session::Answered(_) => false,
    }
}

/// Mailboxes that a relay lets one connection prove (docs/PROTOCOL.md §7.5, `MAX_MAILBOXES_PER_CONNECTION`).
const MAX_PROVEN: usize = 64;

/// Every mailbox of the state, live ones first, then those taken back, newest first: pairing, relay, and the ticket to deny if the pairing was taken back.
fn addresses(state: &State) -> impl Iterator<Item = (PairingId, &str, Option<TicketId>)> {
    let live = state.paired.pairings.iter().map(|pairing| (*pairing.id, pairing.relay.as_str(), None));
    let revoked = state.paired.revoked.iter().rev().map(|pairing| (*pairing.id, pairing.relay.as_str(), Some(*pairing.ticket)));
    live.chain(revoked)
}
