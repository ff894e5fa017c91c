//! One file per command.

pub(crate) mod code;
pub(crate) mod doctor;
pub(crate) mod enroll;
pub(crate) mod exec;
pub(crate) mod list;
pub(crate) mod pair;
pub(crate) mod renew;
mod request;
pub(crate) mod unpair;

use crate::{problem::Problem, signals::Signals};

/// From now on signals do not end the program by themselves.
fn listen() -> Result<Signals, Problem> {
    Signals::listen().map_err(|error| Problem::config(format!("cannot listen for signals: {error}")))
}
