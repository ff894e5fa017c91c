//! `countersign-phone run` in a real terminal (tmux): what the person sees, and what keys do, with the real relay and the real client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![cfg(unix)]

mod lines;
mod requests;
mod seeds_and_pairings;
mod terminal;
