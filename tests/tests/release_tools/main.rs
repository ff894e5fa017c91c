//! The real release tools, run by `countersign exec` with real relay and phone, against servers that take each one-time code once (`tests/tools`).
//!
//! `tests/run` installs the tools, pinned, into `target/tools`; without them these tests fail and say so. Every wait in here ends with
//! [`PATIENCE`](countersign_tests::process::PATIENCE).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod aws;
mod changesets;
mod gem;
mod job;
mod lerna;
mod masking;
mod npm;
mod pnpm;
mod project;
mod semantic_release;
mod server;
mod ten_packages;
mod tools;
mod yarn;
