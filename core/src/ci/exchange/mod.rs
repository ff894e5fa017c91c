//! One request from start to end over connections that may come and go.

mod answer;
mod circuit;

use std::collections::VecDeque;

use rand_core::{CryptoRng, RngCore};

use super::{
    Ask, CiPairing, Event, Failure, Finished,
    session::{AwaitAck, AwaitResult, AwaitTicket},
};
use crate::{
    backoff::Backoff,
    keys::{CiKey, Secret32},
    relay::{Circuit, ErrorCode, Frame, Nonce},
    request::{Artefact, CancelReason, MAX_TTL, Outcome, RESUME, Request, WAIT_REFRESH_MS},
    text::{MAX_NAME, MAX_REASON, clean},
    time::Now,
};

/// A phone that has M1 answers within this, or CI starts afresh; milliseconds.
const ACK_TIMEOUT_MS: u64 = 15_000;
/// First pause before a busy phone is asked again, milliseconds; each next one is half as long again.
const BUSY_PAUSE_MS: u64 = 5_000;
/// Longest such pause, milliseconds.
const LONGEST_BUSY_PAUSE_MS: u64 = 30_000;
/// Before the human is asked, a relay that can't be reached is given up after this, milliseconds.
const RELAY_PATIENCE_MS: u64 = 30_000;

/// What the shell is to do, in this order.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Connect to the relay (after dropping any connection there is) and call [`Exchange::connected`] or [`Exchange::disconnected`].
    Connect,
    /// Send this frame.
    Send(Vec<u8>),
    /// Show this.
    Event(Event),
    /// It is over; nothing but [`Exchange::report`] makes sense any more.
    Finished(Result<Finished, Failure>),
}

enum Link {
    Down { retry_at: u64 },
    Connecting,
    Up { nonce: Nonce },
}

enum Session {
    /// Nothing was sent; the next OPEN is not before this.
    Fresh { not_before: u64 },
    /// M1 was sent.
    AwaitAck { state: Box<AwaitAck>, circuit: Circuit, away: bool, waited: bool, since: u64 },
    /// M3 was sent.
    AwaitResult { asked: Box<Asked>, circuit: Option<Circuit>, not_before: u64 },
    /// M3 of the operation `Ticket` was sent.
    AwaitTicket { state: Box<AwaitTicket>, m2: Vec<u8>, circuit: Circuit, since: u64 },
    /// M4 came and was a yes.
    Answered { asked: Box<Asked>, circuit: Circuit },
    /// Nothing to say any more.
    Over,
}

/// A request that the human sees.
struct Asked {
    state: AwaitResult,
    m2: Vec<u8>,
    m3: Vec<u8>,
    /// The phone's time in M2, milliseconds, and ours when it came: M4 may be much older than its delivery.
    phone_ms: u64,
    mono: u64,
}

/// One request to one phone. Holds the CI key while it lives; the key is wiped on drop.
pub struct Exchange {
    pairing: CiPairing,
    key: CiKey,
    ask: Ask,
    deadline: u64,
    link: Link,
    last_up: u64,
    backoff: Backoff,
    session: Session,
    busy: bool,
    busy_pause: u64,
    /// What the relay last complained about on this connection, or as the reason of a CLOSE.
    relay_error: Option<ErrorCode>,
    retried_clock: bool,
    next_circuit: Circuit,
    outputs: VecDeque<Output>,
}

impl Exchange {
    /// Begins: the first output is [`Output::Connect`].
    #[must_use]
    pub fn new(pairing: CiPairing, key: CiKey, ask: Ask, now: Now) -> Self {
        Self {
            pairing,
            key,
            deadline: now.mono.saturating_add(ask.timeout_ms),
            ask,
            link: Link::Connecting,
            last_up: now.mono,
            backoff: Backoff::default(),
            session: Session::Fresh { not_before: 0 },
            busy: false,
            busy_pause: BUSY_PAUSE_MS,
            relay_error: None,
            retried_clock: false,
            next_circuit: 1,
            outputs: VecDeque::from([Output::Connect]),
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Monotonic time at which [`Exchange::tick`] must be called at the latest; `None` once it is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let link = match self.link {
            Link::Down { retry_at } => retry_at,
            Link::Connecting => u64::MAX,
            Link::Up { .. } => self.session_timeout(),
        };
        match self.session {
            Session::Over | Session::Answered { .. } => None,
            _ => Some(self.deadline.min(link)),
        }
    }

    /// The deadline, in monotonic milliseconds.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    fn session_timeout(&self) -> u64 {
        match &self.session {
            Session::Fresh { not_before } => *not_before,
            Session::AwaitAck { away: true, since, .. } => since.saturating_add(WAIT_REFRESH_MS),
            Session::AwaitAck { since, .. } | Session::AwaitTicket { since, .. } => since.saturating_add(ACK_TIMEOUT_MS),
            Session::AwaitResult { circuit: None, not_before, .. } => *not_before,
            _ => u64::MAX,
        }
    }

    /// A connection is up and the relay said HELLO with `nonce`.
    pub fn connected(&mut self, nonce: Nonce, now: Now, rng: &mut (impl RngCore + CryptoRng)) {
        self.link = Link::Up { nonce };
        self.proceed(now, rng);
    }

    /// The connection failed or ended. `permanent`: trying again can't help (no TLS, not a relay).
    pub fn disconnected(&mut self, permanent: bool, now: Now, rng: &mut (impl RngCore + CryptoRng)) {
        match std::mem::replace(&mut self.session, Session::Over) {
            // Before M3 nothing binds us: the next connection starts afresh.
            Session::Fresh { .. } | Session::AwaitAck { .. } | Session::AwaitTicket { .. } => {
                self.session = Session::Fresh { not_before: 0 }
            }
            Session::AwaitResult { asked, .. } => self.session = Session::AwaitResult { asked, circuit: None, not_before: 0 },
            over @ (Session::Answered { .. } | Session::Over) => {
                self.session = over;
                return;
            }
        }
        let asked = matches!(self.session, Session::AwaitResult { .. });
        if permanent || (!asked && now.mono.saturating_sub(self.last_up) >= RELAY_PATIENCE_MS) {
            return self.fail_at_relay();
        }
        self.link = Link::Down { retry_at: now.mono.saturating_add(self.backoff.next_pause(rng)) };
        self.outputs.push_back(Output::Event(Event::RelayLost));
    }

    /// Time went by.
    pub fn tick(&mut self, now: Now, rng: &mut (impl RngCore + CryptoRng)) {
        if matches!(self.session, Session::Over | Session::Answered { .. }) {
            return;
        }
        if now.mono >= self.deadline {
            return self.time_out();
        }
        match self.link {
            Link::Down { retry_at } if now.mono >= retry_at => {
                self.link = Link::Connecting;
                self.outputs.push_back(Output::Connect);
            }
            Link::Up { .. } => {
                if let Session::AwaitAck { circuit, .. } | Session::AwaitTicket { circuit, .. } = self.session
                    && now.mono >= self.session_timeout()
                {
                    self.close(circuit);
                    self.session = Session::Fresh { not_before: 0 };
                }
                self.proceed(now, rng);
            }
            _ => {}
        }
    }

    /// The relay sent a frame.
    pub fn received(&mut self, frame: &[u8], now: Now, rng: &mut (impl RngCore + CryptoRng)) {
        match Frame::parse(frame) {
            Ok(Frame::Waiting { circuit }) => self.phone_away(circuit, now),
            Ok(Frame::Wake { circuit, result }) => self.woken(circuit, result),
            Ok(Frame::Opened { circuit }) => self.opened(circuit, now),
            Ok(Frame::Data { circuit, tail }) => self.message(circuit, tail, now, rng),
            Ok(Frame::Close { circuit, reason }) => self.closed(circuit, reason, now, rng),
            Ok(Frame::Error { code }) => {
                self.relay_error = Some(code);
                // What the relay takes for our mistake, or what we don't know, does not get better by trying again.
                if matches!(code, ErrorCode::Malformed | ErrorCode::BadProof | ErrorCode::Other(_)) {
                    self.fail(Failure::RelayRefused { code });
                }
            }
            // Nothing else is for us.
            _ => {}
        }
    }

    /// Gives up, telling the phone why if it was asked already.
    pub fn cancel(&mut self, reason: CancelReason) {
        self.tell(reason);
        if !matches!(self.session, Session::Over | Session::Answered { .. }) {
            self.fail(Failure::Cancelled);
        }
    }

    /// Tells the phone what became of the code (M5) and ends the circuit. Best effort: there may be no connection.
    pub fn report(&mut self, outcome: Outcome) {
        if let Session::Answered { mut asked, circuit } = std::mem::replace(&mut self.session, Session::Over) {
            if let Ok(tail) = asked.state.outcome(outcome) {
                self.outputs.push_back(Output::Send(Frame::Data { circuit, tail: &tail }.encode()));
            }
            self.close(circuit);
        }
    }

    /// Sends what the session needs next, if the link is up and its pause is over.
    fn proceed(&mut self, now: Now, rng: &mut (impl RngCore + CryptoRng)) {
        let Link::Up { nonce } = self.link else { return };
        match &mut self.session {
            Session::Fresh { not_before } if now.mono >= *not_before => {
                let request = self.request(now, rng);
                match AwaitAck::start(&self.pairing, &self.key, request, Secret32::make(rng)) {
                    Ok((state, m1)) => {
                        let circuit = self.open(&nonce, &m1);
                        let state = Box::new(state);
                        self.session = Session::AwaitAck { state, circuit, away: false, waited: false, since: now.mono };
                    }
                    Err(_) => self.fail(Failure::Protocol),
                }
            }
            Session::AwaitResult { asked, circuit: None, not_before } if now.mono >= *not_before => {
                let tail = [&[RESUME], &asked.state.tag()[..], &asked.m3].concat();
                let opened = self.open(&nonce, &tail);
                if let Session::AwaitResult { circuit, .. } = &mut self.session {
                    *circuit = Some(opened);
                }
            }
            _ => {}
        }
    }

    fn request(&self, now: Now, rng: &mut (impl RngCore + CryptoRng)) -> Request {
        let left = self.deadline.saturating_sub(now.mono).div_ceil(1000).clamp(1, u64::from(MAX_TTL));
        let mut request = Request::make(self.ask.operation, now.unix, rng);
        request.ttl = u32::try_from(left).unwrap_or(MAX_TTL);
        request.sealed = self.ask.sealed.as_ref().map(|sealed| sealed.as_bytes().to_vec()).unwrap_or_default().into();
        request.codes = self.ask.codes;
        request.min_life = self.ask.min_life;
        request.seed_name = clean(&self.ask.seed_name, MAX_NAME);
        request.reason = clean(&self.ask.reason, MAX_REASON);
        request.artefact = self.ask.artefact.as_ref().map(Artefact::cleaned);
        request.hints = self.ask.hints.cleaned();
        request
    }

    fn time_out(&mut self) {
        self.tell(CancelReason::Expired);
        match (&self.link, &self.session) {
            (_, Session::AwaitResult { .. }) => self.fail(Failure::TimedOut),
            (Link::Up { .. }, _) if self.busy => self.fail(Failure::PhoneBusy),
            (Link::Up { .. }, _) if self.relay_error.is_none() => self.fail(Failure::PhoneNotReached),
            _ => self.fail_at_relay(),
        }
    }

    /// Tells the phone that asks its human why we give up.
    fn tell(&mut self, reason: CancelReason) {
        if let Session::AwaitResult { asked, circuit: Some(circuit), .. } = &mut self.session
            && let Ok(tail) = asked.state.cancel(reason)
        {
            let frame = Frame::Data { circuit: *circuit, tail: &tail }.encode();
            self.outputs.push_back(Output::Send(frame));
        }
    }

    /// The relay is of no use; what it said last tells more than that.
    fn fail_at_relay(&mut self) {
        match self.relay_error {
            Some(code) => self.fail(Failure::RelayRefused { code }),
            None => self.fail(Failure::RelayNotReached),
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.finish(Err(failure));
    }

    fn finish(&mut self, end: Result<Finished, Failure>) {
        self.session = Session::Over;
        self.outputs.push_back(Output::Finished(end));
    }
}
