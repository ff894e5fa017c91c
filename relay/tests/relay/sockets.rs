//! The relay over real sockets: protocol, limits, shutdown.

use std::time::Duration;

use crate::ends::{End, Running, mailbox, sender_key, ticket};
use countersign_core::relay::{CloseReason, ErrorCode, Frame, MAX_FRAME, RelayUrl, Role, Ticket};
use countersign_link::{Link, LinkError, RootCertStore};
use countersign_relay::{Config, Relay, RelayError, TlsFiles, limits::Limits, tls::TlsError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const N: u32 = 0x8000_0000;

fn incoming(circuit: u32, tail: &[u8]) -> Frame<'_> {
    Frame::Incoming { circuit, mailbox: mailbox(), ticket_id: ticket().ticket_id, tail }
}

fn close(circuit: u32, reason: CloseReason) -> Frame<'static> {
    Frame::Close { circuit, reason }
}

fn with(change: impl FnOnce(&mut Limits)) -> Config {
    let mut config = Config::default();
    change(&mut config.limits);
    config
}

#[tokio::test]
async fn a_request_goes_through() {
    let relay = Running::start(Config::default()).await;
    let mut phone = relay.phone(&[]).await;
    let mut ci = relay.end().await;
    ci.open(1, &ticket(), &[9; 12_288]).await;
    phone.expect(incoming(N, &[9; 12_288])).await;
    ci.expect(Frame::Opened { circuit: 1 }).await;
    phone.send(Frame::Data { circuit: N, tail: b"m2" }).await;
    ci.expect(Frame::Data { circuit: 1, tail: b"m2" }).await;
    ci.send(Frame::Data { circuit: 1, tail: b"m3" }).await;
    phone.expect(Frame::Data { circuit: N, tail: b"m3" }).await;
    phone.send(close(N, CloseReason::Done)).await;
    ci.expect(close(1, CloseReason::Done)).await;
    ci.open(2, &ticket(), b"m1").await;
    phone.expect(incoming(N + 1, b"m1")).await;
    drop(ci);
    phone.expect(close(N + 1, CloseReason::PeerGone)).await;
}

#[tokio::test]
async fn a_request_waits_for_the_phone() {
    let relay = Running::start(Config::default()).await;
    let mut ci = relay.end().await;
    ci.open(1, &ticket(), b"m1").await;
    ci.expect(Frame::Waiting { circuit: 1 }).await;
    let mut phone = relay.phone(&[]).await;
    phone.expect(incoming(N, b"m1")).await;
    ci.expect(Frame::Opened { circuit: 1 }).await;
    drop(phone);
    ci.expect(close(1, CloseReason::PeerGone)).await;
}

#[tokio::test]
async fn a_wrong_proof_ends_the_connection() {
    let relay = Running::start(Config::default()).await;
    let mut phone = relay.end().await;
    phone.origin = "wss://relay.example.org".to_owned();
    phone.prove(&[]).await;
    phone.expect(Frame::Error { code: ErrorCode::BadProof }).await;
    phone.expect_end().await;
    // Every form of the loopback address is an origin of its own.
    let mut phone = relay.end().await;
    phone.origin = format!("ws://localhost:{}", relay.url.port());
    phone.prove(&[]).await;
    phone.expect(Frame::Proved { mailbox: mailbox() }).await;
}

#[tokio::test]
async fn tickets_are_refused() {
    let relay = Running::start(Config::default()).await;
    let denied = [8; 16];
    let _phone = relay.phone(&[denied]).await;
    let mut ci = relay.end().await;
    let bad = [
        Ticket { ticket_id: denied, ..ticket() },
        Ticket { sender: Some(sender_key(2).public()), ..ticket() },
        Ticket { expires: 1_000_000_000, ..ticket() },
        Ticket { sender: None, ..ticket() },
        Ticket { mailbox_public: sender_key(1).public(), ..ticket() },
    ];
    for (circuit, ticket) in (1..).zip(&bad) {
        ci.open(circuit, ticket, b"m1").await;
        ci.expect(close(circuit, CloseReason::TicketRefused)).await;
    }
    ci.open(9, &Ticket { opens_per_hour: 0, ..ticket() }, b"m1").await;
    ci.expect(close(9, CloseReason::Limit)).await;
}

#[tokio::test]
async fn the_newest_phone_wins() {
    let relay = Running::start(Config::default()).await;
    let mut old = relay.phone(&[]).await;
    let _new = relay.phone(&[]).await;
    old.expect(Frame::Evicted { mailbox: mailbox() }).await;
}

#[tokio::test]
async fn a_pairing_meets() {
    let relay = Running::start(Config::default()).await;
    let (mut laptop, mut phone) = (relay.end().await, relay.end().await);
    laptop.send(Frame::Meet { circuit: 1, role: Role::Laptop, rendezvous: [3; 16] }).await;
    phone.send(Frame::Meet { circuit: 2, role: Role::Phone, rendezvous: [3; 16] }).await;
    laptop.expect(Frame::Met { circuit: 1 }).await;
    phone.expect(Frame::Met { circuit: 2 }).await;
    phone.send(Frame::Data { circuit: 2, tail: b"p1" }).await;
    laptop.expect(Frame::Data { circuit: 1, tail: b"p1" }).await;
}

#[tokio::test]
async fn what_is_no_frame_ends_the_connection() {
    let relay = Running::start(Config::default()).await;
    let mut end = relay.end().await;
    end.link.send(&[0x99]).await.unwrap();
    end.expect(Frame::Error { code: ErrorCode::Malformed }).await;
    end.expect_end().await;
    let mut end = relay.end().await;
    assert!(matches!(end.link.send(&[0x30; MAX_FRAME + 1]).await, Err(LinkError::TooBig)));
    // Text, and a frame longer than allowed, as bytes on the socket: final text frame of 1 byte; binary of 64 KiB.
    let text = vec![0x81, 0x81, 0, 0, 0, 0, b'x'];
    let long = [vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], vec![0; 65_536]].concat();
    for bytes in [text, long] {
        let mut stream = raw(&relay, "/v1", true).await.0;
        stream.write_all(&bytes).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        // HELLO may have been read with the handshake's answer; ERROR malformed and a close frame (1000 or empty) come last.
        let error = [&[0x82, 2][..], &Frame::Error { code: ErrorCode::Malformed }.encode()].concat();
        assert!(rest.windows(error.len()).any(|window| window == error), "{rest:02x?}");
    }
}

#[tokio::test]
async fn silence_ends_the_connection() {
    let relay = Running::start(with(|limits| limits.auth_timeout = Duration::ZERO)).await;
    let mut end = relay.end().await;
    end.expect(Frame::Error { code: ErrorCode::AuthTimeout }).await;
    end.expect_end().await;
    // Who does not answer pings is cut; the other end of its circuit hears of it.
    let relay = Running::start(with(|limits| {
        limits.ping_interval = Duration::from_millis(10);
        limits.pong_timeout = Duration::from_secs(2);
    }))
    .await;
    let (mut silent, mut end) = (relay.end().await, relay.end().await);
    silent.send(Frame::Meet { circuit: 1, role: Role::Laptop, rendezvous: [3; 16] }).await;
    end.send(Frame::Meet { circuit: 1, role: Role::Phone, rendezvous: [3; 16] }).await;
    end.expect(Frame::Met { circuit: 1 }).await;
    // `silent` is not polled any more, so its pongs stay away; `end` answers while it waits.
    end.expect(close(1, CloseReason::PeerGone)).await;
}

#[tokio::test]
async fn a_slow_reader_is_cut() {
    let relay = Running::start(with(|limits| {
        limits.out_queue = 4096;
        limits.max_messages_per_circuit = u32::MAX;
        limits.max_bytes_per_circuit = u32::MAX;
    }))
    .await;
    let (mut slow, mut fast) = (relay.end().await, relay.end().await);
    slow.send(Frame::Meet { circuit: 1, role: Role::Laptop, rendezvous: [3; 16] }).await;
    fast.send(Frame::Meet { circuit: 1, role: Role::Phone, rendezvous: [3; 16] }).await;
    fast.expect(Frame::Met { circuit: 1 }).await;
    // The kernel's buffers take some; then the queue overflows and the circuit ends.
    let bytes = [0; 1024];
    let end = loop {
        tokio::select! {
            biased;
            end = fast.recv() => break end,
            () = tokio::task::yield_now() => fast.send(Frame::Data { circuit: 1, tail: &bytes }).await,
        }
    };
    assert_eq!(end, close(1, CloseReason::PeerGone).encode());
}

#[tokio::test]
async fn connections_are_counted() {
    let relay = Running::start(with(|limits| limits.max_connections_per_ip = 2)).await;
    let first = relay.end().await;
    let _second = relay.end().await;
    assert!(matches!(Link::connect(&relay.url).await, Err(LinkError::Unreachable(_))));
    first.link.close().await;
    // The place is free once the relay has seen the end: try until it has.
    while Link::connect(&relay.url).await.is_err() {}
}

/// Sends a request by hand and returns the stream and the first part of the answer.
async fn raw(relay: &Running, path: &str, websocket: bool) -> (TcpStream, String) {
    let mut stream = TcpStream::connect((relay.url.host(), relay.url.port())).await.unwrap();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let head = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n{}\r\n", if websocket { upgrade } else { "" });
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    (stream, String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test]
async fn http_gets_a_sentence() {
    let relay = Running::start(Config::default()).await;
    for (path, websocket, status) in [("/", true, "404 "), ("/v1/", true, "404 "), ("/", false, "404 "), ("/v1", false, "426 ")] {
        let (mut stream, mut answer) = raw(&relay, path, websocket).await;
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(answer.ends_with("a WebSocket at /v1.\n"), "{path}: {answer}");
    }
    assert!(raw(&relay, "/v1", true).await.1.starts_with("HTTP/1.1 101 "));
}

#[tokio::test]
async fn a_shutdown_is_told() {
    let relay = Running::start(Config::default()).await;
    let mut phone = relay.phone(&[]).await;
    let mut ci = relay.end().await;
    let url = relay.url.clone();
    let served = relay.shut_down();
    for end in [&mut phone, &mut ci] {
        end.expect(Frame::Error { code: ErrorCode::ShuttingDown }).await;
        end.expect_end().await;
    }
    drop((phone, ci));
    served.await.unwrap();
    assert!(matches!(Link::connect(&url).await, Err(LinkError::Unreachable(_))));
}

#[tokio::test]
async fn a_shutdown_waits_for_nobody_for_long() {
    let relay = Running::start(with(|limits| limits.close_timeout = Duration::from_millis(50))).await;
    let _never_reads = relay.phone(&[]).await;
    let _no_handshake = TcpStream::connect((relay.url.host(), relay.url.port())).await.unwrap();
    relay.shut_down().await.unwrap();
}

#[tokio::test]
async fn tls() {
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let relay = Running::start(Config { tls: Some(files.clone()), ..Config::default() }).await;
    assert_eq!(relay.url.origin(), format!("wss://127.0.0.1:{}", relay.url.port()));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let url = RelayUrl::parse(&format!("wss://localhost:{}", relay.url.port())).unwrap();

    let (link, hello) = Link::connect_with(&url, roots.clone()).await.unwrap();
    let mut phone = End { link, hello, origin: url.origin().to_owned() };
    phone.prove(&[]).await;
    phone.expect(Frame::Proved { mailbox: mailbox() }).await;

    // Another name than the certificate's, and a certificate that nobody vouches for.
    assert!(matches!(Link::connect_with(&relay.url, roots).await, Err(LinkError::Tls(_))));
    assert!(matches!(Link::connect(&url).await, Err(LinkError::Tls(_))));
    // Plain text to a TLS port.
    let plain = RelayUrl::parse(&format!("ws://localhost:{}", url.port())).unwrap();
    assert!(matches!(Link::connect(&plain).await, Err(LinkError::NotARelay(_) | LinkError::Unreachable(_))));

    std::fs::write(&files.cert, "no certificate").unwrap();
    let refused = Relay::bind(Config { tls: Some(files), ..Config::default() }).await;
    assert!(matches!(refused.err(), Some(RelayError::Tls(TlsError::NoCertificate(_)))));
}

#[tokio::test]
async fn every_thread_may_serve() {
    fn assert_send(_: &impl Send) {}
    let relay = Relay::bind(Config::default()).await.unwrap();
    let serving = relay.serve(std::future::ready(()));
    assert_send(&serving);
    serving.await;
}
