//! One relay: connected, served, and connected again, with pauses that grow.

use std::{sync::Arc, time::Duration};

use countersign_core::{
    backoff::{Backoff, LONGEST_PHONE_PAUSE_MS},
    relay::{Frame, Nonce, RelayUrl},
};
use countersign_link::Link;
use rand_core::OsRng;
use tokio::{
    sync::{mpsc::unbounded_channel, watch},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    LinkState,
    engine::Engine,
    net::{Orders, describe},
};

/// A connection that lasted this long was a good one: the next attempt comes soon.
const STABLE: Duration = Duration::from_secs(10);
/// An app may ask in every moment for what another device has taken, and so may the other device's: they take turns no faster than this.
const TURN: Duration = Duration::from_secs(10);
/// What an app that has just woken up gives a connection to show that it lives.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps one relay connected until told to stop.
pub(crate) async fn keep(engine: Arc<Engine>, relay: RelayUrl, mut told: watch::Receiver<Orders>) {
    let mut backoff = Backoff::up_to(LONGEST_PHONE_PAUSE_MS);
    let mut next_turn = Instant::now();
    loop {
        engine.tell_link(&relay, LinkState::Connecting);
        let before = *told.borrow_and_update();
        let connected = tokio::select! {
            // Looked at first: a connection that comes about after the shutdown would never be told to end.
            biased;
            orders = told.wait_for(|orders| orders.stop || orders.anew != before.anew) => match orders {
                Ok(orders) if !orders.stop => continue,
                _ => return,
            },
            connected = (engine.dial)(relay.clone()) => connected,
        };
        let problem = match connected {
            Ok((link, hello)) => {
                let since = Instant::now();
                let end = serve(&engine, &relay, link, hello.nonce, &mut told, before, next_turn).await;
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
                    End::TakeBack => {
                        next_turn = Instant::now() + TURN;
                        continue;
                    }
                    End::Lost(problem) => problem,
                }
            }
            Err(error) => describe(&error),
        };
        let before = *told.borrow_and_update();
        if before.stop {
            return;
        }
        let retry_ms = backoff.next_pause(&mut OsRng);
        engine.tell_link(&relay, LinkState::Waiting { problem, retry_ms });
        tokio::select! {
            orders = told.wait_for(|orders| orders.stop || orders.anew != before.anew || orders.wake != before.wake) => match orders {
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
    /// It is to be made anew because another device has taken its place.
    TakeBack,
    /// For this reason.
    Lost(String),
}

/// Carries frames until the connection ends. `before`: the orders that were known when it was begun; `next_turn`: nothing is taken back before.
async fn serve(
    engine: &Engine,
    relay: &RelayUrl,
    mut link: Link,
    nonce: Nonce,
    told: &mut watch::Receiver<Orders>,
    before: Orders,
    next_turn: Instant,
) -> End {
    let (queue, mut frames) = unbounded_channel();
    let mut heartbeat = engine.heartbeat.subscribe();
    link.set_heartbeat(*heartbeat.borrow_and_update());
    engine.connected(relay, nonce, queue);
    let (mut proven, mut evicted, mut take_back) = (false, false, false);
    let mut woken = before.wake;
    loop {
        tokio::select! {
            received = link.recv() => {
                let bytes = match received {
                    Ok(bytes) => bytes,
                    Err(error) => return End::Lost(describe(&error)),
                };
                // First of all: what a relay complains about says what it is not to be asked again.
                engine.received(relay, &bytes);
                match Frame::parse(&bytes) {
                    Ok(Frame::Error { code }) => return End::Lost(code.to_string()),
                    Ok(Frame::Proved { .. }) if !proven => {
                        proven = true;
                        engine.tell_link(relay, LinkState::Connected);
                    }
                    Ok(Frame::Evicted { .. }) if !evicted => {
                        // Not taken back by itself: the other device would do the same, for ever.
                        evicted = true;
                        engine.tell_link(relay, LinkState::Evicted);
                    }
                    _ => {}
                }
            }
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
            // When it stops, the queue above ends after the goodbyes.
            Ok(orders) = async { told.wait_for(|orders| !orders.stop && (orders.anew != before.anew || orders.wake != woken)).await.map(|it| *it) } => {
                // With `anew` its network is gone, and so is the connection: there is nobody to say goodbye to.
                if orders.anew != before.anew {
                    return End::Anew;
                }
                woken = orders.wake;
                take_back |= evicted;
                if let Err(error) = link.probe(PATIENCE).await {
                    return End::Lost(describe(&error));
                }
            }
            () = sleep_until(next_turn), if take_back => return End::TakeBack,
            Ok(()) = heartbeat.changed() => link.set_heartbeat(*heartbeat.borrow_and_update()),
        }
    }
}
