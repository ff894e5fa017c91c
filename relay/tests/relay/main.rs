//! The relay over real sockets, and the program.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod ends;
mod operation;
mod process;
mod program;
mod push_service;
mod sockets;
mod wake_ups;
