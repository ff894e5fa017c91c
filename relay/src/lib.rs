//! The blind relay (docs/PROTOCOL.md §7): joins CI jobs and phones, reads nothing, stores nothing.

pub mod limits;
mod network;
pub mod switch;
