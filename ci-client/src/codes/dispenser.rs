//! A pool with a clock: waits for the next step where the pool says so.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_core::request::CodeText;
use countersign_link::Clock;
use tokio::time::sleep;

use super::pool::{Next, Pool, Spent};

/// Hands out the codes of an approval to several takers, none twice. Clones share the pool.
#[derive(Clone)]
pub(crate) struct Dispenser {
    clock: Clock,
    pool: Arc<Mutex<Pool>>,
}

impl Dispenser {
    /// The times of `pool` are those of `clock`.
    pub(crate) fn new(pool: Pool, clock: Clock) -> Self {
        Self { clock, pool: Arc::new(Mutex::new(pool)) }
    }

    /// Waits for a code with this much life left. Dropped while it waits, it has taken none.
    pub(crate) async fn take(&self, min_life: Duration) -> Result<CodeText, Spent> {
        self.wait_for(min_life, Pool::next).await
    }

    /// The same, and never a code that was handed out before. The one that was handed out last serves nobody any more.
    pub(crate) async fn take_fresh(&self, min_life: Duration) -> Result<CodeText, Spent> {
        self.pool().refused();
        self.wait_for(min_life, Pool::next_fresh).await
    }

    async fn wait_for(&self, min_life: Duration, next: fn(&mut Pool, u64, u64) -> Next) -> Result<CodeText, Spent> {
        let min_life = u64::try_from(min_life.as_millis()).unwrap_or(u64::MAX);
        loop {
            let found = next(&mut self.pool(), self.clock.now().mono, min_life);
            match found {
                Next::Code(code) => return Ok(code),
                Next::Wait(millis) => sleep(Duration::from_millis(millis)).await,
                Next::Spent(spent) => return Err(spent),
            }
        }
    }

    /// How long until a code with this much life that was not handed out before can be had.
    pub(crate) fn opens_in(&self, min_life: Duration) -> Duration {
        let min_life = u64::try_from(min_life.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.pool().opens_in(self.clock.now().mono, min_life))
    }

    /// The longest life that can be wanted of a code.
    pub(crate) fn longest_life(&self) -> Duration {
        Duration::from_millis(self.pool().longest_life())
    }

    /// How often a code was handed out.
    pub(crate) fn handed(&self) -> u8 {
        self.pool().handed()
    }

    /// How many can still be had.
    pub(crate) fn left(&self) -> u8 {
        self.pool().left(self.clock.now().mono)
    }

    /// Whether nothing will be handed out any more.
    pub(crate) fn is_spent(&self) -> bool {
        self.pool().is_spent(self.clock.now().mono)
    }

    /// How long until the last step is over.
    pub(crate) fn ends_in(&self) -> Duration {
        Duration::from_millis(self.pool().ends().saturating_sub(self.clock.now().mono))
    }

    /// Waits until the last step is over.
    pub(crate) async fn over(&self) {
        loop {
            let left = self.ends_in();
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        // Nothing in the pool can be left half done.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
