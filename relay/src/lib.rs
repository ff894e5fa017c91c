//! The blind relay (docs/PROTOCOL.md §7): joins CI jobs and phones, reads nothing, stores nothing.
//!
//! [`Relay`] is the whole of it: `Relay::bind(Config::default()).await?`, then `serve` with a future that says when to stop.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use countersign_relay::{Config, Relay};
//!
//! let relay = Relay::bind(Config::default()).await?;
//! let url = relay.origin().clone();
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let serving = tokio::spawn(relay.serve(async { _ = stopped.await }));
//!
//! let (link, hello) = countersign_link::Link::connect(&url).await?;
//! assert_ne!(hello.nonce, [0; 32]);
//! link.close().await;
//!
//! drop(stop);
//! serving.await?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`switch::Switch`] is the pure part, for tests in virtual time.

mod admin;
mod clock;
mod config;
mod engine;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod limits;
mod metrics;
mod nats;
mod network;
mod pages;
pub mod program;
pub mod proxy;
mod push;
mod readiness;
mod report;
mod roots;
mod server;
pub mod switch;
mod ticker;
pub mod tls;
mod websocket;

pub use config::{Config, RelayError};
pub use nats::{NatsConfig, NatsCredentials, NatsError, NatsPrefix, NatsUrl};
pub use pages::use_small_pages;
pub use program::run;
pub use push::{PushConfig, PushKeys, PushKeysError, Target};
pub use server::Relay;
pub use tls::TlsFiles;
