//! The same behind the real haproxy, with the configuration that docs/RELAY.md has for it.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use countersign_tests::{
    bench::find_program,
    process::{PATIENCE, RelayProcess, Running, Setting, URI, own_address},
};

use crate::change_places;

/// The first indented block of the docs after this text.
fn documented(after: &str) -> String {
    let docs = include_str!("../../../docs/RELAY.md");
    let (_, rest) = docs.split_once(after).unwrap();
    let block = rest.split("\n\n").find(|part| part.starts_with("    ")).unwrap();
    format!("{block}\n")
}

/// A text with others in the place of what stands there once.
fn replaced(text: String, others: &[(&str, &str)]) -> String {
    others.iter().fold(text, |text, (documented, own)| {
        assert_eq!(text.matches(documented).count(), 1, "{documented} in\n{text}");
        text.replace(documented, own)
    })
}

/// Runs it until it takes connections.
fn haproxy(file: &Path, front: SocketAddr) -> Running {
    let program = find_program("haproxy").expect("haproxy is not installed. Get it with: apt-get install haproxy");
    let mut command = Command::new(program);
    command.args(["-db", "-f"]).arg(file);
    let running = Running::start(command);
    let deadline = Instant::now() + Duration::from_secs(PATIENCE);
    while TcpStream::connect(front).is_err() {
        assert!(Instant::now() < deadline, "haproxy does not listen:\n{}", running.err_so_far());
        std::thread::yield_now();
    }
    running
}

#[test]
fn two_relays_change_places_behind_the_haproxy_of_the_docs() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (front, relay, admin) = (own_address(), own_address(), own_address());
    let made = rcgen::generate_simple_self_signed([front.ip().to_string()]).unwrap();
    let both = file("relay.pem", &format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem()));
    let (origin, listen, admin) = (format!("wss://{front}"), relay.to_string(), admin.to_string());
    let start = || RelayProcess::with(&["--listen", &listen, "--origin", &origin, "--trusted-proxy", "127.0.0.1", "--admin", &admin]);

    let mut setting = Setting::unpaired();
    setting.relay = Some(start());
    let own = [(":443 ", &*format!("{front} ")), ("127.0.0.1:7700", &listen), ("/etc/haproxy/relay.pem", both.to_str().unwrap())];
    let _haproxy = haproxy(&file("haproxy.cfg", &replaced(documented("\nhaproxy:\n\n"), &own)), front);
    setting.phone.root = Some(file("root.pem", &made.cert.pem()));
    setting.pair("acme/widget");
    setting.enroll("npm", URI);
    // Phone and jobs come to the new one by the same address.
    change_places(setting, |_| {
        let mut new = start();
        // While the old one still serves the approval.
        new.wait_for("the admin address is free now");
        new
    });
}

#[test]
fn a_relay_with_its_own_certificate_behind_the_haproxy_of_the_docs() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (front, relay) = (own_address(), own_address());
    let made = rcgen::generate_simple_self_signed([front.ip().to_string()]).unwrap();
    let (cert, key) = (file("cert.pem", &made.cert.pem()), file("key.pem", &made.signing_key.serialize_pem()));
    let (origin, listen) = (format!("wss://{front}"), relay.to_string());
    let mut setting = Setting::unpaired();
    let tls = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let proxies = ["--trusted-proxy", "127.0.0.1", "--proxy-protocol"];
    setting.relay = Some(RelayProcess::with(&[&["--listen", &listen, "--origin", &origin][..], &tls, &proxies].concat()));
    let own = [(":443\n", &*format!("{front}\n")), ("127.0.0.1:7700", &listen)];
    let _haproxy = haproxy(&file("haproxy.cfg", &replaced(documented("has the certificate itself"), &own)), front);
    setting.phone.root = Some(cert);
    setting.pair("acme/widget");
}
