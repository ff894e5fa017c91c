//! What the maintainer's laptop and the CI job run: get a one-time password that a phone approved.
//!
//! The program is [`cli`]; main.rs only parses and exits. To embed it: [`pair::pair`] makes a pairing, [`ask::ask`] asks phones for codes,
//! enrolments or a sign of life. Both take the human's side as a trait ([`pair::PairUi`], [`ask::Progress`]) and end when they are dropped.
//! They need a tokio runtime with time and I/O.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use countersign::ask::{Note, Phone, Progress, ask};
//! # use countersign_core::{ci::{Ask, CiPairing}, keys::CiKey, request::{MatchNumber, Operation, Outcome}, seed::SealedSeed};
//! struct Log;
//! impl Progress for Log {
//!     fn number(&mut self, phone: &str, number: &MatchNumber) {
//!         eprintln!("type {} on {phone}", number.digits());
//!     }
//!     fn note(&mut self, _: &str, _: &Note) {}
//!     fn waiting(&mut self, _: Duration) {}
//! }
//! # async fn example(pairing: CiPairing, key: CiKey, sealed: SealedSeed) -> Result<(), countersign::ask::AskFailure> {
//! let request = Ask { sealed: Some(sealed), seed_name: "npm".into(), ..Ask::new(Operation::Code, 300_000) };
//! let mut answer = ask(vec![Phone { pairing, key }], request, &mut Log, std::future::pending()).await?;
//! let code = answer.approval().and_then(|approval| approval.codes.first()).cloned();
//! if let Some(code) = code {
//!     answer.wait_until_open(code.0).await;
//!     // ... use code.1.expose() ...
//! }
//! answer.report(Outcome::Used).await;
//! # Ok(())
//! # }
//! ```

mod artifact;
pub mod ask;
mod child;
pub mod cli;
mod codes;
mod commands;
pub mod config;
mod driver;
pub mod duration;
mod event;
pub mod exit;
mod files;
mod input;
mod keys;
mod mask;
mod notify;
pub mod pair;
mod picture;
pub mod platform;
pub mod problem;
mod qr;
mod redact;
mod setup;
mod signals;
pub mod targets;
pub mod ui;
pub mod waiting;

pub use child::{Child, Ran};
