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
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    limits::{ACCEPT_REST, ADMIN_RETRY, ADMIN_TIMEOUT, MAX_ADMIN_CONNECTIONS, MAX_DRAIN},
    metrics::Snapshot,
    readiness::State,
};

/// What an operator may ask.
pub(crate) trait Asked: Send + Sync + 'static {
    fn state(&self) -> State;
    fn snapshot(&self) -> Snapshot;
}

/// Where the next relay asks for the address.
const HANDOVER: &str = "/handover";

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

    /// Answers until dropped, or until a successor takes the address over from this relay that drains.
    pub(crate) async fn serve(self, asked: Arc<impl Asked>) {
        let Self { address, listener, spare } = self;
        let listener = match listener {
            Some(listener) => listener,
            None => take_over(address).await,
        };
        let handover = Arc::new(Notify::new());
        let mut connections = JoinSet::new();
        let mut oldest_first = VecDeque::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = handover.notified() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    while connections.try_join_next().is_some() {}
                    oldest_first.retain(|connection: &AbortHandle| !connection.is_finished());
                    if oldest_first.len() >= MAX_ADMIN_CONNECTIONS {
                        oldest_first.pop_front().inspect(AbortHandle::abort);
                    }
                    let (asked, handover, restores) = (Arc::clone(&asked), Arc::clone(&handover), Restores(Arc::clone(&spare)));
                    oldest_first.push_back(connections.spawn(async move {
                        let _restores = restores;
                        let _ = timeout(ADMIN_TIMEOUT, connection(stream, &*asked, &handover)).await;
                    }));
                }
                // No file descriptor for it: with the spare one there is, at once.
                Err(_) if spare.give_up() => {}
                Err(_) => sleep(ACCEPT_REST).await,
            }
        }
        drop(listener);
        info!(event = "admin_handed_over", "the next relay has the admin address");
        // Who was being answered still is.
        while connections.join_next().await.is_some() {}
    }
}

/// Waits for an address that is in use. The older relay that has it gives it up when it drains and is asked to.
async fn take_over(address: SocketAddr) -> TcpListener {
    // Whoever still has it then is no relay that drains.
    let last_ask = Instant::now() + MAX_DRAIN;
    loop {
        if Instant::now() < last_ask {
            // Whatever else is there does not know what is meant.
            let _ = timeout(ADMIN_RETRY, ask_for(address)).await;
        }
        if let Ok(listener) = TcpListener::bind(address).await {
            info!(event = "admin_listening", "the admin address is free now");
            return listener;
        }
        sleep(ADMIN_RETRY).await;
    }
}

async fn ask_for(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("POST {HANDOVER} HTTP/1.1\r\nHost: relay\r\nContent-Length: 0\r\n\r\n").as_bytes()).await?;
    // Until it has answered.
    let mut said = [0; 64];
    while stream.read(&mut said).await? > 0 {}
    Ok(())
}

async fn connection(stream: TcpStream, asked: &impl Asked, handover: &Notify) {
    let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request, asked, handover))));
    // Who asks wrongly is told by hyper; whoever breaks off is gone.
    let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
}

fn answer<B: Body>(request: &Request<B>, asked: &impl Asked, handover: &Notify) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if request.method() == Method::POST && request.uri().path() == HANDOVER {
        if asked.state() != State::Draining {
            return plain(StatusCode::CONFLICT, TEXT, "This relay does not drain: it keeps its address.\n");
        }
        handover.notify_one();
        return plain(StatusCode::OK, TEXT, "The address is yours.\n");
    }
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
        answer(&request, &Fixed(state), &Notify::new()).status().as_u16()
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
        for (state, told) in [(State::Ready, 409), (State::NoFiles, 409), (State::Draining, 200)] {
            assert_eq!(status(Method::POST, HANDOVER, state), told);
            assert_eq!(status(Method::GET, HANDOVER, state), 404);
        }
    }

    #[tokio::test]
    async fn a_relay_that_drains_gives_its_address_up_and_no_other_does() {
        for (state, handed_over) in [(State::Draining, true), (State::Ready, false)] {
            let admin = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
            let address = admin.local_addr().unwrap();
            let old = tokio::spawn(admin.serve(Arc::new(Fixed(state))));
            assert!(Admin::bind(address).await.unwrap().local_addr().is_none());
            ask_for(address).await.unwrap();
            assert_eq!(TcpStream::connect(address).await.is_err(), handed_over);
            if handed_over {
                old.await.unwrap();
                assert_eq!(take_over(address).await.local_addr().unwrap(), address);
            }
        }
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
