//! One-time passwords: the otpauth URI, the code of a step, and which steps may be issued (docs/PROTOCOL.md §4).
//!
//! [`parse_otpauth`] reads what a service shows as a QR code, [`plan`] picks the steps to hand out and [`compute`] gives
//! the code of one step. There is no clock here: the phone's time is an argument.

mod issue;
mod migration;
mod otpauth;
mod percent;
mod totp;

pub use issue::{IssueError, MAX_BATCH, MIN_LIFE, Steps, plan};
pub use migration::{Account, MAX_ACCOUNTS, MAX_MIGRATION, Migration, MigrationError, is_migration, parse_migration};
pub use otpauth::{Algorithm, MAX_PERIOD, MAX_SECRET, MAX_URI, MIN_PERIOD, MIN_SECRET, OtpAuth, OtpAuthError, Warning, parse_otpauth};
pub use totp::{Code, compute};
