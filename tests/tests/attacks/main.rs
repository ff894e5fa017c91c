//! Attacks on the relay, over loopback sockets, while an honest phone and its jobs go on (docs/RELAY.md, "Under attack").
//!
//! Every test shows three things: honest requests get through while the attack runs, the server's memory stays under its
//! documented bound, and what the attacker is told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[cfg(feature = "interop")]
mod clock;
mod floods;
#[cfg(feature = "interop")]
mod half_open;
mod honest;
#[cfg(feature = "interop")]
mod ipv6;
mod messages;
#[cfg(feature = "interop")]
mod metrics;
#[cfg(feature = "interop")]
mod network;
mod proofs;
mod raw;
mod readers;
mod slow;
mod stopped;
mod target;
