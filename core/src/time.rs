//! Time as an argument.

/// One moment, as a shell read it from its clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock: seconds since 1970-01-01 00:00 UTC.
    pub unix: u64,
    /// Monotonic clock: milliseconds since any fixed moment.
    pub mono: u64,
}
