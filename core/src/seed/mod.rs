//! The sealed seed: an age file that only the phone opens (docs/PROTOCOL.md §3).
//!
//! [`seal`] makes one and [`open`] reads one. CI holds a [`SealedSeed`], whose bytes have passed the strict grammar, and has
//! nothing that opens it; there is deliberately no way to get a file key out.
//!
//! Sealing is the one place in this crate whose randomness is not an argument: the age crate draws file key, ephemeral keys,
//! nonce and grease from the operating system itself, and panics if that fails.
//!
//! Every plaintext buffer of ours is wiped. While sealing, the age crate keeps one copy of the record in a buffer that it does
//! not wipe; while opening it wipes its own.

mod grammar;
mod open;
mod passphrase;
mod recipient;
mod record;
mod seal;

pub use grammar::{MAX_SEALED, MAX_STANZAS, SealedError, SealedSeed};
pub use open::{OpenError, OpenedSeed, open};
pub use passphrase::{PassphraseHeaderError, check_passphrase_header};
pub use recipient::{Recipient, RecipientError, age_recipient};
pub use record::{RECORD_SIZES, SeedId};
pub use seal::{MAX_RECIPIENTS, SealError, seal};
