//! What the operating system tells the program while it runs.

use std::sync::Arc;

use tokio::sync::oneshot;

/// Two requests to stop.
pub(super) struct Signals<F, S> {
    /// The first SIGTERM or SIGINT.
    pub(super) first: F,
    /// The second one.
    pub(super) second: S,
}

/// Listens from now on: whoever knows that the relay is ready may send a signal at once. `reload` is called on SIGHUP,
/// on a thread of its own: files may be where reading them takes for ever.
pub(super) fn listen(reload: impl Fn() + Send + Sync + 'static) -> Signals<impl Future<Output = ()>, impl Future<Output = ()>> {
    let (first_told, first) = oneshot::channel();
    let (second_told, second) = oneshot::channel();
    follow(vec![second_told, first_told], reload);
    Signals { first: told(first), second: told(second) }
}

/// Ready when told, and never if nobody is left to tell.
async fn told(receiver: oneshot::Receiver<()>) {
    if receiver.await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
fn follow(mut to_tell: Vec<oneshot::Sender<()>>, reload: impl Fn() + Send + Sync + 'static) {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
        // Then they do what they do by default: end the process.
        tracing::warn!(event = "signals", "cannot listen for signals: SIGTERM and SIGINT stop the relay without a drain");
        return;
    };
    let reload = Arc::new(reload);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {
                    let reload = Arc::clone(&reload);
                    if std::thread::Builder::new().spawn(move || reload()).is_err() {
                        tracing::error!(event = "reload_failed", "the system gives no thread to read the files with; the certificate in use stays");
                    }
                    continue;
                }
            }
            if let Some(told) = to_tell.pop() {
                // Fails only if the relay has ended by itself.
                let _ = told.send(());
            }
        }
    });
}

#[cfg(not(unix))]
fn follow(mut to_tell: Vec<oneshot::Sender<()>>, _: impl Fn() + Send + Sync + 'static) {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if let Some(told) = to_tell.pop() {
                let _ = told.send(());
            }
        }
    });
}
