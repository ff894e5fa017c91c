//! How long to wait before connecting again: exponential, with full jitter.

use std::time::Duration;

use rand_core::RngCore;

/// The longest first wait.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest wait at all.
pub const BACKOFF_CAP: Duration = Duration::from_secs(30);

/// Waits between attempts: each is random between nothing and a bound that doubles from [`BACKOFF_FIRST`] to [`BACKOFF_CAP`], so
/// that a relay that comes back is not met by everybody at once. An iterator without end.
#[derive(Debug, Clone)]
pub struct Backoff<R> {
    rng: R,
    bound: Duration,
}

impl<R: RngCore> Backoff<R> {
    /// Begins anew; make another one after every success.
    pub fn new(rng: R) -> Self {
        Self { rng, bound: BACKOFF_FIRST }
    }

    /// As after [`Backoff::new`]: call it after a success.
    pub fn reset(&mut self) {
        self.bound = BACKOFF_FIRST;
    }
}

impl<R: RngCore> Iterator for Backoff<R> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let bound = u64::try_from(self.bound.as_millis()).unwrap_or(u64::MAX);
        self.bound = BACKOFF_CAP.min(self.bound * 2);
        // The bias of the remainder is below 2^-48.
        Some(Duration::from_millis(self.rng.next_u64() % bound.saturating_add(1).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let mut longest = [Duration::ZERO; 10];
        for seed in 0..500 {
            let backoff = Backoff::new(rand_chacha::ChaCha8Rng::seed_from_u64(seed));
            for (longest, wait) in longest.iter_mut().zip(backoff) {
                *longest = wait.max(*longest);
            }
        }
        for (n, longest) in longest.into_iter().enumerate() {
            let bound = BACKOFF_CAP.min(BACKOFF_FIRST * 2_u32.pow(u32::try_from(n).unwrap()));
            assert!(longest <= bound && longest > bound * 9 / 10, "{n}: {longest:?} of {bound:?}");
        }
        let mut backoff = Backoff::new(rand_chacha::ChaCha8Rng::seed_from_u64(1));
        assert_eq!(backoff.by_ref().take(20).count(), 20);
        backoff.reset();
        assert!(backoff.next().unwrap() <= BACKOFF_FIRST);
    }
}
