//! A relay with TLS, and ends that trust its certificate or don't.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, net::TcpListener, path::Path};

use countersign_tests::process::{RelayProcess, Setting};

/// A relay with a certificate of its own making for `localhost`.
fn tls_relay(folder: &Path) -> RelayProcess {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    // A free port, to be named in the origin; nobody else takes it in the moment between.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, origin) = (format!("127.0.0.1:{port}"), format!("wss://localhost:{port}"));
    RelayProcess::with(&[
        "--listen",
        &listen,
        "--origin",
        &origin,
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ])
}

#[test]
fn a_whole_approval_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::unpaired();
    setting.relay = Some(tls_relay(folder.path()));
    assert!(setting.url().starts_with("wss://localhost:"));
    setting.phone.root = Some(folder.path().join("cert.pem"));
    setting.pair("acme/widget");
    setting.enroll("npm", countersign_tests::process::URI);
    let mut job = setting.client(&["code", "npm"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve(&mut phone, &number, false);
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(ended.stdout.trim().len(), 6);

    // The same without trusting the certificate: told at once, and nobody is asked.
    setting.phone.root = None;
    let ended = setting.client(&["code", "npm", "--timeout", "60s"]).end();
    assert_eq!(ended.code(), 204, "{ended:?}");
    assert!(ended.stderr.contains("certificate"), "{ended:?}");
}
