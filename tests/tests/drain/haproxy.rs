//! The same behind the real haproxy, with the configuration that docs/RELAY.md has for it.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use countersign_tests::{
    bench::find_program,
    process::{PATIENCE, RelayProcess, Running, Setting, URI},
};

use crate::{PROMPT, answer, got_a_code, prompts};

/// A free port; nobody else takes it in the moment between.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What the docs say, with these addresses and this file in the place of theirs.
fn config(front: SocketAddr, relay: SocketAddr, certificate: &Path) -> String {
    let docs = include_str!("../../../docs/RELAY.md");
    let snippet = docs.split("\nhaproxy:\n\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let certificate = certificate.to_str().unwrap();
    let replaced = [(":443 ", format!("{front} ")), ("127.0.0.1:7700", relay.to_string()), ("/etc/haproxy/relay.pem", certificate.to_owned())];
    replaced.iter().fold(format!("{snippet}\n"), |text, (documented, own)| {
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
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (front, relay, admin) = (free_address(), free_address(), free_address());
    let both = file("relay.pem", &format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem()));
    let (origin, listen, admin) = (format!("wss://localhost:{}", front.port()), relay.to_string(), admin.to_string());
    let start = || RelayProcess::with(&["--listen", &listen, "--origin", &origin, "--trusted-proxy", "127.0.0.1", "--admin", &admin]);

    let mut setting = Setting::unpaired();
    setting.relay = Some(start());
    let _haproxy = haproxy(&file("haproxy.cfg", &config(front, relay, &both)), front);
    setting.phone.root = Some(file("root.pem", &made.cert.pem()));
    setting.pair("acme/widget");
    setting.enroll("npm", URI);
    let mut phone = setting.phone.run(&["run"]);
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for(PROMPT);
    let mut old = setting.relay.take().unwrap();
    old.drain();
    let mut new = start();
    // While the old one still serves the approval.
    new.wait_for("the admin address is free now");
    setting.relay = Some(new);
    answer(&setting, &mut phone, &number);
    let first = got_a_code(job, &phone);
    let old = old.end();
    assert!(old.status.success() && old.stderr.contains("finished=1 cut=0"), "{old:?}");
    assert_eq!(prompts(&phone), 1);

    // Phone and jobs come to the new one, by the same address.
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for(PROMPT);
    answer(&setting, &mut phone, &number);
    assert_ne!(got_a_code(job, &phone), first);
    assert_eq!(prompts(&phone), 2);
    assert!(setting.relay.take().unwrap().stop().status.success());
}
