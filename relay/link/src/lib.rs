//! The client end of a relay connection, for ci and phone: [`Link`] carries frames; what they mean is `countersign_core::relay`.
//!
//! Beside it, what both programs need from the operating system: [`Clock`] and [`harden`]; and [`connect_tls`] for other connections.

mod clock;
mod error;
mod link;
mod process;
mod tls;

pub use clock::Clock;
pub use error::LinkError;
pub use link::{ANSWER, CONNECT_TIMEOUT, Hello, Link, SEND_TIMEOUT, SILENCE, Stream};
pub use process::harden;
pub use tls::connect_tls;
/// The roots that [`Link::connect_with`] takes.
pub use tokio_rustls::rustls::RootCertStore;
