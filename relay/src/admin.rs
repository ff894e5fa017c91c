//! The operator's own address: `/healthz`, `/readyz` and `/metrics`, apart from what the world reaches.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fs::File,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    limits::{ACCEPT_REST, ADMIN_RETRY, ADMIN_TIMEOUT, MAX_ADMIN_CONNECTIONS},
    metrics::Snapshot,
    readiness::State,
};

/// What an operator may ask.
pub(crate) trait Asked: Send + Sync + 'static {
    fn state(&self) -> State;
    fn snapshot(&self) -> Snapshot;
}

/// The listener of the admin address.
pub(crate) struct Admin {
    address: SocketAddr,
    /// `None` while another process has the address: mostly an older relay that is draining.
    listener: Option<TcpListener>,
    spare: Arc<Spare>,
}

/// A file descriptor that is given up when there are no more, so that just then `/readyz` can still say so.
struct Spare(Mutex<Option<File>>);

impl Spare {
    fn take() -> Arc<Self> {
        Arc::new(Self(Mutex::new(File::open("/dev/null").ok())))
    }

    /// Whether there was one to give up.
    fn give_up(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// Takes one again, if it was given up and there is one.
    fn restore(&self) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_none() {
            *spare = File::open("/dev/null").ok();
        }
    }
}

/// Takes the spare descriptor again as soon as a connection has ended, before a connection of the relay takes what that has freed.
struct Restores(Arc<Spare>);

impl Drop for Restores {
    fn drop(&mut self) {
        self.0.restore();
    }
}

impl Admin {
    /// Listens, at once or, if the address is in use, as soon as it is free.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => Some(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                warn!(
                    event = "admin_in_use",
                    "the admin address is in use, by an older relay that drains? it is tried again until it is free"
                );
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { address, listener, spare: Spare::take() })
    }

    /// Where it listens, with the real port; `None` while the address is in use.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// Answers until dropped.
    pub(crate) async fn serve(self, asked: Arc<impl Asked>) {
        let Self { address, listener, spare } = self;
        let listener = match listener {
            Some(listener) => listener,
            None => loop {
                sleep(ADMIN_RETRY).await;
                if let Ok(listener) = TcpListener::bind(address).await {
                    info!(event = "admin_listening", "the admin address is free now");
                    break listener;
                }
            },
        };
        let mut connections = JoinSet::new();
        let mut oldest_first = VecDeque::new();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    while connections.try_join_next().is_some() {}
                    oldest_first.retain(|connection: &AbortHandle| !connection.is_finished());
                    if oldest_first.len() >= MAX_ADMIN_CONNECTIONS {
                        oldest_first.pop_front().inspect(AbortHandle::abort);
                    }
                    let (asked, restores) = (Arc::clone(&asked), Restores(Arc::clone(&spare)));
                    oldest_first.push_back(connections.spawn(async move {
                        let _restores = restores;
                        let _ = timeout(ADMIN_TIMEOUT, connection(stream, &*asked)).await;
                    }));
                }
                // No file descriptor for it: with the spare one there is, at once.
                Err(_) if spare.give_up() => continue,
                Err(_) => sleep(ACCEPT_REST).await,
            }
        }
    }
}

async fn connection(stream: TcpStream, asked: &impl Asked) {
    let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request, asked))));
    // Who asks wrongly is told by hyper; whoever breaks off is gone.
    let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
}

fn answer<B: Body>(request: &Request<B>, asked: &impl Asked) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET.\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/healthz" => plain(StatusCode::OK, TEXT, "alive\n"),
        "/readyz" => match asked.state() {
            State::Ready => plain(StatusCode::OK, TEXT, "ready\n"),
            State::NoFiles => plain(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no more file descriptors: new connections wait\n"),
            State::Draining => plain(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n"),
        },
        "/metrics" => plain(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", asked.snapshot().encode()),
        _ => plain(StatusCode::NOT_FOUND, TEXT, "Here are /healthz, /readyz and /metrics.\n"),
    }
}

fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    struct Fixed(State);

    impl Asked for Fixed {
        fn state(&self) -> State {
            self.0
        }

        fn snapshot(&self) -> Snapshot {
            Snapshot::default()
        }
    }

    fn status(method: Method, path: &str, state: State) -> u16 {
        let request = Request::builder().method(method).uri(path).body(Empty::<Bytes>::new()).unwrap();
        answer(&request, &Fixed(state)).status().as_u16()
    }

    #[test]
    fn health_is_not_readiness() {
        for (state, ready) in [(State::Ready, 200), (State::NoFiles, 503), (State::Draining, 503)] {
            assert_eq!(status(Method::GET, "/healthz", state), 200);
            assert_eq!(status(Method::GET, "/readyz", state), ready);
            assert_eq!(status(Method::GET, "/metrics", state), 200);
        }
        assert_eq!(status(Method::GET, "/", State::Ready), 404);
        assert_eq!(status(Method::HEAD, "/readyz", State::Draining), 503);
        assert_eq!(status(Method::POST, "/metrics", State::Ready), 405);
    }

    #[tokio::test]
    async fn connections_that_ask_nothing_are_in_nobodys_way() {
        let admin = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = admin.local_addr().unwrap();
        tokio::spawn(admin.serve(Arc::new(Fixed(State::Ready))));
        let mut idle = Vec::new();
        for _ in 0..2 * MAX_ADMIN_CONNECTIONS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let mut asking = TcpStream::connect(address).await.unwrap();
        asking.write_all(b"GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
        let mut said = String::new();
        timeout(ADMIN_TIMEOUT / 2, asking.read_to_string(&mut said)).await.unwrap().unwrap();
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        // The oldest was closed for it.
        assert_eq!(idle[0].read(&mut [0]).await.unwrap(), 0);
    }
}
