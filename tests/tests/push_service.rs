//! Wake-ups against a push service of somebody else: npm's `web-push-testing`, which checks the VAPID token and decrypts what it gets. `tests/run` installs it; without it
//! these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use countersign_tests::process::{PhoneFolder, RelayProcess, Running, Setting, URI, program};
use serde_json::{Value, json};

/// The service, for the length of a test.
struct Service {
    port: u16,
    _running: Running,
}

impl Service {
    fn start() -> Self {
        let target = program("countersign-relay").ancestors().nth(2).unwrap().to_path_buf();
        let script = target.join("npm/node_modules/web-push-testing/src/bin/server.js");
        assert!(
            script.exists(),
            "{} is missing. Get it with: npm install --prefix {}/npm web-push-testing@1.2.2",
            script.display(),
            target.display()
        );
        // It wants to be told a port; nobody else takes this one in the moment between.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("node");
        command.arg(script).arg(port.to_string());
        let mut running = Running::start(command);
        running.wait_for_line("Server running on port");
        Self { port, _running: running }
    }

    /// POSTs a JSON body; gives status and body of the answer.
    fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("localhost", self.port)).unwrap();
        let head =
            format!("POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// A subscription bound to the relay's key.
    fn subscribe(&self, key: &str) -> Value {
        let (status, body) = self.post("/subscribe", &json!({"applicationServerKey": key, "userVisibleOnly": "true"}));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["data"].take()
    }
}

/// A relay and a phone with a subscription at the service, paired and with a seed.
fn ready(service: &Service, keys: &std::path::Path) -> (Setting, Value) {
    let keys = keys.join("push-keys.toml");
    let args = ["--listen", "127.0.0.1:0", "--push-keys", keys.to_str().unwrap(), "--push-contact", "mailto:op@example.org"];
    let relay = RelayProcess::with(&[&args[..], &["--push-allow-private"]].concat());
    let setting = Setting { relay: Some(relay), phone: PhoneFolder::init("pixel"), laptop: tempfile::tempdir().unwrap() };
    let key = setting.phone.done(&["wake-up", "--key", "--relay", &setting.url()], &[]);
    assert!(key.status.success(), "{key:?}");
    let subscription = service.subscribe(key.stdout.trim());
    let kept = setting.phone.done(&["wake-up", "-", "--relay", &setting.url()], &[&subscription.to_string()]);
    assert!(kept.status.success(), "{kept:?}");
    setting.pair("acme/widget");
    setting.enroll("npm", URI);
    (setting, subscription)
}

#[test]
fn a_real_push_service_takes_and_decrypts_the_wake_up() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start();
    let (setting, subscription) = ready(&service, folder.path());
    let mut job = setting.client(&["code", "npm"]);
    job.wait_for("pixel is away; a wake-up was sent to it");
    let (status, body) = service.post("/get-notifications", &json!({"clientHash": subscription["clientHash"]}));
    assert_eq!((status, body.as_str()), (200, r#"{"data":{"messages":["countersign/1"]}}"#));
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve(&mut phone, &number, false);
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_real_push_service_says_that_a_subscription_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start();
    let (setting, subscription) = ready(&service, folder.path());
    let (status, _) = service.post(&format!("/expire-subscription/{}", subscription["clientHash"].as_str().unwrap()), &json!({}));
    assert_eq!(status, 200);
    let mut job = setting.client(&["code", "npm"]);
    job.wait_for("its wake-up address is gone");
    job.signal("INT");
    assert_eq!(job.end().code(), 130);
}
