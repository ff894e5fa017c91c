//! Wake-ups: a push message to a phone that is away (docs/PROTOCOL.md §7.7, docs/RELAY.md "Wake-ups").
//!
//! The switch decides when (`switch/wake.rs`), [`PushKeys`] seals and reads push addresses, [`Pusher`] sends. Nothing of a phone is kept.

mod address;
mod keys;
mod message;
mod sealed;
mod send;
mod target;
mod vapid;

use std::sync::Arc;

use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet};

pub use keys::{PushConfig, PushKeys, PushKeysError};
pub(crate) use send::Pusher;
pub use target::Target;

use crate::{engine::Handle, switch::Wake};

/// Sends what comes in, all at the same time as far as the limits go, and reports each result. Ends with the channel; what is under way then is dropped.
pub(crate) async fn run(pusher: Arc<Pusher>, mut wakes: UnboundedReceiver<Wake>, engine: Handle) {
    let mut sending = JoinSet::new();
    loop {
        tokio::select! {
            wake = wakes.recv() => {
                let Some(Wake { conn, circuit, target }) = wake else { return };
                let pusher = Arc::clone(&pusher);
                sending.spawn(async move { (conn, circuit, pusher.wake(&target).await) });
            }
            Some(sent) = sending.join_next() => {
                // One that panicked is not reported; its OPEN waits as if there were no wake-ups.
                if let Ok((conn, circuit, result)) = sent {
                    engine.with(move |switch, _| switch.woken(conn, circuit, result)).await;
                }
            }
        }
    }
}
