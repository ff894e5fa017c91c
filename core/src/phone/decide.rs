//! The human's decision and what follows from it (docs/PROTOCOL.md §5.4, steps 6 and 7).

use serde_bytes::{ByteArray, ByteBuf};

use super::{
    Context, Decision, HistoryEntry, HistoryOutcome, PendingRequest, Phone, PhoneError, PhoneEvent,
    session::{Answered, AwaitHuman, Channel, Decided, Session},
    state::State,
};
use crate::{
    channel::{ChannelError, MAX_SKIPPED, encode, pad},
    keys::{PairingId, UnlockRoot},
    otp::{IssueError, Steps, compute, parse_otpauth, plan},
    relay::CloseReason,
    request::{
        CancelReason, CodeText, MatchNumber, Operation, PhoneMessage, RESULT_SIZES, ReceiptOf, RequestId, RequestResult, SIX_DIGITS,
        Status, StepCode,
    },
    seed::{OpenedSeed, SealedSeed, open},
    text::{MAX_REASON, clean},
    time::Now,
};

/// An answer, ready to be written: what CI gets, what the history says, and what else changes with it.
struct Answer {
    result: RequestResult,
    codes: u8,
    outcome: HistoryOutcome,
}

impl Phone {
    /// Every request that waits for its human.
    #[must_use]
    pub fn pending(&self, now: Now) -> Vec<PendingRequest> {
        let waiting = self.sessions.iter().filter_map(|(id, session)| match session {
            Session::AwaitHuman(session) => Some((id, session)),
            _ => None,
        });
        waiting.map(|(id, session)| self.pending_request(id, session, now)).collect()
    }

    /// Says no, with a reason (cut to 120 characters).
    ///
    /// # Errors
    /// [`PhoneError::NoSuchRequest`].
    pub fn deny(&mut self, request: &RequestId, reason: &str, ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        let id = self.waiting(request)?;
        self.end(&id, Status::Denied, &clean(reason, MAX_REASON), HistoryOutcome::Denied, ctx)
    }

    /// Says no to a request and takes its pairing back.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchRequest`], [`PhoneError::NotSaved`] (the request still waits).
    pub fn block(&mut self, request: &RequestId, ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        let id = self.waiting(request)?;
        let result = RequestResult::without_codes(Status::Denied, "this pairing was blocked", ctx.now.unix);
        let answer = Answer { result, codes: 0, outcome: HistoryOutcome::Denied };
        let now = ctx.now.unix;
        // One write for both: a pairing that could not be taken back is not told that it was.
        self.answer(&id, answer, ctx, |state| state.take_back(&id, now))?;
        self.end_of_pairing(&id);
        Ok(())
    }

    /// Checks a decision: the number, then the policy. What is right waits for [`Phone::approve`] with the unlock key; what is wrong ends the request.
    ///
    /// # Errors
    /// [`PhoneError::TooManyCodes`], [`PhoneError::NoNumber`] (the request still waits), [`PhoneError::NoSuchRequest`], [`PhoneError::WrongNumber`],
    /// [`PhoneError::NotAllowed`].
    pub fn decide(&mut self, request: &RequestId, decision: &Decision, ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        let id = self.waiting(request)?;
        let Some(Session::AwaitHuman(session)) = self.sessions.get_mut(&id) else {
            return Err(PhoneError::NoSuchRequest);
        };
        if session.channel.has_expired(ctx.now) {
            self.expire(&id, ctx);
            return Err(PhoneError::NoSuchRequest);
        }
        let most = session.channel.request.codes;
        let codes = decision.codes.unwrap_or(most);
        if !(1..=most).contains(&codes) {
            return Err(PhoneError::TooManyCodes { most });
        }
        if !MatchNumber::could_be(&decision.number, SIX_DIGITS) {
            return Err(PhoneError::NoNumber { digits: SIX_DIGITS });
        }
        if !MatchNumber::derive(session.channel.transport.hash(), SIX_DIGITS).matches(&decision.number) {
            self.end(&id, Status::WrongNumber, "", HistoryOutcome::WrongNumber, ctx)?;
            return Err(PhoneError::WrongNumber);
        }
        let allowed = match session.channel.seed {
            Some(seed) => self.state.grant(&id, &seed).unwrap_or(decision.grant),
            None => true,
        };
        if !allowed {
            self.end(&id, Status::Policy, "", HistoryOutcome::Policy, ctx)?;
            return Err(PhoneError::NotAllowed);
        }
        session.decided = Some(Decided { codes, min_life: session.channel.request.min_life, grant: decision.grant });
        Ok(())
    }

    /// Answers a request that [`Phone::decide`] let pass, with the unlock key. `uri`: the otpauth URI, if the phone itself was to read it.
    ///
    /// On success the step is burnt on disk and the codes are on their way. Nothing secret is returned.
    ///
    /// # Errors
    /// [`PhoneError::NotSaved`], [`PhoneError::WrongUnlockKey`], [`PhoneError::OtpAuth`], [`PhoneError::UriMissing`]: the request still waits.
    /// [`PhoneError::SeedNotOpened`], [`PhoneError::CodesAhead`]: the request was answered with a failure.
    pub fn approve(
        &mut self,
        request: &RequestId,
        unlock: &UnlockRoot,
        uri: Option<&str>,
        ctx: &mut Context<'_>,
    ) -> Result<(), PhoneError> {
        let id = self.waiting(request)?;
        self.check_unlock(unlock)?;
        let Some(Session::AwaitHuman(session)) = self.sessions.get(&id) else {
            return Err(PhoneError::NoSuchRequest);
        };
        if session.channel.has_expired(ctx.now) {
            self.expire(&id, ctx);
            return Err(PhoneError::NoSuchRequest);
        }
        let decided = session.decided.ok_or(PhoneError::NoSuchRequest)?;
        match session.channel.request.operation {
            Operation::Enroll => self.approve_enroll(&id, decided, unlock, uri, ctx),
            _ => self.approve_codes(&id, decided, unlock, ctx),
        }
    }

    fn approve_codes(&mut self, id: &PairingId, decided: Decided, unlock: &UnlockRoot, ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        let Some((opened, seed_id)) = self.open_requested(id, unlock) else {
            self.end(id, Status::Failed, "", HistoryOutcome::Failed, ctx)?;
            return Err(PhoneError::SeedNotOpened);
        };
        // The owner may have changed their mind while unlocking.
        if self.state.grant(id, &seed_id) == Some(false) {
            self.end(id, Status::Policy, "", HistoryOutcome::Policy, ctx)?;
            return Err(PhoneError::NotAllowed);
        }
        let last = self.last_step(&seed_id, opened.otpauth.period());
        let steps = match plan(ctx.now.unix, opened.otpauth.period(), last, decided.codes, decided.min_life) {
            Ok(steps) => steps,
            Err(IssueError::Busy) => {
                self.end(id, Status::Busy, "", HistoryOutcome::Busy, ctx)?;
                return Err(PhoneError::CodesAhead);
            }
            Err(_) => return Err(PhoneError::CodesAhead),
        };
        let result = self.result_with_codes(id, &opened, &steps, unlock, ctx.now)?;
        let (pairing, at) = (*id, ctx.now.unix);
        let answer = Answer { result, codes: steps.count(), outcome: HistoryOutcome::Approved };
        self.answer(id, answer, ctx, move |state| {
            if let Some(seed) = state.seed_mut(&seed_id) {
                seed.last_step = Some(steps.last());
                seed.last_used = Some(at);
            }
            if state.grant(&pairing, &seed_id).is_none() {
                state.set_grant(&pairing, &seed_id, true);
            }
        })
    }

    /// Opens the sealed seed of a request and checks that it is the one the index promised.
    fn open_requested(&self, id: &PairingId, unlock: &UnlockRoot) -> Option<(OpenedSeed, [u8; 16])> {
        let Some(Session::AwaitHuman(session)) = self.sessions.get(id) else { return None };
        let sealed = SealedSeed::parse(session.channel.request.sealed.to_vec()).ok()?;
        let opened = open(&sealed, &unlock.derive_age_identity(), &|signer| self.trusts(signer)).ok()?;
        let entry = self.state.seed_of_file(&sealed.digest())?;
        (session.channel.seed == Some(*entry.id)).then_some((opened, *entry.id))
    }

    fn result_with_codes(
        &self,
        id: &PairingId,
        opened: &OpenedSeed,
        steps: &Steps,
        unlock: &UnlockRoot,
        now: Now,
    ) -> Result<RequestResult, PhoneError> {
        // The digits leave only inside M4.
        let codes = steps.iter().map(|step| StepCode(step, CodeText::new(compute(&opened.otpauth, step).expose()))).collect();
        let receipt = self.receipt(id, &opened.seed_id, steps.first(), steps.count(), unlock, now)?;
        Ok(RequestResult {
            codes,
            period: opened.otpauth.period(),
            valid_until: steps.valid_until(),
            seed_id: ByteArray::new(opened.seed_id),
            receipt,
            ..RequestResult::without_codes(Status::Approved, "", now.unix)
        })
    }

    fn approve_enroll(
        &mut self,
        id: &PairingId,
        decided: Decided,
        unlock: &UnlockRoot,
        typed: Option<&str>,
        ctx: &mut Context<'_>,
    ) -> Result<(), PhoneError> {
        let Some(Session::AwaitHuman(session)) = self.sessions.get(id) else {
            return Err(PhoneError::NoSuchRequest);
        };
        let enroll = session.enroll.as_ref().ok_or(PhoneError::NoSuchRequest)?;
        let uri = enroll.uri.as_ref().map(|uri| uri.as_str()).or(typed).ok_or(PhoneError::UriMissing)?;
        let otpauth = parse_otpauth(uri.trim())?;
        let recipients = super::enroll::parse_recipients(&enroll.recipients)?;
        let sealed = self.seal_seed(&otpauth, &recipients, unlock, ctx)?;
        let receipt = self.receipt(id, &sealed.id, 0, 0, unlock, ctx.now)?;
        let result = RequestResult {
            seed_id: ByteArray::new(sealed.id),
            sealed: ByteBuf::from(sealed.file.as_bytes()),
            label: otpauth.label(),
            receipt,
            ..RequestResult::without_codes(Status::Approved, "", ctx.now.unix)
        };
        let (pairing, seed_id) = (*id, sealed.id);
        let answer = Answer { result, codes: 0, outcome: HistoryOutcome::Enrolled };
        self.answer(id, answer, ctx, move |state| {
            sealed.enter(state, true);
            if decided.grant {
                state.set_grant(&pairing, &seed_id, true);
            } else {
                // A seed that was known already may have been allowed before: the owner has just said no.
                state.drop_grant(&pairing, &seed_id);
            }
        })
    }

    fn receipt(
        &self,
        id: &PairingId,
        seed_id: &[u8; 16],
        first_step: u64,
        count: u8,
        unlock: &UnlockRoot,
        now: Now,
    ) -> Result<ByteBuf, PhoneError> {
        let Some(Session::AwaitHuman(session)) = self.sessions.get(id) else {
            return Err(PhoneError::NoSuchRequest);
        };
        let channel = &session.channel;
        let receipt = ReceiptOf {
            hash: channel.transport.hash(),
            request_id: &channel.request.request_id,
            seed_id,
            now: now.unix,
            first_step,
            count,
        };
        Ok(ByteBuf::from(receipt.sign(&unlock.derive_signing())))
    }

    /// Writes M4, saves it with everything it implies in one write, and only then sends it.
    fn answer(&mut self, id: &PairingId, answer: Answer, ctx: &mut Context<'_>, change: impl FnOnce(&mut State)) -> Result<(), PhoneError> {
        let Some(Session::AwaitHuman(mut session)) = self.sessions.remove(id) else {
            return Err(PhoneError::NoSuchRequest);
        };
        let label = answer.result.label.clone();
        let m4 = match write(&mut session.channel, &PhoneMessage::Result(answer.result)) {
            Ok(m4) => m4,
            Err(_) => {
                self.sessions.insert(*id, Session::AwaitHuman(session));
                return Err(PhoneError::Channel);
            }
        };
        let mut entry = self.history_entry(id, &session.channel, answer.codes, answer.outcome, ctx.now);
        if !label.is_empty() {
            entry.label = label;
        }
        let tag = session.channel.tag;
        let saved = self.transact(ctx, |state| {
            change(state);
            state.keep_answer(&tag, &m4);
            state.remember(entry);
        });
        if let Err(error) = saved {
            // This M4 is thrown away, its counter is spent (docs/PROTOCOL.md §5.1); the human may try again, as often as CI can follow.
            session.thrown_away += 1;
            if session.thrown_away <= MAX_SKIPPED {
                self.sessions.insert(*id, Session::AwaitHuman(session));
            } else if let Some(at) = &session.at {
                self.close(at, CloseReason::PhoneFailed);
                self.event(PhoneEvent::Withdrawn(*id));
            }
            return Err(error.into());
        }
        self.sent(id, session, &m4);
        Ok(())
    }

    fn sent(&mut self, id: &PairingId, session: AwaitHuman, m4: &[u8]) {
        if let Some(at) = &session.at {
            self.send(at, m4);
        }
        self.sessions.insert(*id, Session::Answered(Answered { channel: session.channel, at: session.at }));
    }

    /// Ends a request without codes. The answer leaves even if it can't be saved: it gives nothing away.
    pub(super) fn end(
        &mut self,
        id: &PairingId,
        status: Status,
        reason: &str,
        outcome: HistoryOutcome,
        ctx: &mut Context<'_>,
    ) -> Result<(), PhoneError> {
        let Some(Session::AwaitHuman(session)) = self.sessions.get(id) else {
            return Err(PhoneError::NoSuchRequest);
        };
        let entry = self.history_entry(id, &session.channel, 0, outcome, ctx.now);
        self.end_with(id, status, reason, entry, ctx)
    }

    fn end_with(
        &mut self,
        id: &PairingId,
        status: Status,
        reason: &str,
        entry: HistoryEntry,
        ctx: &mut Context<'_>,
    ) -> Result<(), PhoneError> {
        let Some(Session::AwaitHuman(mut session)) = self.sessions.remove(id) else {
            return Err(PhoneError::NoSuchRequest);
        };
        let result = RequestResult::without_codes(status, reason, ctx.now.unix);
        let m4 = write(&mut session.channel, &PhoneMessage::Result(result)).map_err(|_| PhoneError::Channel)?;
        let tag = session.channel.tag;
        let change = |state: &mut State| {
            state.keep_answer(&tag, &m4);
            state.remember(entry);
        };
        if let Err(error) = self.transact(ctx, change.clone()) {
            // The next save that succeeds writes it as well.
            change(&mut self.state);
            self.event(PhoneEvent::NotSaved(error));
        }
        self.sent(id, session, &m4);
        Ok(())
    }

    /// The requests that wait for codes of a seed, as the history will tell that they were refused. `pairing`: of this one alone.
    pub(super) fn refusals(&self, seed: &[u8; 16], pairing: Option<&PairingId>, now: Now) -> Vec<(PairingId, HistoryEntry)> {
        let waiting = self.sessions.iter().filter_map(|(id, session)| match session {
            Session::AwaitHuman(session) if session.channel.seed == Some(*seed) => Some((id, session)),
            _ => None,
        });
        let asked = waiting.filter(|(id, _)| pairing.is_none_or(|pairing| pairing == *id));
        asked.map(|(id, session)| (*id, self.history_entry(id, &session.channel, 0, HistoryOutcome::Policy, now))).collect()
    }

    /// Refuses what may not be answered with codes any more.
    pub(super) fn refuse(&mut self, refusals: Vec<(PairingId, HistoryEntry)>, ctx: &mut Context<'_>) {
        for (id, entry) in refusals {
            // The session is there: it was just looked up.
            let _ = self.end_with(&id, Status::Policy, "", entry, ctx);
        }
    }

    /// A request nobody decided in time.
    pub(super) fn expire(&mut self, id: &PairingId, ctx: &mut Context<'_>) {
        // The session is there: the caller has just looked at it.
        let _ = self.end(id, Status::Expired, "", HistoryOutcome::Expired, ctx);
        self.event(PhoneEvent::Withdrawn(*id));
    }

    /// Tells every job that waits that this program ends. Nothing waits after it.
    pub fn shut_down(&mut self) {
        for (id, session) in std::mem::take(&mut self.sessions) {
            let Session::AwaitHuman(mut session) = session else { continue };
            self.event(PhoneEvent::Withdrawn(id));
            if let Some(at) = session.at.take()
                && let Ok(cancel) = write(&mut session.channel, &PhoneMessage::Cancel(CancelReason::Shutdown))
            {
                self.send(&at, &cancel);
                self.close(&at, CloseReason::Done);
            }
        }
    }

    pub(super) fn history_entry(&self, id: &PairingId, channel: &Channel, codes: u8, outcome: HistoryOutcome, now: Now) -> HistoryEntry {
        HistoryEntry {
            request_id: channel.request.request_id,
            at: now.unix,
            pairing: self.state.pairing(id).map(|pairing| pairing.name.clone()).unwrap_or_default(),
            label: channel.seed.and_then(|seed| self.state.seed(&seed)).map(|seed| seed.label.clone()).unwrap_or_default(),
            reason: channel.request.reason.clone(),
            codes,
            outcome,
        }
    }

    fn waiting(&self, request: &RequestId) -> Result<PairingId, PhoneError> {
        let found = self.sessions.iter().find(|(_, session)| match session {
            Session::AwaitHuman(session) => *session.channel.request.request_id == *request,
            _ => false,
        });
        found.map(|(id, _)| *id).ok_or(PhoneError::NoSuchRequest)
    }

    fn pending_request(&self, id: &PairingId, session: &AwaitHuman, now: Now) -> PendingRequest {
        let request = &session.channel.request;
        let enroll = session.enroll.as_ref();
        let claimed = enroll.and_then(|enroll| enroll.uri.as_ref()).and_then(|uri| parse_otpauth(uri.trim()).ok());
        let seed = session.channel.seed.and_then(|seed| self.state.seed(&seed));
        PendingRequest {
            request_id: request.request_id.into_array(),
            pairing: self.state.pairing(id).map(|pairing| pairing.name.clone()).unwrap_or_default(),
            pairing_id: *id,
            operation: request.operation,
            label: seed.map(|seed| seed.label.clone()).or_else(|| claimed.map(|it| it.label())).unwrap_or_default(),
            seed_name: request.seed_name.clone(),
            reason: request.reason.clone(),
            artefact: request.artefact.clone(),
            hints: request.hints.clone(),
            codes: request.codes,
            recipients: enroll.map(|enroll| enroll.recipients.clone()).unwrap_or_default(),
            needs_uri: enroll.is_some_and(|enroll| enroll.uri.is_none()),
            first_use: seed.is_none_or(|seed| self.state.grant(id, &seed.id).is_none()),
            away: session.at.is_none(),
            seconds_left: session.channel.seconds_left(now),
            digits: SIX_DIGITS,
        }
    }
}

fn write(channel: &mut Channel, message: &PhoneMessage) -> Result<Vec<u8>, ChannelError> {
    channel.transport.write(&pad(&encode(message)?, RESULT_SIZES)?)
}
