//! How what runs beside the engine speaks to the switch.

use countersign_core::time::Now;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::switch::Switch;

/// How many commands may wait for the engine; who has more waits.
const COMMANDS: usize = 256;

/// Something to do with the switch.
pub(crate) type Command = Box<dyn FnOnce(&mut Switch, Now) + Send>;

/// Gives commands to the engine.
#[derive(Clone)]
pub(crate) struct Handle(Sender<Command>);

impl Handle {
    pub(super) fn new() -> (Self, Receiver<Command>) {
        let (sender, receiver) = channel(COMMANDS);
        (Self(sender), receiver)
    }

    /// Has something done with the switch, soon and in order.
    pub(crate) async fn with(&self, command: impl FnOnce(&mut Switch, Now) + Send + 'static) {
        // Nobody listens only when the relay has stopped.
        let _ = self.0.send(Box::new(command)).await;
    }
}
