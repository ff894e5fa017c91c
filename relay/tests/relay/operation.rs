//! A relay in operation: drained, reloaded, watched.

use std::{fs, io::Write as _, path::Path, process::Command, sync::Arc};

use crate::{
    ends::{End, mailbox, ticket},
    process::{Process, ask, events, free_address},
};
use countersign_core::relay::{CloseReason, ErrorCode, Frame, RelayUrl};
use countersign_link::{Link, LinkError, RootCertStore};
use countersign_relay::{Config, Relay, TlsFiles, limits::CERTIFICATE_WARNING};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, HandshakeKind, crypto::ring},
};

const N: u32 = 0x8000_0000;
const SHUTTING_DOWN: Frame<'static> = Frame::Error { code: ErrorCode::ShuttingDown };

/// A phone and a job with a circuit between them.
async fn joined(url: &RelayUrl) -> (End, End) {
    let mut phone = End::connect(url).await;
    phone.prove(&[]).await;
    phone.expect(Frame::Proved { mailbox: mailbox() }).await;
    let mut ci = End::connect(url).await;
    ci.open(1, &ticket(), b"the payload").await;
    phone.expect(Frame::Incoming { circuit: N, mailbox: mailbox(), ticket_id: ticket().ticket_id, tail: b"the payload" }).await;
    ci.expect(Frame::Opened { circuit: 1 }).await;
    (phone, ci)
}

#[tokio::test]
async fn a_drain_finishes_circuits_while_a_successor_takes_over() {
    let admin = free_address();
    let admin_text = admin.to_string();
    let mut old = Process::start(["--listen", "127.0.0.1:0", "--admin", &admin_text]);
    let (mut phone, mut ci) = joined(&old.url).await;
    let mut idle = End::connect(&old.url).await;
    old.signal("TERM");
    idle.expect(SHUTTING_DOWN).await;
    idle.expect_end().await;
    assert_eq!(old.wait_for("draining")["circuits"], 1);
    assert_eq!(ask(admin, "/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(ask(admin, "/healthz").0, 200);

    // Address and admin address are the successor's.
    let address = format!("127.0.0.1:{}", old.url.port());
    let mut new = Process::start(["--listen", &address, "--admin", &admin_text]);
    new.wait_for("admin_in_use");
    new.wait_for("admin_listening");
    assert_eq!(ask(admin, "/readyz"), (200, "ready\n".to_owned()));
    let mut elsewhere = End::connect(&new.url).await;
    // The old one goes on, and takes nothing new.
    phone.send(Frame::Data { circuit: N, tail: b"m2" }).await;
    ci.expect(Frame::Data { circuit: 1, tail: b"m2" }).await;
    ci.open(2, &ticket(), b"m1").await;
    ci.expect(Frame::Close { circuit: 2, reason: CloseReason::Limit }).await;
    phone.send(Frame::Close { circuit: N, reason: CloseReason::Done }).await;
    ci.expect(Frame::Close { circuit: 1, reason: CloseReason::Done }).await;
    ci.expect(SHUTTING_DOWN).await;
    phone.expect(SHUTTING_DOWN).await;
    for end in [&mut phone, &mut ci] {
        end.expect_end().await;
    }
    drop((phone, ci, idle));
    assert_eq!(old.wait_for("drained")["finished"], 1);
    let (status, _, log) = old.end();
    assert!(status.success());
    assert_eq!(events(&log), ["listening", "draining", "admin_handed_over", "drained", "stopped"]);

    elsewhere.prove(&[]).await;
    elsewhere.expect(Frame::Proved { mailbox: mailbox() }).await;
}

#[tokio::test]
async fn a_drain_has_an_end() {
    // By its time, and by a second signal.
    for drain in ["0s", "10m"] {
        let mut relay = Process::start(["--listen", "127.0.0.1:0", "--drain", drain]);
        let (mut phone, mut ci) = joined(&relay.url).await;
        relay.signal("TERM");
        relay.wait_for("draining");
        if drain == "10m" {
            relay.signal("INT");
        }
        for end in [&mut phone, &mut ci] {
            end.expect(SHUTTING_DOWN).await;
            end.expect_end().await;
        }
        drop((phone, ci));
        assert_eq!(relay.wait_for("drained")["cut"], 1);
        assert!(relay.end().0.success());
    }
}

/// Writes a new certificate for localhost; gives what trusts it alone.
fn certify(folder: &Path) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    roots
}

#[tokio::test]
async fn a_renewed_certificate_is_for_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let (mut relay, old_roots, _) = with_tls(folder.path());
    let (link, hello) = Link::connect_with(&relay.url, old_roots.clone()).await.unwrap();
    let mut kept = End { link, hello, origin: relay.url.origin().to_owned() };

    let new_roots = certify(folder.path());
    relay.signal("HUP");
    assert!(relay.wait_for("reload")["not_after"].as_u64().is_some());
    assert!(matches!(Link::connect_with(&relay.url, old_roots).await, Err(LinkError::Tls(_))));
    drop(Link::connect_with(&relay.url, new_roots.clone()).await.unwrap());
    kept.prove(&[]).await;
    kept.expect(Frame::Proved { mailbox: mailbox() }).await;

    // A broken file is told, and changes nothing.
    fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    relay.signal("HUP");
    assert!(relay.wait_for("reload_failed")["error"].as_str().unwrap().contains("cert.pem"));
    drop(Link::connect_with(&relay.url, new_roots).await.unwrap());
    kept.prove(&[]).await;
    kept.expect(Frame::Proved { mailbox: mailbox() }).await;
}

/// A relay with TLS for localhost, and its key file.
fn with_tls(folder: &Path) -> (Process, RootCertStore, std::path::PathBuf) {
    let roots = certify(folder);
    let (listen, key) = (free_address(), folder.join("key.pem"));
    let url = format!("wss://localhost:{}", listen.port());
    let (cert, key_text) = (folder.join("cert.pem"), key.to_str().unwrap().to_owned());
    let args = ["--listen", &listen.to_string(), "--origin", &url, "--tls-cert", cert.to_str().unwrap(), "--tls-key", &key_text];
    (Process::start(args), roots, key)
}

#[tokio::test]
async fn a_file_that_takes_for_ever_to_read_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut relay, roots, key) = with_tls(folder.path());
    let (link, hello) = Link::connect_with(&relay.url, roots.clone()).await.unwrap();
    let mut phone = End { link, hello, origin: relay.url.origin().to_owned() };
    let text = fs::read_to_string(&key).unwrap();
    fs::remove_file(&key).unwrap();
    assert!(Command::new("mkfifo").arg(&key).status().unwrap().success());
    relay.signal("HUP");
    // Opening the pipe waits for the relay to read it; nothing comes out of it yet.
    let mut pipe = fs::OpenOptions::new().write(true).open(&key).unwrap();
    phone.prove(&[]).await;
    phone.expect(Frame::Proved { mailbox: mailbox() }).await;
    drop(Link::connect_with(&relay.url, roots.clone()).await.unwrap());
    // It comes after all.
    pipe.write_all(text.as_bytes()).unwrap();
    drop(pipe);
    relay.wait_for("reload");
    drop(Link::connect_with(&relay.url, roots).await.unwrap());

    // Once more, and the relay is stopped in the middle of it.
    relay.signal("HUP");
    let _pipe = fs::OpenOptions::new().write(true).open(&key).unwrap();
    relay.signal("TERM");
    phone.expect(SHUTTING_DOWN).await;
    phone.expect_end().await;
    drop(phone);
    assert!(relay.end().0.success());
}

#[test]
fn a_reloaded_certificate_that_ends_soon_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let (mut relay, _, key) = with_tls(folder.path());
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = (std::time::SystemTime::now() + CERTIFICATE_WARNING - std::time::Duration::from_secs(60)).into();
    let signing = rcgen::KeyPair::generate().unwrap();
    fs::write(folder.path().join("cert.pem"), params.self_signed(&signing).unwrap().pem()).unwrap();
    fs::write(&key, signing.serialize_pem()).unwrap();
    relay.signal("HUP");
    relay.wait_for("reload");
    assert!(relay.wait_for("config_warning")["message"].as_str().unwrap().contains("expires in 13 days"));
}

#[tokio::test]
async fn a_client_comes_back_with_its_ticket_also_after_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let mut roots = certify(folder.path());
    let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    let relay = Relay::bind(Config { tls: Some(files), ..Config::default() }).await.unwrap();
    let (address, tls) = (relay.local_addr(), relay.tls().unwrap());
    let serving = tokio::spawn(relay.serve(std::future::pending()));
    roots.roots.extend(certify(folder.path()).roots);
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let connect = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        // The ticket comes with the first answer.
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        stream.get_ref().1.handshake_kind().unwrap()
    };
    assert_eq!(connect().await, HandshakeKind::Full);
    assert_eq!(connect().await, HandshakeKind::Resumed);
    tls.reload(2_000_000_000, &[]).unwrap();
    assert_eq!(connect().await, HandshakeKind::Resumed);
    serving.abort();
}

#[tokio::test]
async fn counts_are_told_and_nothing_else_is() {
    let admin = free_address();
    let relay =
        Process::start(["--listen", "127.0.0.1:0", "--admin", &admin.to_string(), "--log-level", "debug", "--max-connections-per-ip", "3"]);
    let (mut phone, mut ci) = joined(&relay.url).await;
    let mut third = End::connect(&relay.url).await;
    assert!(Link::connect(&relay.url).await.is_err());
    third.link.send(&[0x99]).await.unwrap();
    third.expect(Frame::Error { code: ErrorCode::Malformed }).await;
    third.expect_end().await;
    phone.send(Frame::Data { circuit: N, tail: b"the answer" }).await;
    ci.expect(Frame::Data { circuit: 1, tail: b"the answer" }).await;
    let (status, metrics) = ask(admin, "/metrics");
    assert_eq!(status, 200);
    for line in [
        "ready 1",
        "connections 2",
        "connections_accepted_total 3",
        "connections_refused_total{reason=\"address\"} 1",
        "connection_errors_total{code=\"malformed\"} 1",
        "mailboxes 1",
        "circuits 1",
        "opens_total{result=\"delivered\"} 1",
        "proofs_total{result=\"good\"} 1",
        "forwarded_frames_total 1",
        "forwarded_bytes_total 21",
        "queued_bytes 0",
    ] {
        let line = format!("countersign_relay_{line}");
        assert!(metrics.lines().any(|other| other == line), "{line} is not in\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    relay.signal("TERM");
    relay.signal("TERM");
    drop((phone, ci, third));
    let (_, _, log) = relay.end();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let secrets = [hex(&mailbox().as_bytes()[..8]), hex(b"the payload"), "the payload".to_owned(), "the answer".to_owned()];
    let own = relay_free_of(&log);
    for text in [&metrics, &own] {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in\n{text}");
        }
        assert!(!text.contains("127.0.0.1"), "an address is in\n{text}");
    }
    assert!(own.contains("\"refused_address\":1"), "{own}");
}

/// The log without the line that names the relay's own URL.
fn relay_free_of(log: &str) -> String {
    log.lines().filter(|line| !line.contains("\"event\":\"listening\"")).map(|line| format!("{line}\n")).collect()
}
