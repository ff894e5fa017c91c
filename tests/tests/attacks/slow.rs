//! Slow-loris: who begins and does not end, at every layer; who is silent.

use std::{fs, path::Path, time::Duration};

use countersign_core::relay::Frame;
use countersign_link::RootCertStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
    time::interval,
};

use crate::{
    honest::{Honest, Keys},
    raw::{HEAD, Raw, attacker, dial, frame},
    target::Target,
};

/// How often a slow one sends a byte.
const PACE: Duration = Duration::from_millis(40);

/// Connects and sends a byte now and then until the relay ends it; gives what it was told.
async fn drip(from: u16, target: std::net::SocketAddr, bytes: Vec<u8>) -> Vec<u8> {
    let (mut reader, mut writer) = dial(attacker(from), target).await.unwrap().into_split();
    let dripping = tokio::spawn(async move {
        let mut pace = interval(PACE);
        for byte in bytes {
            pace.tick().await;
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        writer
    });
    let mut told = Vec::new();
    // Whether it ends with FIN or RST is the kernel's.
    let _ = reader.read_to_end(&mut told).await;
    dripping.abort();
    told
}

#[tokio::test]
async fn a_handshake_that_does_not_end() {
    let target = Target::tight(&["handshake_timeout=1000"], 200);
    let mut honest = Honest::start(&target.url).await;
    let mut slow = JoinSet::new();
    for n in 0..60 {
        let bytes = if n % 2 == 0 { Vec::new() } else { HEAD[..HEAD.len() - 2].repeat(2) };
        slow.spawn(drip(n % 4, target.address(), bytes));
    }
    honest.requests(5).await;
    // Each of them ends, and is told nothing.
    while let Some(told) = slow.join_next().await {
        assert_eq!(told.unwrap(), b"");
    }
    honest.requests(1).await;
    target.check_memory();
}

/// A certificate for `localhost` in files, and who trusts it.
fn certificate(folder: &Path) -> ([String; 2], RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    ([format!("cert={}", cert.display()), format!("key={}", key.display())], roots)
}

#[tokio::test]
async fn tls_that_does_not_get_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let ([cert, key], roots) = certificate(folder.path());
    let mut target = Target::tight(&["handshake_timeout=2000", &cert, &key], 200);
    target.url = countersign_core::relay::RelayUrl::parse(&format!("wss://localhost:{}", target.url.port())).unwrap();
    let mut honest = Honest::start_with(&target.url, roots).await;
    // Whatever a fuzzer has found interesting, and once ended the program.
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/tls")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let mut stream = dial(attacker(50), target.address()).await.unwrap();
        // In two pieces; it may be over after the first.
        let (first, second) = bytes[1..].split_at(bytes.len() / 2);
        let _ = stream.write_all(first).await;
        honest.requests(1).await;
        let _ = stream.write_all(second).await;
    }
    // A real ClientHello, byte by byte; and a flood of whole ones, each of which makes the relay sign.
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/tls/hello13");
    let hello = fs::read(corpus).unwrap()[1..].to_vec();
    let mut slow = JoinSet::new();
    for n in 0..20 {
        slow.spawn(drip(n, target.address(), hello.clone()));
    }
    let mut floods = Vec::new();
    for _ in 0..150 {
        let mut stream = dial(attacker(100), target.address()).await.unwrap();
        let _ = stream.write_all(&hello).await;
        floods.push(stream);
    }
    honest.requests(5).await;
    while let Some(told) = slow.join_next().await {
        assert_eq!(told.unwrap(), b"");
    }
    // What is no TLS gets an alert (RFC 8446 §6): fatal, unexpected or of an unknown version.
    let told = drip(7, target.address(), vec![b'G'; 32]).await;
    assert_eq!(told.first(), Some(&21), "{told:?}");
    honest.requests(1).await;
    target.check_memory();
}

#[tokio::test]
async fn a_message_that_does_not_end() {
    let target = Target::tight(&["message_timeout=1000"], 200);
    let mut honest = Honest::start(&target.url).await;
    let mut slow = JoinSet::new();
    for n in 0..30_u16 {
        let mut raw = Raw::open(attacker(n % 3), target.address()).await;
        let keys = Keys::make();
        assert!(raw.send(&keys.prove(target.url.origin(), &raw.nonce)).await);
        raw.recv().await;
        let mut bytes = frame(0x82, &[0; 200]);
        bytes.pop();
        if n % 3 == 0 {
            // Fragments without anything in them: nothing is ever held.
            bytes = frame(0x02, &[]);
            (0..100).for_each(|_| bytes.extend(frame(0x00, &[])));
        }
        slow.spawn(async move {
            let mut pace = interval(PACE);
            for chunk in bytes.chunks(6) {
                pace.tick().await;
                if !raw.write(chunk).await {
                    break;
                }
            }
            raw.told().await
        });
    }
    honest.requests(5).await;
    while let Some(told) = slow.join_next().await {
        // Cut in the middle, without a word.
        let told = told.unwrap();
        assert_eq!((told.error, told.close), (None, None), "{told:?}");
    }
    honest.requests(1).await;
    target.check_memory();
}

#[tokio::test]
async fn peers_that_are_no_longer_there() {
    let target = Target::tight(&["ping_interval=1000", "pong_timeout=1000"], 200);
    let mut honest = Honest::start(&target.url).await;
    let mut silent = JoinSet::new();
    for n in 0..40_u16 {
        let mut raw = Raw::open(attacker(n % 2), target.address()).await;
        let keys = Keys::make();
        assert!(raw.send(&keys.prove(target.url.origin(), &raw.nonce)).await);
        assert!(matches!(Frame::parse(&raw.recv().await), Ok(Frame::Proved { .. })));
        // Pings come and nothing goes back, as from a phone out of reach.
        silent.spawn(raw.told());
    }
    honest.requests(3).await;
    while let Some(told) = silent.join_next().await {
        let told = told.unwrap();
        assert_eq!((told.error, told.close), (None, None), "{told:?}");
    }
    // Who answers stays.
    honest.requests(3).await;
    target.check_memory();
}
