//! One approval, many codes: what hands them out one by one, on this machine and to this user only.
//!
//! [`Pool`] says which code is next, [`Dispenser`] waits for it. Codes leave through an [`endpoint`] (a private socket, for `countersign next` and
//! `code`) or through [`http`] (for what can only fetch a URL). A [`holder`] keeps them after `approve` has returned. [`attempts`] runs a command
//! again whose code was refused.

pub(crate) mod attempts;
mod dispenser;
pub(crate) mod endpoint;
pub(crate) mod holder;
pub(crate) mod http;
mod local;
mod place;
mod pool;
mod token;
mod wire;

pub(crate) use dispenser::Dispenser;
pub(crate) use pool::{Pool, Spent};

use crate::{exit::Exit, problem::Problem};

impl From<Spent> for Problem {
    fn from(spent: Spent) -> Self {
        let hint = match spent {
            Spent::HandedOut => "ask for more with --codes (at most 20), or give each code to fewer things",
            Spent::Over => "codes of one approval follow each other, one for each step of time: give a longer --for, or ask later",
            Spent::TooLong => "give a shorter --min-life; most codes live 30 seconds",
        };
        Self::new(Exit::Spent, spent.to_string()).hint(hint)
    }
}
