//! The holder: a process of its own that keeps codes after `countersign approve` has returned. It gets them through a pipe, never by an argument, its
//! environment or a file, and ends with its time, its codes, a signal, or `countersign close`.
//!
//! `approve` starts it before anybody is asked, so that what could go wrong on this machine is known by then; it lives on only when it is told
//! to at the very end. A folder of this user's, named after configuration and seed, says how to reach it.

mod hold;
#[cfg(unix)]
mod inherited;
mod key;
mod message;
mod start;

pub(crate) use hold::hold;
#[cfg(unix)]
pub(crate) use inherited::close_inherited;
pub(crate) use key::{Holding, Key};
pub(crate) use start::Starting;

/// The hidden command that a holder runs.
pub(crate) const COMMAND: &str = "hold";
