//! One file per command.

mod announce;
pub(crate) mod approve;
mod batch;
pub(crate) mod close;
pub(crate) mod code;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod enroll;
pub(crate) mod exec;
mod held;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod next;
pub(crate) mod pair;
pub(crate) mod renew;
mod request;
pub(crate) mod serve;
pub(crate) mod setup;
mod step;
pub(crate) mod targets;
pub(crate) mod unpair;

use crate::{problem::Problem, signals::Signals};

/// From now on signals do not end the program by themselves.
fn listen() -> Result<Signals, Problem> {
    Signals::listen().map_err(|error| Problem::config(format!("cannot listen for signals: {error}")))
}
