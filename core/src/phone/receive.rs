//! What arrives from a job: M1, M3, M5, Cancel, and jobs that come back (docs/PROTOCOL.md §5.4, §5.6).

use serde_bytes::ByteArray;

use super::{
    At, Context, HistoryOutcome, Phone, PhoneEvent,
    enroll::parse_recipients,
    session::{AwaitConfirm, AwaitHuman, Channel, Session},
    state::{Id, Replay, State},
};
use crate::{
    channel::{ChannelError, Handshake, Side, Suite, decode, encode, pad, unpad},
    keys::{PairingId, Secret32},
    otp::parse_otpauth,
    relay::CloseReason,
    request::{
        ACK_SIZES, Ack, AckState, CONFIRM_TIMEOUT_MS, CiMessage, Confirm, Enroll, MAX_M1, MAX_SKEW, MatchNumber, Operation, Outcome,
        REPLAY_MARGIN, REQUEST_SIZES, RESUME, RESUME_GRACE_MS, Request, SHORT_SIZES, SIX_DIGITS, derive_resume_tag,
    },
    seed::SealedSeed,
    text::{MAX_NAME, is_clean},
};

/// What M1 came to.
enum Turned {
    /// Close the circuit; the peer learns no more.
    Away(CloseReason),
}

impl From<ChannelError> for Turned {
    fn from(_: ChannelError) -> Self {
        Self::Away(CloseReason::Refused)
    }
}

impl Phone {
    /// A circuit was opened to the mailbox of a pairing.
    pub(super) fn incoming(&mut self, id: &PairingId, at: At, tail: &[u8], ctx: &mut Context<'_>) {
        let (kind, body) = match tail.split_first() {
            Some((kind, body)) if tail.len() <= MAX_M1 => (*kind, body),
            _ => return self.close(&at, CloseReason::Refused),
        };
        if kind == RESUME {
            return self.resume(id, at, body, ctx);
        }
        if kind != Suite::Keyed.byte() {
            return self.close(&at, CloseReason::Refused);
        }
        if let Err(Turned::Away(reason)) = self.first(id, &at, body, ctx) {
            self.close(&at, reason);
        }
    }

    /// M1.
    fn first(&mut self, id: &PairingId, at: &At, noise1: &[u8], ctx: &mut Context<'_>) -> Result<(), Turned> {
        let refused = || Turned::Away(CloseReason::Refused);
        let ephemeral: [u8; 32] = noise1.first_chunk().copied().ok_or_else(refused)?;
        let pairing = self.state.pairing(id).ok_or_else(refused)?;
        if self.state.replay.iter().any(|entry| *entry.ephemeral == ephemeral) {
            return Err(refused());
        }
        let own = self.device.derive_channel(id);
        let side = Side::Responder(pairing.ci_static.into_array());
        let mut handshake = Handshake::new(Suite::Keyed, side, id, &own, &pairing.psk.0, Secret32::make(&mut ctx.rng))?;
        let plain = handshake.read(noise1)?;
        let request: Request = decode(unpad(&plain, REQUEST_SIZES)?)?;
        if self.state.replay.iter().any(|entry| entry.request == request.request_id) {
            return Err(refused());
        }
        let (state, seed) = self.judge(id, &request, ctx);
        let ack = Ack::new(ctx.now.unix, state, SIX_DIGITS);
        let m2 = handshake.write(&pad(&encode(&ack)?, ACK_SIZES)?)?;
        let transport = handshake.finish()?;
        if state != AckState::Ok || request.operation == Operation::Ping {
            // Nothing can come of it, so there is nothing to remember.
            self.send(at, &m2);
            self.close(at, CloseReason::Done);
            return Ok(());
        }
        let tag = derive_resume_tag(transport.hash());
        self.note(id, ephemeral, &request, tag, ctx)?;
        self.send(at, &m2);
        let channel = Channel::new(transport, request, tag, seed, ctx.now);
        let deadline = ctx.now.mono.saturating_add(CONFIRM_TIMEOUT_MS);
        self.sessions.insert(*id, Session::AwaitConfirm(AwaitConfirm { channel, at: Some(at.clone()), deadline }));
        Ok(())
    }

    /// What the Ack is to say, and which seed is meant.
    fn judge(&mut self, id: &PairingId, request: &Request, ctx: &Context<'_>) -> (AckState, Option<[u8; 16]>) {
        if ctx.now.unix.abs_diff(request.created_at) > MAX_SKEW {
            let apart = i64::try_from(i128::from(request.created_at) - i128::from(ctx.now.unix)).unwrap_or(i64::MAX);
            self.event(PhoneEvent::ClockApart(*id, apart));
            return (AckState::Clock, None);
        }
        if !request.is_within_limits() {
            return (AckState::Malformed, None);
        }
        if request.operation == Operation::Ping {
            return (AckState::Ok, None);
        }
        if self.is_busy(id, ctx) {
            return (AckState::Busy, None);
        }
        if matches!(request.operation, Operation::Enroll | Operation::Ticket) {
            return (AckState::Ok, None);
        }
        let Ok(sealed) = SealedSeed::parse(request.sealed.to_vec()) else {
            return (AckState::Malformed, None);
        };
        match self.state.seed_of_file(&sealed.digest()) {
            None => (AckState::UnknownSeed, None),
            Some(seed) if self.state.grant(id, &seed.id) == Some(false) => (AckState::Policy, None),
            Some(seed) => (AckState::Ok, Some(*seed.id)),
        }
    }

    /// One live session per pairing; one that lost its job long enough ago makes room.
    fn is_busy(&mut self, id: &PairingId, ctx: &Context<'_>) -> bool {
        if self.state.replay_is_full(id, ctx.now.unix) {
            return true;
        }
        match self.sessions.get(id) {
            None | Some(Session::Answered(_)) => false,
            Some(Session::AwaitConfirm(_)) => true,
            Some(Session::AwaitHuman(session)) => {
                let abandoned = session.at.is_none() && ctx.now.mono.saturating_sub(session.away_since) >= RESUME_GRACE_MS;
                if abandoned {
                    self.sessions.remove(id);
                    self.event(PhoneEvent::Withdrawn(*id));
                }
                !abandoned
            }
        }
    }

    /// The replay memory, on disk before M2 leaves.
    fn note(&mut self, id: &PairingId, ephemeral: [u8; 32], request: &Request, tag: [u8; 16], ctx: &mut Context<'_>) -> Result<(), Turned> {
        let now = ctx.now.unix;
        let entry = Replay {
            pairing: Id::new(*id),
            ephemeral: ByteArray::new(ephemeral),
            request: request.request_id,
            tag: Id::new(tag),
            until: now.max(request.created_at).saturating_add(u64::from(request.ttl)).saturating_add(REPLAY_MARGIN),
            m4: None,
        };
        let noted = self.transact(ctx, move |state: &mut State| {
            state.forget_expired(now);
            state.replay.push(entry);
        });
        noted.map_err(|error| {
            self.event(PhoneEvent::NotSaved(error));
            Turned::Away(CloseReason::PhoneFailed)
        })
    }

    /// A job comes back after a lost connection.
    fn resume(&mut self, id: &PairingId, at: At, body: &[u8], ctx: &mut Context<'_>) {
        let Some((tag, m3)) = body.split_first_chunk::<16>() else {
            return self.close(&at, CloseReason::Refused);
        };
        match self.sessions.get_mut(id) {
            Some(Session::AwaitConfirm(session)) if session.channel.tag == *tag => {
                session.at = Some(at.clone());
                return self.message(id, &at, m3, ctx);
            }
            Some(Session::AwaitHuman(session)) if session.channel.tag == *tag => {
                session.at = Some(at);
                return self.event(PhoneEvent::JobBack(*id));
            }
            Some(Session::Answered(session)) if session.channel.tag == *tag => session.at = Some(at.clone()),
            _ => {}
        }
        let answer = self.state.replay.iter().find(|entry| *entry.tag == *tag && *entry.pairing == *id).and_then(|entry| entry.m4.clone());
        match answer {
            Some(m4) => {
                self.send(&at, &m4);
                if self.session_at(&at).is_none() {
                    self.close(&at, CloseReason::Done);
                }
            }
            None => self.close(&at, CloseReason::SessionUnknown),
        }
    }

    /// A message on the circuit of a session.
    pub(super) fn message(&mut self, id: &PairingId, at: &At, tail: &[u8], ctx: &mut Context<'_>) {
        match self.sessions.remove(id) {
            Some(Session::AwaitConfirm(session)) if session.channel.request.operation == Operation::Ticket => {
                match self.renew(id, session, tail, ctx) {
                    Ok(answer) => {
                        self.send(at, &answer);
                        self.close(at, CloseReason::Done);
                    }
                    Err(reason) => self.close(at, reason),
                }
            }
            Some(Session::AwaitConfirm(session)) => match self.confirmed(session, tail, ctx) {
                Ok(session) => {
                    self.sessions.insert(*id, Session::AwaitHuman(session));
                    self.event(PhoneEvent::Asked(*id));
                }
                Err(reason) => self.close(at, reason),
            },
            Some(Session::AwaitHuman(session)) if session.m3 == tail => {
                // The relay delivered M3 twice.
                self.sessions.insert(*id, Session::AwaitHuman(session));
            }
            Some(Session::AwaitHuman(mut session)) => {
                // Cancel is all that may come now; anything else ends the session just the same.
                let withdrawn = matches!(read(&mut session.channel, tail), Ok(CiMessage::Cancel(_)));
                self.close(at, if withdrawn { CloseReason::Done } else { CloseReason::Refused });
                self.withdrawn(id, &session.channel, ctx);
            }
            Some(Session::Answered(mut session)) => {
                if let Ok(CiMessage::Outcome(outcome)) = read(&mut session.channel, tail) {
                    self.settle(&session.channel, outcome, ctx);
                }
                self.event(PhoneEvent::Settled(*id));
            }
            None => {}
        }
    }

    /// M3. One that was damaged on the way ends the session as if there had been none; one that breaks the rules is refused.
    fn confirmed(&self, mut session: AwaitConfirm, tail: &[u8], ctx: &Context<'_>) -> Result<AwaitHuman, CloseReason> {
        let request = &session.channel.request;
        let (request_id, operation) = (request.request_id, request.operation);
        let message = read(&mut session.channel, tail).map_err(|_| CloseReason::SessionUnknown)?;
        let CiMessage::Confirm(Confirm { request_id: confirmed, enroll }) = message else {
            return Err(CloseReason::Refused);
        };
        let sound = enroll.as_ref().is_none_or(is_sound);
        if confirmed != request_id || enroll.is_some() != (operation == Operation::Enroll) || !sound {
            return Err(CloseReason::Refused);
        }
        if self.shows_number_of(&session.channel) {
            return Err(CloseReason::SessionUnknown);
        }
        Ok(AwaitHuman {
            channel: session.channel,
            enroll,
            m3: tail.to_vec(),
            at: session.at,
            away_since: ctx.now.mono,
            decided: None,
            thrown_away: 0,
        })
    }

    /// Whether a request on screen has the number of this one. One of the two may come from somebody who drew numbers until they were the same.
    fn shows_number_of(&self, channel: &Channel) -> bool {
        let number = |channel: &Channel| MatchNumber::derive(channel.transport.hash(), SIX_DIGITS);
        let own = number(channel);
        self.sessions.values().any(|session| matches!(session, Session::AwaitHuman(other) if number(&other.channel) == own))
    }

    fn withdrawn(&mut self, id: &PairingId, channel: &Channel, ctx: &mut Context<'_>) {
        let entry = self.history_entry(id, channel, 0, HistoryOutcome::Withdrawn, ctx.now);
        // History of a withdrawn request is a courtesy: nothing depends on it being saved.
        let _ = self.transact(ctx, |state| state.remember(entry));
        self.event(PhoneEvent::Withdrawn(*id));
    }

    fn settle(&mut self, channel: &Channel, outcome: Outcome, ctx: &mut Context<'_>) {
        let outcome = match outcome {
            Outcome::Used => HistoryOutcome::Used,
            Outcome::NotUsed => HistoryOutcome::NotUsed,
            Outcome::Rejected => HistoryOutcome::Rejected,
        };
        let request = channel.request.request_id.into_array();
        // As above.
        let _ = self.transact(ctx, |state| state.settle(&request, outcome));
    }
}

/// Whether what is to be enrolled may be shown: the texts are clean, the URI and the recipients are such.
fn is_sound(enroll: &Enroll) -> bool {
    is_clean(&enroll.name, MAX_NAME)
        && parse_recipients(&enroll.recipients).is_ok()
        && enroll.uri.as_ref().is_none_or(|uri| parse_otpauth(uri.trim()).is_ok())
}

fn read(channel: &mut Channel, tail: &[u8]) -> Result<CiMessage, ChannelError> {
    let plain = channel.transport.read(tail)?;
    decode(unpad(&plain, SHORT_SIZES)?)
}
