//! The blind relay (docs/PROTOCOL.md §7): joins CI jobs and phones, reads nothing, stores nothing.
//!
//! [`Relay`] is the whole of it: `Relay::bind(Config::default()).await?`, then `serve` with a future that says when to stop.
//! [`switch::Switch`] is the pure part, for tests in virtual time.

mod admission;
mod config;
mod handshake;
mod hub;
pub mod limits;
mod network;
mod queue;
mod server;
mod session;
pub mod switch;

pub use config::{Config, RelayError, TlsFiles};
pub use server::Relay;
