//! The network thread: one connection per relay, kept up; frames, timers and events carried.

use std::{cell::Cell, collections::HashMap, future::pending, sync::Arc, thread::JoinHandle, time::Duration};

use countersign_core::{
    backoff::Backoff,
    relay::{Frame, Nonce, RelayUrl},
};
use countersign_link::{Link, LinkError};
use rand_core::OsRng;
use tokio::{
    sync::{mpsc::unbounded_channel, watch},
    time::{Instant, sleep, timeout},
};

use crate::{AuthenticatorError, LinkState, engine::Engine};

/// A connection that lasted this long was a good one: the next attempt comes soon.
const STABLE: Duration = Duration::from_secs(10);
/// Timers are looked at this often at least while a request waits: a wall clock may jump.
const TICK: Duration = Duration::from_secs(1);
/// How long goodbyes may take in all.
const GOODBYE: Duration = Duration::from_secs(2);

/// The running thread.
pub(crate) struct Network {
    thread: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Network {
    /// Starts the thread.
    pub(crate) fn start(engine: Arc<Engine>) -> Result<Self, AuthenticatorError> {
        let failed = |_| AuthenticatorError::TryAgain("the system gave no thread for the network; try again".into());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let run = move || {
            OURS.set(true);
            runtime.block_on(run(engine, stopped));
        };
        let thread = std::thread::Builder::new().name("countersign".into()).spawn(run).map_err(failed)?;
        Ok(Self { thread, stop })
    }

    /// Tells the thread to end.
    pub(crate) fn signal(&self) {
        self.stop.send_replace(true);
    }

    /// Whether it was told to end.
    pub(crate) fn is_ending(&self) -> bool {
        *self.stop.borrow()
    }

    /// Tells the thread to end and waits for it. Not to be called on it.
    pub(crate) fn stop(self) {
        self.signal();
        // If it panicked there is nothing left to end.
        let _ = self.thread.join();
    }
}

thread_local! {
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is one that runs a network of ours, which must not wait for itself.
pub(crate) fn is_engine_thread() -> bool {
    OURS.get()
}

async fn run(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut tasks = HashMap::new();
    loop {
        engine.deliver_events();
        let relays = engine.look(|phone| phone.relays());
        tasks.retain(|relay, task: &mut tokio::task::JoinHandle<()>| {
            let wanted = relays.contains(relay);
            if !wanted {
                task.abort();
                engine.disconnected(relay);
            }
            wanted
        });
        for relay in relays {
            tasks.entry(relay.clone()).or_insert_with(|| tokio::spawn(keep(engine.clone(), relay, stop.clone())));
        }
        let tick = engine.next_tick().map(|ms| Duration::from_millis(ms).min(TICK));
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            () = engine.changed.notified() => {}
            () = wait(tick) => engine.tick(),
        }
    }
    engine.shut_down();
    let all = async {
        for task in tasks.values_mut() {
            // A task that panicked has ended too.
            let _ = task.await;
        }
    };
    let _ = timeout(GOODBYE, all).await;
    for (relay, task) in tasks {
        task.abort();
        engine.disconnected(&relay);
    }
    engine.deliver_events();
}

async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

/// Keeps one relay connected until told to stop.
async fn keep(engine: Arc<Engine>, relay: RelayUrl, mut stop: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    loop {
        engine.tell_link(&relay, LinkState::Connecting);
        let connected = tokio::select! {
            // Looked at first: a connection that comes about after the shutdown would never be told to end.
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            connected = Link::connect(&relay) => connected,
        };
        let problem = match connected {
            Ok((link, hello)) => {
                let since = Instant::now();
                let end = serve(&engine, &relay, link, hello.nonce).await;
                engine.disconnected(&relay);
                if since.elapsed() >= STABLE {
                    backoff.reset();
                }
                match end {
                    Some(problem) => problem,
                    None => return,
                }
            }
            Err(error) => describe(&error),
        };
        let retry_ms = backoff.next_pause(&mut OsRng);
        engine.tell_link(&relay, LinkState::Waiting { problem, retry_ms });
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(Duration::from_millis(retry_ms)) => {}
        }
    }
}

/// Carries frames until the connection ends, and says why; `None` after the engine let go of its end.
async fn serve(engine: &Engine, relay: &RelayUrl, mut link: Link, nonce: Nonce) -> Option<String> {
    let (queue, mut frames) = unbounded_channel();
    engine.connected(relay, nonce, queue);
    let mut proven = false;
    loop {
        tokio::select! {
            received = link.recv() => match received {
                Ok(frame) => {
                    match Frame::parse(&frame) {
                        Ok(Frame::Error { code }) => return Some(code.to_string()),
                        Ok(Frame::Proved { .. }) if !proven => {
                            proven = true;
                            engine.tell_link(relay, LinkState::Connected);
                        }
                        _ => {}
                    }
                    engine.received(relay, &frame);
                }
                Err(error) => return Some(describe(&error)),
            },
            frame = frames.recv() => match frame {
                Some(frame) => {
                    if let Err(error) = link.send(&frame).await {
                        return Some(describe(&error));
                    }
                }
                None => {
                    link.close().await;
                    return None;
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
