//! How long to wait before the next attempt: exponential, with full jitter.

use rand_core::RngCore;

/// The first pause is up to this long, milliseconds.
pub const FIRST_PAUSE_MS: u64 = 250;
/// No pause of a job or laptop, which somebody waits for, is longer than this, milliseconds.
pub const LONGEST_PAUSE_MS: u64 = 15_000;
/// No pause of a phone, which may be without a network for hours, is longer than this, milliseconds. Less than half the life of a request (300 s).
pub const LONGEST_PHONE_PAUSE_MS: u64 = 120_000;

/// Counts failed attempts.
#[derive(Debug)]
pub struct Backoff {
    failures: u32,
    longest: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(LONGEST_PAUSE_MS)
    }
}

impl Backoff {
    /// Pauses grow up to `longest` milliseconds.
    #[must_use]
    pub fn up_to(longest: u64) -> Self {
        Self { failures: 0, longest }
    }

    /// The pause after one more failure, milliseconds: anything from half of to the whole of a bound that doubles each time.
    pub fn next_pause(&mut self, rng: &mut impl RngCore) -> u64 {
        let bound = FIRST_PAUSE_MS.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        bound / 2 + rng.next_u64() % (bound / 2 + 1)
    }

    /// Starts again from the shortest pause.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..12).map(|_| backoff.next_pause(&mut rng)).collect();
        assert!(pauses[0] <= FIRST_PAUSE_MS);
        assert!(pauses[11] >= LONGEST_PAUSE_MS / 2);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE_MS));
        backoff.reset();
        assert!(backoff.next_pause(&mut rng) <= FIRST_PAUSE_MS);
    }
}
