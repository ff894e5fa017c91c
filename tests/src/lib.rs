//! The harness of Countersign's end-to-end tests: CI, relay and phone in virtual time ([`sim`]), and as real processes
//! ([`process`]). [`bench`] measures the relay as a product, beside its rivals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test harness: whatever is not as expected must end the test loudly"
)]

pub mod bench;
pub mod embedded;
pub mod process;
pub mod sim;
pub mod tight;
