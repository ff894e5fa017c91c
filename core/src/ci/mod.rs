//! The CI side of a request (docs/PROTOCOL.md §5).
//!
//! Use [`Exchange`]: feed it what the relay connection does and the time, do what it says. Inside, [`session`] is the straight line of the five
//! messages; the exchange adds reconnecting, waiting for a phone that is away, and the deadline.

mod ask;
mod exchange;
mod outcome;
mod pairing;
pub(crate) mod session;

pub use ask::Ask;
pub use exchange::{Exchange, Output};
pub use outcome::{Approval, Event, Failure, Finished};
pub use pairing::CiPairing;
