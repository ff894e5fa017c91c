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

use std::{collections::HashMap, sync::Arc};

use countersign_core::relay::WakeResult;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet};

pub use keys::{PushConfig, PushKeys, PushKeysError};
pub(crate) use send::Pusher;
pub use target::Target;

use crate::{engine::Handle, switch::Wake};

/// Sends what comes in, all at the same time as far as the limits go, and reports each result. Ends with the channel; what is under way then is dropped.
pub(crate) async fn run(pusher: Arc<Pusher>, mut wakes: UnboundedReceiver<Wake>, engine: Handle) {
    let mut sending = JoinSet::new();
    let mut under_way = HashMap::new();
    loop {
        tokio::select! {
            wake = wakes.recv() => {
                let Some(Wake { conn, circuit, asker, target }) = wake else { return };
                let pusher = Arc::clone(&pusher);
                let task = sending.spawn(async move { pusher.wake(&target).await });
                under_way.insert(task.id(), (conn, circuit, asker));
            }
            Some(sent) = sending.join_next_with_id() => {
                let (task, result) = match sent {
                    Ok((task, result)) => (task, result),
                    // It panicked. Its place is free all the same.
                    Err(error) => (error.id(), WakeResult::Failed),
                };
                if let Some((conn, circuit, asker)) = under_way.remove(&task) {
                    engine.with(move |switch, _| switch.woken(conn, circuit, asker, result)).await;
                }
            }
        }
    }
}
