//! One POST: bounded in time, no redirects, one retry. Nothing but the status is read.

use std::{io, net::SocketAddr, time::Duration};

use countersign_link::connect_tls;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::target::Target;
use crate::driver::chain;

/// Longest time for one attempt, name lookup and TLS included.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes and lines of an answer's head.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Why there is no message; without the URL, or any part of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("it took longer than {} s", ATTEMPT_TIMEOUT.as_secs())]
    Slow,
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no secure connection: {0}")]
    Tls(String),
    #[error("the connection broke")]
    Broken,
    #[error("it answered {}", .0.as_u16())]
    Refused(StatusCode),
}

impl Failed {
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            _ => true,
        }
    }
}

/// Sends `body`, twice if it has to be.
pub(super) async fn post(target: &Target, body: String) -> Result<(), Failed> {
    let body = Bytes::from(body);
    match attempt(target, body.clone()).await {
        Err(failed) if failed.may_pass() => attempt(target, body).await,
        ended => ended,
    }
}

async fn attempt(target: &Target, body: Bytes) -> Result<(), Failed> {
    timeout(ATTEMPT_TIMEOUT, exchange(target, body)).await.unwrap_or(Err(Failed::Slow))
}

async fn exchange(target: &Target, body: Bytes) -> Result<(), Failed> {
    let tcp = connect(target).await.map_err(Failed::Connect)?;
    let status = if target.tls {
        // What is wrong with a certificate names the host, which may be part of the secret.
        let tls = connect_tls(tcp, &target.host).await.map_err(|error| Failed::Tls(chain(&error).replace(&target.host, "its host")))?;
        send(tls, target, body).await?
    } else {
        send(tcp, target, body).await?
    };
    // A redirect may lead anywhere.
    if status.is_success() { Ok(()) } else { Err(Failed::Refused(status)) }
}

async fn connect(target: &Target) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((target.host.as_str(), target.port)).await?.collect();
    // Whatever the name says: without TLS a message stays on this machine.
    if !target.tls && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(io::Error::other("the name is not of this machine"));
    }
    TcpStream::connect(addresses.as_slice()).await
}

async fn send(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, target: &Target, body: Bytes) -> Result<StatusCode, Failed> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|_| Failed::Broken)?;
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Failed::Broken)?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // A connection that has ended has left its answer, or the reason why there is none.
        _ = connection => answer.await,
    };
    answer.map(|answer| answer.status()).map_err(|_| Failed::Broken)
}
