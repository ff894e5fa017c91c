//! The engine's own threads. Whatever waits is awaited on them, so that every exported function works under any executor: Kotlin's, Swift's, Python's.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    task::{JoinError, JoinHandle},
};

use crate::AuthenticatorError;

/// Two: an app that is slow to be told something holds up one.
const WORKERS: usize = 2;

/// The threads; they end with it.
pub(crate) struct Shell(Option<Runtime>);

impl Shell {
    pub(crate) fn start() -> Result<Self, AuthenticatorError> {
        let runtime = Builder::new_multi_thread().worker_threads(WORKERS).thread_name("countersign").enable_all().build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(no_threads)
    }

    /// Runs a future on the threads. Dropped before it is done, the future is dropped too.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, AuthenticatorError>> + Send + 'static,
    ) -> Running<T> {
        match self.handle() {
            Some(handle) => Running(Ok(handle.spawn(future))),
            None => Running(Err(ended())),
        }
    }

    /// Runs a future on the threads, to its end: once begun it is done, whoever waits for it.
    pub(crate) fn run_to_end<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, AuthenticatorError>> + Send + 'static,
    ) -> Running<T> {
        let Some(handle) = self.handle() else { return Running(Err(ended())) };
        let task = handle.spawn(future);
        self.run(async move { task.await.unwrap_or_else(|error| Err(broken(&error))) })
    }

    /// Runs what may wait for a disk. Once begun it is done, whoever waits for it.
    pub(crate) fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, AuthenticatorError> + Send + 'static) -> Running<T> {
        match self.handle() {
            Some(handle) => Running(Ok(handle.spawn_blocking(work))),
            None => Running(Err(ended())),
        }
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }

    /// Ends the threads, once `last` is done.
    pub(crate) fn end_after(&mut self, last: impl Future<Output = ()> + Send + 'static) {
        let Some(runtime) = self.0.take() else { return };
        // Not here: whoever drops the authenticator waits for nothing.
        std::thread::spawn(move || {
            runtime.block_on(last);
            runtime.shutdown_background();
        });
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs what may wait for a disk or compute for long on a thread of its own: for what belongs to no authenticator.
pub(crate) async fn on_its_own<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuthenticatorError> + Send + 'static,
) -> Result<T, AuthenticatorError> {
    let (say, said) = oneshot::channel();
    let work = move || {
        // Whoever asked may have gone.
        let _ = say.send(work());
    };
    std::thread::Builder::new().name("countersign-work".into()).spawn(work).map_err(no_threads)?;
    said.await.unwrap_or_else(|_| Err(AuthenticatorError::TryAgain("something went wrong inside; nothing was changed".into())))
}

fn no_threads(_: std::io::Error) -> AuthenticatorError {
    AuthenticatorError::TryAgain("the system gave no threads; try again".into())
}

pub(crate) fn ended() -> AuthenticatorError {
    AuthenticatorError::TryAgain("the authenticator has been closed".into())
}

/// Work on the engine's threads.
pub(crate) struct Running<T>(Result<JoinHandle<Result<T, AuthenticatorError>>, AuthenticatorError>);

impl<T> Future for Running<T> {
    type Output = Result<T, AuthenticatorError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Ok(handle) => Pin::new(handle).poll(context).map(|done| done.unwrap_or_else(|error| Err(broken(&error)))),
            Err(error) => Poll::Ready(Err(error.clone())),
        }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if let Ok(handle) = &self.0 {
            handle.abort();
        }
    }
}

pub(crate) fn broken(error: &JoinError) -> AuthenticatorError {
    let what =
        if error.is_cancelled() { "the authenticator was closed meanwhile" } else { "something went wrong inside; look what was done" };
    AuthenticatorError::TryAgain(what.into())
}
