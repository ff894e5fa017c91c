//! The network: one task per relay, as many as the phone has relays; timers; and how all of it ends.

use std::{
    collections::HashMap,
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use countersign_core::{
    relay::RelayUrl,
    text::{MAX_HINT, clean},
};
use countersign_link::{Hello, Link, LinkError};
use tokio::{
    runtime::Handle,
    sync::watch,
    task::{AbortHandle, JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{LinkState, engine::Engine, keep::keep};

/// Timers are looked at this often at least while a request waits: a wall clock may jump.
const TICK: Duration = Duration::from_secs(1);
/// How long goodbyes may take in all.
const GOODBYE: Duration = Duration::from_secs(2);
/// A task that ended by itself has met a fault of ours: it is begun again, but not in a loop.
const BROKEN: Duration = Duration::from_secs(60);

/// How a relay is reached: over the network, or as a test wants it.
pub(crate) type Dial = Arc<dyn Fn(RelayUrl) -> Dialled + Send + Sync>;
pub(crate) type Dialled = Pin<Box<dyn Future<Output = Result<(Link, Hello), LinkError>> + Send>>;

/// Over the network.
pub(crate) fn dial() -> Dial {
    Arc::new(|relay| Box::pin(async move { Link::connect(&relay).await }))
}

/// The running network.
pub(crate) struct Network {
    task: JoinHandle<()>,
    orders: watch::Sender<Orders>,
}

/// What the connections are told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Orders {
    pub(crate) stop: bool,
    /// Grows whenever every connection is to be made anew.
    pub(crate) anew: u64,
    /// Grows whenever every connection is to show that it lives.
    pub(crate) wake: u64,
}

impl Network {
    pub(crate) fn start(engine: Arc<Engine>, threads: &Handle) -> Self {
        let (orders, told) = watch::channel(Orders::default());
        Self { task: threads.spawn(run(engine, told)), orders }
    }

    /// Makes every connection anew, now.
    pub(crate) fn renew(&self) {
        self.orders.send_modify(|orders| orders.anew += 1);
    }

    /// Has every connection show that it lives, or be made anew; ends every wait for the next attempt.
    pub(crate) fn wake(&self) {
        self.orders.send_modify(|orders| orders.wake += 1);
    }

    /// Says goodbye and ends.
    pub(crate) async fn stop(self) {
        self.orders.send_modify(|orders| orders.stop = true);
        // If it panicked there is nothing left to end.
        let _ = self.task.await;
    }
}

async fn run(engine: Arc<Engine>, mut told: watch::Receiver<Orders>) {
    // Aborted when this is dropped.
    let mut tasks = JoinSet::new();
    let mut kept: HashMap<RelayUrl, AbortHandle> = HashMap::new();
    loop {
        let relays = engine.look(|phone| phone.relays());
        kept.retain(|relay, task| {
            let wanted = relays.contains(relay);
            if !wanted {
                task.abort();
                engine.disconnected(relay);
                engine.forget_link(relay);
            }
            wanted
        });
        for relay in relays {
            let broken = kept.get(&relay).is_some_and(AbortHandle::is_finished);
            if broken || !kept.contains_key(&relay) {
                let after = broken.then_some(BROKEN);
                kept.insert(relay.clone(), tasks.spawn(begin(engine.clone(), relay, told.clone(), after)));
            }
        }
        let tick = engine.next_tick().map(|ms| Duration::from_millis(ms).min(TICK));
        tokio::select! {
            biased;
            _ = told.wait_for(|orders| orders.stop) => break,
            () = engine.changed.notified() => {}
            () = wait(tick) => engine.tick(),
            Some(_) = tasks.join_next() => {}
        }
    }
    engine.shut_down();
    let _ = timeout(GOODBYE, async { while tasks.join_next().await.is_some() {} }).await;
    drop(tasks);
    for relay in kept.into_keys() {
        engine.disconnected(&relay);
        engine.forget_link(&relay);
    }
}

/// Keeps a relay; `after`: after a pause, because the last attempt to do so broke.
async fn begin(engine: Arc<Engine>, relay: RelayUrl, mut told: watch::Receiver<Orders>, after: Option<Duration>) {
    if let Some(after) = after {
        engine.disconnected(&relay);
        let retry_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        engine.tell_link(&relay, LinkState::Waiting { problem: "something went wrong inside the app".into(), retry_ms });
        tokio::select! {
            _ = told.wait_for(|orders| orders.stop) => return,
            () = sleep(after) => {}
        }
    }
    keep(engine, relay, told).await;
}

async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

/// The error and what caused it, in one line: short and clean, since what is at the other end may have had a word in it.
pub(crate) fn describe(error: &LinkError) -> String {
    let text = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    clean(&text, MAX_HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_short_and_clean() {
        let names = "DnsName(\"evil\u{202e}.example\")\n".repeat(1000);
        let text = describe(&LinkError::Tls(std::io::Error::other(names)));
        assert_eq!(text.chars().count(), MAX_HINT);
        assert!(text.starts_with("no secure connection to the relay: ") && !text.contains(['\n', '\u{202e}']), "{text}");
    }
}
