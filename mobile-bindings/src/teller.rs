//! What the observer is told, in order, on a thread of its own: whatever the app waits for there, the engine does not wait for it.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use crate::{AuthenticatorError, Event, Observer};

/// Takes what is to be told. The thread ends when this is gone and everything was told.
pub(crate) struct Teller(mpsc::Sender<Event>);

impl Teller {
    pub(crate) fn start(observer: Arc<dyn Observer>) -> Result<Self, AuthenticatorError> {
        let (tell, told) = mpsc::channel();
        let work = move || {
            for event in told {
                // An app that fails to show something is still told the rest.
                let _ = observer.on_event(event);
            }
        };
        let started = thread::Builder::new().name("countersign-told".into()).spawn(work);
        let failed = |_| AuthenticatorError::TryAgain("the system gave no threads; try again".into());
        started.map(|_| Self(tell)).map_err(failed)
    }

    pub(crate) fn tell(&self, event: Event) {
        // The thread ends last.
        let _ = self.0.send(event);
    }
}
