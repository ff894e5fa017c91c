//! The same codes for what can only fetch a URL: `http://127.0.0.1:PORT/TOKEN`. Only a code has status 200, and nothing else has a body.

use std::{
    convert::Infallible,
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use zeroize::Zeroizing;

use super::{dispenser::Dispenser, token::Token};
use crate::{exit::Exit, problem::Problem, ui::Ui};

/// Names the address for the command of `serve`. Secret while it runs.
pub(crate) const URL_VARIABLE: &str = "COUNTERSIGN_URL";
/// The next step is waited for no longer than this: the longest step there is.
const MAX_WAIT: Duration = Duration::from_secs(120);
/// Sending a request and taking its answer, beside the waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most connections at once; others wait to be let in.
const MAX_CONNECTIONS: usize = 64;
/// Most bytes and number of a request's headers; hyper takes no less.
const MAX_HEADER_BYTES: usize = 8192;
const MAX_HEADERS: usize = 64;

/// A listener on this machine only.
pub(crate) struct HttpEndpoint {
    listener: TcpListener,
    /// `127.0.0.1:PORT`, the only `Host` that is answered: a web page that calls itself by a name of its own can't ask (DNS rebinding).
    host: String,
    token: Token,
    min_life: Duration,
    /// Where it is said that somebody got no code.
    ui: Ui,
    /// How often nobody was given one because none was left: a loop that asks for ever does not fill the log.
    gone: Arc<AtomicU32>,
}

impl HttpEndpoint {
    /// On this port, or a free one.
    pub(crate) async fn bind(port: Option<u16>, min_life: Duration, ui: Ui) -> Result<Self, Problem> {
        let port = port.unwrap_or(0);
        let bound = async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let host = listener.local_addr()?.to_string();
            io::Result::Ok(Self { listener, host, token: Token::make(), min_life, ui, gone: Arc::default() })
        };
        bound.await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => Problem::new(Exit::InUse, format!("port {port} is taken by another process; nobody was asked"))
                .hint("give another --port, or none: then a free one is found"),
            _ => Problem::config(format!("cannot listen on 127.0.0.1:{port}: {error}; nobody was asked"))
                .hint("give another --port, or none"),
        })
    }

    /// The address, which is a secret.
    pub(crate) fn url(&self) -> String {
        // Wanted by whoever is to take codes.
        format!("http://{}/{}", self.host, self.token.expose())
    }

    /// Tells how many more got a 410 than the first, which was told at once.
    pub(crate) fn tell_the_rest(&self) {
        let more = self.gone.load(Ordering::Relaxed).saturating_sub(1);
        if more > 0 {
            self.ui.say(&format!("{more} more {} no code (410)", if more == 1 { "GET got" } else { "GETs got" }));
        }
    }

    /// Answers for ever.
    pub(crate) async fn serve(&self, dispenser: &Dispenser) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    // Mostly too many open files: those who are here will go.
                    let Ok((stream, _)) = accepted else { sleep(Duration::from_millis(100)).await; continue };
                    let service = Service {
                        host: self.host.clone(),
                        token: self.token.clone(),
                        dispenser: dispenser.clone(),
                        min_life: self.min_life,
                        ui: self.ui,
                        gone: Arc::clone(&self.gone),
                    };
                    connections.spawn(attend(stream, service));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// What a connection needs to be answered.
struct Service {
    host: String,
    token: Token,
    dispenser: Dispenser,
    min_life: Duration,
    ui: Ui,
    gone: Arc<AtomicU32>,
}

async fn attend(stream: TcpStream, service: Service) {
    let service = service_fn(|request| answer(request, &service));
    let mut builder = http1::Builder::new();
    builder
        .keep_alive(false)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    // One that is broken or too slow gets no answer.
    let _ = timeout(MAX_WAIT + PATIENCE, builder.serve_connection(TokioIo::new(stream), service)).await;
}

/// Whether a `Host` names us: `127.0.0.1:PORT`. That of port 80 comes without it.
fn is_own(named: &[u8], host: &str) -> bool {
    named == host.as_bytes() || host.strip_suffix(":80").is_some_and(|bare| named == bare.as_bytes())
}

async fn answer(request: Request<Incoming>, service: &Service) -> Result<Response<Full<Bytes>>, Infallible> {
    let Service { host, token, dispenser, min_life, ui, gone } = service;
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_host = hosts.next().is_some_and(|named| is_own(named.as_bytes(), host)) && hosts.next().is_none();
    let path = request.uri().path().strip_prefix('/').unwrap_or_default();
    Ok(if !is_host {
        empty(StatusCode::MISDIRECTED_REQUEST)
    } else if !token.is(path) || request.uri().query().is_some() {
        empty(StatusCode::NOT_FOUND)
    } else if request.method() != Method::GET {
        with(empty(StatusCode::METHOD_NOT_ALLOWED), ALLOW, "GET")
    } else if !request.body().is_end_stream() {
        // Whoever goes away before it has come can't be told from one who waits.
        empty(StatusCode::PAYLOAD_TOO_LARGE)
    } else {
        match timeout(MAX_WAIT, dispenser.take_fresh(*min_life)).await {
            Ok(Ok(code)) => {
                // The code is what was asked for.
                let body = Bytes::from_owner(Zeroizing::new(format!("{}\n", code.expose()).into_bytes()));
                let mut response = Response::new(Full::new(body));
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                with(response, CONTENT_TYPE, "text/plain; charset=utf-8")
            }
            Ok(Err(spent)) => {
                if gone.fetch_add(1, Ordering::Relaxed) == 0 {
                    ui.say(&format!("a GET got no code (410): {spent}"));
                }
                empty(StatusCode::GONE)
            }
            Err(_) => {
                ui.say(&format!("a GET got no code (503): no step of time began within {} s", MAX_WAIT.as_secs()));
                with(empty(StatusCode::SERVICE_UNAVAILABLE), RETRY_AFTER, "1")
            }
        }
    })
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    with(response, CACHE_CONTROL, "no-store")
}

fn with(mut response: Response<Full<Bytes>>, name: HeaderName, value: &'static str) -> Response<Full<Bytes>> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use countersign_link::Clock;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::codes::pool::{Pool, Slot};

    fn dispenser(codes: u64, limit: u8, opens: u64) -> Dispenser {
        let slot = |n: u64| Slot { opens, ends: 3_600_000 + opens + n, code: serde_json::from_value(format!("{n:06}").into()).unwrap() };
        Dispenser::new(Pool::new((0..codes).map(slot).collect(), 3_600_000, limit, false), Clock::start())
    }

    const UI: Ui = Ui { terminal: false, color: false, json: false, platform: None };

    /// Sends these bytes and gives the whole answer.
    async fn send(host: &str, request: &str) -> String {
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn serving<T>(dispenser: &Dispenser, test: impl AsyncFnOnce(&HttpEndpoint) -> T) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let endpoint = HttpEndpoint::bind(None, Duration::from_secs(5), UI).await.unwrap();
            tokio::select! {
                done = test(&endpoint) => done,
                () = endpoint.serve(dispenser) => panic!("it never ends"),
            }
        })
    }

    fn status_and_body(answer: &str) -> (&str, &str) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert!(head.starts_with("http/1.0") || head.contains("connection: close"), "{head}");
        (answer.split(' ').nth(1).unwrap(), body)
    }

    #[test]
    fn a_code_alone_has_200_and_a_body() {
        let dispenser = dispenser(3, 2, 0);
        serving(&dispenser, async |endpoint| {
            let (host, path) = (endpoint.host.as_str(), endpoint.token.expose());
            let get = |host_header: &str, path: &str| format!("GET /{path} HTTP/1.1\r\nHost: {host_header}\r\n\r\n");
            for (request, status) in [
                (get(host, "x"), "404"),
                (get(host, ""), "404"),
                (get(host, &path[1..]), "404"),
                (get(host, &format!("{path}?a=b")), "404"),
                (get("localhost", path), "421"),
                (get("evil.example.org", path), "421"),
                (format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"), "421"),
                (format!("GET /{path} HTTP/1.0\r\n\r\n"), "421"),
                (format!("POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"), "405"),
                (format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n"), "413"),
                (format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"), "413"),
                (format!("HEAD /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
            ] {
                assert_eq!(status_and_body(&send(host, &request).await), (status, ""), "{request}");
            }
            // What is no request at all, or too much of one, hyper answers itself.
            let many = format!("GET /{path} HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
            for (request, status) in [("nonsense\r\n\r\n", "400"), (&many, "431")] {
                let answer = send(host, request).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("\r\n\r\n"), "{answer}");
            }
            assert_eq!(dispenser.handed(), 0);
            assert_eq!(status_and_body(&send(host, &get(host, path)).await), ("200", "000000\n"));
            assert_eq!(status_and_body(&send(host, &get(host, path)).await), ("200", "000001\n"));
            assert_eq!(status_and_body(&send(host, &get(host, path)).await), ("410", ""));
        });
    }

    /// Browsers and curl leave out the port that is the usual one.
    #[test]
    fn port_80_goes_without_saying() {
        assert!(is_own(b"127.0.0.1", "127.0.0.1:80") && is_own(b"127.0.0.1:80", "127.0.0.1:80"));
        for (named, host) in
            [("127.0.0.1", "127.0.0.1:8080"), ("127.0.0.1:8080", "127.0.0.1:80"), ("localhost", "127.0.0.1:80"), ("", "127.0.0.1:80")]
        {
            assert!(!is_own(named.as_bytes(), host), "{named} {host}");
        }
    }

    #[test]
    fn who_hangs_up_while_waiting_takes_no_code() {
        let dispenser = dispenser(1, 1, 3_600_000);
        serving(&dispenser, async |endpoint| {
            let mut stream = TcpStream::connect(&endpoint.host).await.unwrap();
            let request = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", endpoint.token.expose(), endpoint.host);
            stream.write_all(request.as_bytes()).await.unwrap();
            drop(stream);
            assert!(send(&endpoint.host, &format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", endpoint.host)).await.contains(" 404 "));
        });
        assert_eq!((dispenser.handed(), dispenser.left()), (0, 1));
    }

    #[test]
    fn a_port_that_is_taken_is_told() {
        serving(&dispenser(1, 1, 0), async |endpoint| {
            let port = endpoint.listener.local_addr().unwrap().port();
            let problem = HttpEndpoint::bind(Some(port), Duration::ZERO, UI).await.err().unwrap();
            assert_eq!(
                (problem.exit, problem.message),
                (Exit::InUse, format!("port {port} is taken by another process; nobody was asked"))
            );
        });
    }
}
