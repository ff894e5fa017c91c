//! A session with a job, from M1 on.

use super::At;
use crate::{
    channel::Transport,
    request::{Enroll, Request, ResumeTag},
    time::Now,
};

/// What the human decided about a request, before unlocking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The number, as typed.
    pub number: String,
    /// How many codes to give, if fewer than asked for.
    pub codes: Option<u8>,
    /// Whether the pairing may use the seed from now on; only looked at on a first use.
    pub grant: bool,
}

/// One state of a session; each is consumed by what ends it.
pub(super) enum Session {
    /// M2 was sent. Nobody knows of it yet.
    AwaitConfirm(AwaitConfirm),
    /// M3 came: the human is being asked.
    AwaitHuman(AwaitHuman),
    /// M4 was sent; M5 may come.
    Answered(Answered),
}

pub(super) struct AwaitConfirm {
    pub(super) channel: Channel,
    pub(super) at: Option<At>,
    pub(super) deadline: u64,
}

pub(super) struct AwaitHuman {
    pub(super) channel: Channel,
    pub(super) enroll: Option<Enroll>,
    pub(super) m3: Vec<u8>,
    pub(super) at: Option<At>,
    pub(super) away_since: u64,
    /// What was decided; waits for the unlock key.
    pub(super) decided: Option<Decided>,
    /// Answers that were written and thrown away, because they could not be saved.
    pub(super) thrown_away: u64,
}

/// A decision whose number was right.
#[derive(Clone, Copy)]
pub(super) struct Decided {
    pub(super) codes: u8,
    pub(super) min_life: u8,
    pub(super) grant: bool,
}

pub(super) struct Answered {
    pub(super) channel: Channel,
    pub(super) at: Option<At>,
}

/// What every state has.
pub(super) struct Channel {
    pub(super) transport: Transport,
    pub(super) request: Request,
    pub(super) tag: ResumeTag,
    pub(super) seed: Option<[u8; 16]>,
    expires_unix: u64,
    expires_mono: u64,
}

impl Channel {
    pub(super) fn new(transport: Transport, request: Request, tag: ResumeTag, seed: Option<[u8; 16]>, now: Now) -> Self {
        let ttl = u64::from(request.ttl);
        let expires_unix = now.unix.saturating_add(ttl);
        let expires_mono = now.mono.saturating_add(ttl.saturating_mul(1000));
        Self { transport, request, tag, seed, expires_unix, expires_mono }
    }

    /// By either clock: a monotonic clock may stand still while the phone sleeps, a wall clock may be set back.
    pub(super) fn has_expired(&self, now: Now) -> bool {
        now.unix >= self.expires_unix || now.mono >= self.expires_mono
    }

    pub(super) fn seconds_left(&self, now: Now) -> u64 {
        let mono = self.expires_mono.saturating_sub(now.mono).div_ceil(1000);
        self.expires_unix.saturating_sub(now.unix).min(mono)
    }
}

impl Session {
    pub(super) fn at(&self) -> Option<&At> {
        match self {
            Self::AwaitConfirm(session) => session.at.as_ref(),
            Self::AwaitHuman(session) => session.at.as_ref(),
            Self::Answered(session) => session.at.as_ref(),
        }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        match self {
            Self::AwaitConfirm(session) => Some(session.deadline),
            Self::AwaitHuman(session) => Some(session.channel.expires_mono),
            Self::Answered(_) => None,
        }
    }
}
