//! Handing a wake-up to a push service (RFC 8030): one POST to exactly the address that was checked, no redirects, nothing kept.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::Arc,
    time::{Duration, SystemTime},
};

use countersign_core::relay::WakeResult;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderMap, HeaderName},
};
use hyper_util::rt::TokioIo;
use rand_core::OsRng;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, ClientConfig},
};

use super::{
    PushKeys,
    message::encrypt,
    target::{Endpoint, Target, only_public},
};
use crate::{
    clock::unix_now,
    limits::{Limits, WAKE_TTL},
    roots::system_roots,
};

/// The same for every wake-up: a push service replaces one that it still keeps by the next.
const TOPIC: &str = "countersign";
/// What every push message says: nothing that tells one request from another.
const CONTENT: &[u8] = b"countersign/1";
/// Addresses of a push service that are tried in one attempt.
const MAX_ADDRESSES: usize = 4;
/// Most headers of an answer, and most bytes of them.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Sends wake-ups.
pub(crate) struct Pusher {
    keys: Arc<PushKeys>,
    tls: TlsConnector,
    in_flight: Arc<Semaphore>,
    attempts: u32,
    attempt_timeout: Duration,
    whole_timeout: Duration,
    pause: Duration,
}

/// What came of one attempt.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Taken,
    Gone,
    /// It would be refused again.
    Refused,
    /// It may work later; perhaps the push service said when.
    Again(Option<Duration>),
}

impl Pusher {
    pub(crate) fn new(keys: Arc<PushKeys>, limits: &Limits) -> Result<Self, rustls::Error> {
        Ok(Self {
            keys,
            tls: connector()?,
            in_flight: Arc::new(Semaphore::new(limits.max_wakes_in_flight)),
            attempts: limits.wake_attempts,
            attempt_timeout: limits.wake_attempt_timeout,
            whole_timeout: limits.wake_timeout,
            pause: limits.wake_pause,
        })
    }

    /// Sends one wake-up; takes as long as `wake_timeout` at most.
    pub(crate) async fn wake(&self, target: &Target) -> WakeResult {
        match Arc::clone(&self.in_flight).try_acquire_owned() {
            Ok(permit) => timeout(self.whole_timeout, self.try_until_taken(target, permit)).await.unwrap_or(WakeResult::Failed),
            // Better none than a queue of wake-ups that come late.
            Err(_) => WakeResult::Failed,
        }
    }

    async fn try_until_taken(&self, target: &Target, permit: OwnedSemaphorePermit) -> WakeResult {
        // A name that is looked up for longer than we wait still occupies a thread: it keeps the permit until then.
        let permit = Arc::new(permit);
        let until = Instant::now() + self.whole_timeout;
        let Some(endpoint) = Endpoint::parse(target.endpoint.as_bytes(), self.keys.allow_private) else { return WakeResult::Failed };
        let mut pause = self.pause;
        for left in (0..self.attempts).rev() {
            let attempt = timeout(self.attempt_timeout, self.attempt(target, &endpoint, &permit)).await;
            let wait = match attempt.unwrap_or(Attempt::Again(None)) {
                Attempt::Taken => return WakeResult::Sent,
                Attempt::Gone => return WakeResult::Gone,
                Attempt::Refused => return WakeResult::Failed,
                Attempt::Again(wait) => wait.unwrap_or(pause),
            };
            if left == 0 || wait >= until.saturating_duration_since(Instant::now()) {
                return WakeResult::Failed;
            }
            sleep(wait).await;
            pause *= 3;
        }
        WakeResult::Failed
    }

    async fn attempt(&self, target: &Target, endpoint: &Endpoint, permit: &Arc<OwnedSemaphorePermit>) -> Attempt {
        let Ok(addresses) = look_up(endpoint, Arc::clone(permit)).await else { return Attempt::Again(None) };
        let Some(addresses) = only_public(addresses, self.keys.allow_private) else { return Attempt::Refused };
        let Some(request) = self.request(target, endpoint) else { return Attempt::Refused };
        let Ok(tcp) = connect(&addresses).await else { return Attempt::Again(None) };
        if !endpoint.tls {
            return post(tcp, request).await;
        }
        let Ok(name) = ServerName::try_from(endpoint.host.clone()) else { return Attempt::Refused };
        match self.tls.connect(name, tcp).await {
            Ok(stream) => post(stream, request).await,
            Err(_) => Attempt::Again(None),
        }
    }

    fn request(&self, target: &Target, endpoint: &Endpoint) -> Option<Request<Full<Bytes>>> {
        let body = encrypt(CONTENT, &target.p256dh, &target.auth, &mut OsRng).ok()?;
        let authorization = self.keys.vapid.authorization(&endpoint.origin(), unix_now());
        Request::builder()
            .method(Method::POST)
            .uri(&endpoint.path)
            .header(header::HOST, &endpoint.authority)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(HeaderName::from_static("ttl"), WAKE_TTL.as_secs())
            .header(HeaderName::from_static("urgency"), "high")
            .header(HeaderName::from_static("topic"), TOPIC)
            .body(Full::new(Bytes::from(body)))
            .ok()
    }
}

/// Looks the host up, on a thread that keeps `permit` even if nobody waits any more.
async fn look_up(endpoint: &Endpoint, permit: Arc<OwnedSemaphorePermit>) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = (endpoint.host.clone(), endpoint.port);
    let looked_up = tokio::task::spawn_blocking(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        drop(permit);
        addresses
    });
    looked_up.await.map_err(io::Error::other)?
}

/// Connects to the first of these addresses that answers.
async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses.iter().take(MAX_ADDRESSES) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Sends the request and reads the head of the answer. Its body is of no use and not read.
async fn post(stream: impl AsyncRead + AsyncWrite + Unpin, request: Request<Full<Bytes>>) -> Attempt {
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEADER_BYTES);
    let Ok((mut sender, connection)) = builder.handshake(TokioIo::new(stream)).await else { return Attempt::Again(None) };
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // A connection that has ended has left its answer, or the reason why there is none.
        _ = connection => answer.await,
    };
    answer.map_or(Attempt::Again(None), |answer| judge(answer.status(), answer.headers()))
}

fn judge(status: StatusCode, headers: &HeaderMap) -> Attempt {
    match status {
        status if status.is_success() => Attempt::Taken,
        StatusCode::NOT_FOUND | StatusCode::GONE => Attempt::Gone,
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            let wait = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            Attempt::Again(wait.and_then(|text| retry_after(text, SystemTime::now())))
        }
        // A redirect is as little of an answer as a refusal: it may lead anywhere.
        _ => Attempt::Refused,
    }
}

/// `Retry-After` in either form: seconds, or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default())
}

fn connector() -> Result<TlsConnector, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(system_roots())
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn both_forms_of_retry_after() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(Duration::ZERO));
        for bad in ["", "-1", "soon", "99999999999999999999999"] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn what_answers_mean() {
        let judged = |status: u16| judge(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        for (status, meaning) in [
            (200, Attempt::Taken),
            (201, Attempt::Taken),
            (202, Attempt::Taken),
            (301, Attempt::Refused),
            (307, Attempt::Refused),
            (400, Attempt::Refused),
            (401, Attempt::Refused),
            (403, Attempt::Refused),
            (404, Attempt::Gone),
            (410, Attempt::Gone),
            (413, Attempt::Refused),
            (429, Attempt::Again(None)),
            (500, Attempt::Again(None)),
            (503, Attempt::Again(None)),
        ] {
            assert_eq!(judged(status), meaning, "{status}");
        }
    }
}
