//! The network: one connection per relay, kept up; frames, timers and events carried.

use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

use countersign_core::{
    backoff::Backoff,
    relay::{Frame, Nonce, RelayUrl},
};
use countersign_link::{Link, LinkError};
use rand_core::OsRng;
use tokio::{
    runtime::Handle,
    sync::{mpsc::unbounded_channel, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

use crate::{LinkState, engine::Engine};

/// A connection that lasted this long was a good one: the next attempt comes soon.
const STABLE: Duration = Duration::from_secs(10);
/// Timers are looked at this often at least while a request waits: a wall clock may jump.
const TICK: Duration = Duration::from_secs(1);
/// How long goodbyes may take in all.
const GOODBYE: Duration = Duration::from_secs(2);

/// The running network.
pub(crate) struct Network {
    task: JoinHandle<()>,
    orders: watch::Sender<Orders>,
}

/// What the connections are told.
#[derive(Debug, Clone, Copy, Default)]
struct Orders {
    stop: bool,
    /// Grows whenever every connection is to be made anew.
    anew: u64,
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

    /// Says goodbye and ends.
    pub(crate) async fn stop(self) {
        self.orders.send_modify(|orders| orders.stop = true);
        // If it panicked there is nothing left to end.
        let _ = self.task.await;
    }
}

async fn run(engine: Arc<Engine>, mut told: watch::Receiver<Orders>) {
    let mut tasks: HashMap<RelayUrl, JoinHandle<()>> = HashMap::new();
    loop {
        engine.deliver_events();
        let relays = engine.look(|phone| phone.relays());
        tasks.retain(|relay, task| {
            let wanted = relays.contains(relay);
            if !wanted {
                task.abort();
                engine.disconnected(relay);
                engine.forget_link(relay);
            }
            wanted
        });
        for relay in relays {
            tasks.entry(relay.clone()).or_insert_with(|| tokio::spawn(keep(engine.clone(), relay, told.clone())));
        }
        let tick = engine.next_tick().map(|ms| Duration::from_millis(ms).min(TICK));
        tokio::select! {
            biased;
            _ = told.wait_for(|orders| orders.stop) => break,
            () = engine.changed.notified() => {}
            () = wait(tick) => engine.tick(),
        }
    }
    engine.shut_down();
    let relays: Vec<RelayUrl> = tasks.keys().cloned().collect();
    // Aborted when this is dropped.
    let mut ending: JoinSet<()> = JoinSet::new();
    for task in tasks.into_values() {
        ending.spawn(async move {
            let mut task = Aborted(task);
            // A task that panicked has ended too.
            let _ = (&mut task.0).await;
        });
    }
    let _ = timeout(GOODBYE, async { while ending.join_next().await.is_some() {} }).await;
    drop(ending);
    for relay in relays {
        engine.disconnected(&relay);
        engine.forget_link(&relay);
    }
    engine.deliver_events();
}

/// Aborts its task when it is dropped.
struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

/// Keeps one relay connected until told to stop.
async fn keep(engine: Arc<Engine>, relay: RelayUrl, mut told: watch::Receiver<Orders>) {
    let mut backoff = Backoff::default();
    loop {
        engine.tell_link(&relay, LinkState::Connecting);
        let anew = told.borrow_and_update().anew;
        let connected = tokio::select! {
            // Looked at first: a connection that comes about after the shutdown would never be told to end.
            biased;
            orders = told.wait_for(|orders| orders.stop || orders.anew != anew) => match orders {
                Ok(orders) if !orders.stop => continue,
                _ => return,
            },
            connected = Link::connect(&relay) => connected,
        };
        let problem = match connected {
            Ok((link, hello)) => {
                let since = Instant::now();
                let end = tokio::select! {
                    end = serve(&engine, &relay, link, hello.nonce) => end,
                    // Its network is gone, and so is the connection: there is nobody to say goodbye to.
                    _ = told.wait_for(|orders| !orders.stop && orders.anew != anew) => End::Anew,
                };
                engine.disconnected(&relay);
                if since.elapsed() >= STABLE {
                    backoff.reset();
                }
                match end {
                    End::Stopped => return,
                    End::Anew => {
                        backoff.reset();
                        continue;
                    }
                    End::Lost(problem) => problem,
                }
            }
            Err(error) => describe(&error),
        };
        let retry_ms = backoff.next_pause(&mut OsRng);
        engine.tell_link(&relay, LinkState::Waiting { problem, retry_ms });
        tokio::select! {
            orders = told.wait_for(|orders| orders.stop || orders.anew != anew) => match orders {
                Ok(orders) if !orders.stop => backoff.reset(),
                _ => return,
            },
            () = sleep(Duration::from_millis(retry_ms)) => {}
        }
    }
}

/// How a connection ended.
enum End {
    /// The engine let go of its end.
    Stopped,
    /// It is to be made anew at once.
    Anew,
    /// For this reason.
    Lost(String),
}

/// Carries frames until the connection ends.
async fn serve(engine: &Engine, relay: &RelayUrl, mut link: Link, nonce: Nonce) -> End {
    let (queue, mut frames) = unbounded_channel();
    engine.connected(relay, nonce, queue);
    let mut proven = false;
    loop {
        tokio::select! {
            received = link.recv() => match received {
                Ok(frame) => {
                    match Frame::parse(&frame) {
                        Ok(Frame::Error { code }) => return End::Lost(code.to_string()),
                        Ok(Frame::Proved { .. }) if !proven => {
                            proven = true;
                            engine.tell_link(relay, LinkState::Connected);
                        }
                        _ => {}
                    }
                    engine.received(relay, &frame);
                }
                Err(error) => return End::Lost(describe(&error)),
            },
            frame = frames.recv() => match frame {
                Some(frame) => {
                    if let Err(error) = link.send(&frame).await {
                        return End::Lost(describe(&error));
                    }
                }
                None => {
                    link.close().await;
                    return End::Stopped;
                }
            },
        }
    }
}

/// The error and what caused it, in one line.
pub(crate) fn describe(error: &LinkError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
