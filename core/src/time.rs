//! Time as an argument.

/// A moment, as the shell around this crate read it from the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock: seconds since 1970-01-01 UTC. May jump.
    pub unix: u64,
    /// Monotonic clock: milliseconds since an arbitrary start. Never goes back.
    pub mono: u64,
}
