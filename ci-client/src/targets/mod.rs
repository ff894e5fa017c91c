//! What a seed's codes are for: how a tool takes a code, and how it says that one is missing or wrong. All of it is data.
//!
//! `builtin.toml` holds the targets of the program; a config adds its own as `[target.NAME]` tables with the same fields. Adding a tool needs
//! no code. [`Targets`] are all that a config knows, [`Profile`] is one of them, [`verdict`] reads the end of a command by it.

mod explain;
mod pattern;
mod profile;
mod set;
mod sign;
mod table;
mod template;
mod verdict;

pub(crate) use explain::{explain, takes};
pub use pattern::{BadPattern, MAX_PATTERN, PATTERN_SIZE, Pattern};
pub use profile::{CODE_VARIABLE, Delivery, Profile, is_code_variable};
pub(crate) use set::BadTarget;
pub use set::{GENERIC, Targets};
pub use sign::{MAX_LIST, Sign};
pub(crate) use table::{Name, Table};
pub use template::{MAX_TEMPLATE, PLACEHOLDER, Template};
pub use verdict::{TAIL, Verdict, verdict};
