//! Attacks on the relay, over loopback sockets, while an honest phone and its jobs go on (docs/RELAY.md, "Under attack").
//!
//! Every test shows three things: honest requests get through while the attack runs, the server's memory stays under its
//! documented bound, and what the attacker is told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod floods;
mod honest;
mod messages;
mod proofs;
mod raw;
mod readers;
mod slow;
mod target;
