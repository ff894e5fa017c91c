//! Wake-ups with the real programs: the phone is away, a job asks, the wake-up arrives, the phone connects and approves. The push service is played over TLS.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use countersign_tests::process::{PATIENCE, PhoneFolder, RelayProcess, Setting, URI};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// A push service with a certificate of its own making.
struct PushService {
    port: u16,
    status: Arc<AtomicU16>,
    received: Receiver<String>,
    root: PathBuf,
}

impl PushService {
    fn start(folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let root = folder.join("push-service.pem");
        fs::write(&root, made.cert.pem()).unwrap();
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let status = Arc::new(AtomicU16::new(201));
        let (sender, received) = channel();
        let told = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever only knocks is none of ours.
                if let Some(head) = serve(stream.unwrap(), &config, told.load(Ordering::SeqCst)) {
                    let _ = sender.send(head);
                }
            }
        });
        Self { port, status, received, root }
    }

    fn endpoint(&self, token: &str) -> String {
        format!("https://localhost:{}/up/{token}", self.port)
    }

    /// The head of the next message.
    fn next(&self) -> String {
        self.received.recv_timeout(Duration::from_secs(PATIENCE)).unwrap()
    }
}

fn serve(stream: TcpStream, config: &Arc<ServerConfig>, status: u16) -> Option<String> {
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream);
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    // The message is small: its head and the 116 bytes of its body.
    while bytes.windows(4).position(|window| window == b"\r\n\r\n").is_none_or(|end| bytes.len() < end + 4 + 116) {
        let length = stream.read(&mut part).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&part[..length]);
    }
    stream.write_all(format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
    stream.flush().ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A relay that wakes phones, a push service, and a phone that is not paired yet.
fn setting(folder: &Path) -> (Setting, PushService) {
    let service = PushService::start(folder);
    let keys = folder.join("push-keys.toml");
    let args = ["--push-keys", keys.to_str().unwrap(), "--push-contact", "mailto:op@example.org", "--push-allow-private"];
    let relay = RelayProcess::trusting(&service.root, &[&["--listen", "127.0.0.1:0"], &args[..]].concat());
    (Setting { relay: Some(relay), phone: PhoneFolder::init("pixel"), laptop: tempfile::tempdir().unwrap() }, service)
}

/// Asks while nobody is there; the phone is started by the wake-up alone.
#[track_caller]
fn woken_and_approved(setting: &Setting, service: &PushService, token: &str) {
    let mut job = setting.client(&["code", "npm"]);
    let head = service.next();
    assert!(head.starts_with(&format!("POST /up/{token} HTTP/1.1\r\n")), "{head}");
    job.wait_for("pixel is away; a wake-up was sent to it");
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve(&mut phone, &number, false);
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(ended.stdout.trim().len(), 6);
    assert!(phone.end().status.success());
}

#[test]
fn a_phone_that_is_away_is_woken_and_approves() {
    let folder = tempfile::tempdir().unwrap();
    let (setting, service) = setting(folder.path());
    let kept = setting.phone.done(&["wake-up", "-"], &[&service.endpoint("first")]);
    assert!(kept.status.success() && kept.stderr.contains("pairings made from now on"), "{kept:?}");
    setting.pair("acme/widget");
    setting.enroll("npm", URI);
    woken_and_approved(&setting, &service, "first");
    let pairings = setting.phone.done(&["pairings"], &[]);
    assert!(pairings.stdout.contains("wake-ups: on"), "{pairings:?}");
    // Who runs the relay finds neither the address nor the mailbox in its words.
    let relay = setting.relay.unwrap().stop();
    assert!(!relay.stderr.contains("/up/") && !relay.stderr.contains("localhost"), "{relay:?}");
}

#[test]
fn a_pairing_of_before_gets_a_new_ticket() {
    let folder = tempfile::tempdir().unwrap();
    let (setting, service) = setting(folder.path());
    setting.pair("acme/widget");
    setting.enroll("npm", URI);
    let registered = setting.phone.done(&["wake-up", "-"], &[&service.endpoint("second")]);
    assert!(registered.status.success() && registered.stderr.contains("countersign renew"), "{registered:?}");
    assert!(setting.phone.done(&["pairings"], &[]).stdout.contains("wake-ups: after `countersign renew`"));
    let config = setting.laptop.path().join("countersign.toml");
    let before = fs::read_to_string(&config).unwrap();

    let phone = setting.phone.run(&["run"]);
    let renewed = setting.client(&["renew"]).end();
    assert_eq!(renewed.code(), 0, "{renewed:?}");
    assert!(renewed.stderr.contains("pixel: a new ticket is in countersign.toml; jobs can wake this phone with it"), "{renewed:?}");
    assert_eq!(renewed.stdout, "");
    let after = fs::read_to_string(&config).unwrap();
    let without_ticket = |text: &str| text.lines().filter(|line| !line.starts_with("ticket = ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_ticket(&before), without_ticket(&after));
    assert_ne!(before, after);
    let again = setting.client(&["renew"]).end();
    assert!(again.status.success() && again.stderr.contains("up to date"), "{again:?}");
    phone.kill();
    woken_and_approved(&setting, &service, "second");
}

#[test]
fn an_address_that_is_gone_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (setting, service) = setting(folder.path());
    service.status.store(410, Ordering::SeqCst);
    let _ = setting.phone.done(&["wake-up", "-"], &[&service.endpoint("third")]);
    setting.pair("acme/widget");
    setting.enroll("npm", URI);
    let mut job = setting.client(&["code", "npm"]);
    service.next();
    job.wait_for("its wake-up address is gone");
    job.wait_for("countersign renew");
    // It goes on waiting: whoever opens the app is asked.
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve(&mut phone, &number, false);
    assert_eq!(job.end().code(), 0);
}

#[test]
fn a_relay_without_wake_ups_says_so() {
    let setting = Setting::ready();
    let refused = setting.phone.done(&["wake-up", "-"], &["https://push.example.org/abc"]);
    assert_eq!(refused.code(), 1, "{refused:?}");
    assert!(refused.stderr.contains("this relay sends no wake-ups"), "{refused:?}");
    let key = setting.phone.done(&["wake-up", "--key", "--relay", &setting.url()], &[]);
    assert!(key.code() == 1 && key.stdout.is_empty() && key.stderr.contains("sends no wake-ups"), "{key:?}");
    let ended = setting.client(&["code", "npm", "--timeout", "5s"]).end();
    assert_eq!(ended.code(), 203, "{ended:?}");
}
