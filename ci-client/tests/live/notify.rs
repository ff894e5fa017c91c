//! `--notify` against a webhook on this machine.

use std::{
    fs,
    io::{self, Read, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use crate::common::{Program, Reply, World};
use tokio_rustls::rustls;

/// A webhook that gives these answers, one a connection, and tells what it was sent.
fn webhook(answers: &'static [&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            sender.send(read_request(&mut stream).unwrap()).unwrap();
            stream
                .write_all(format!("HTTP/1.1 {answer}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").as_bytes())
                .unwrap();
        }
    });
    (format!("http://{address}/hooks/s3cret?token=s3cret"), requests)
}

fn read_request(stream: &mut impl Read) -> io::Result<String> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(head + &String::from_utf8(body).unwrap())
}

fn next(requests: &Receiver<String>) -> String {
    requests.recv_timeout(Duration::from_secs(60)).unwrap()
}

const CODE: [&str; 4] = ["code", "npm", "--key-file", "ci.key"];

fn a_channel_is_told_the_number_and_the_job() {
    let world = World::enrolled();
    let (url, requests) = webhook(&["204 No Content"]);
    let (ntfy, ntfy_requests) = webhook(&["200 OK"]);
    let list = format!("slack+{url}\nntfy+{ntfy}");
    let environment = [
        ("COUNTERSIGN_NOTIFY", list.as_str()),
        ("GITLAB_CI", "true"),
        ("CI_PROJECT_PATH", "acme/widget"),
        ("CI_JOB_URL", "https://ci.example/acme/widget/-/jobs/7"),
    ];
    let command = ["exec", "npm", "--key-file", "ci.key", "--reason", "@all", "--", "sh", "-c", "test -z \"${COUNTERSIGN_NOTIFY+x}\""];
    let mut program = Program::start_in(world.folder.path(), &command, "", &environment);
    let number = program.number();
    let request = next(&requests);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hooks/s3cret?token=s3cret HTTP/1.1\r\n") && head.contains("content-type: application/json"), "{head}");
    let text = format!(
        "Countersign: a code of npm for acme/widget waits for approval on pixel. Match number: {number}\nhttps://ci.example/acme/widget/-/jobs/7"
    );
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), serde_json::json!({ "text": text }));
    let request = next(&ntfy_requests);
    assert!(request.starts_with("POST /hooks/?token=s3cret HTTP/1.1\r\n") && request.contains("\"topic\":\"s3cret\""), "{request}");
    world.phone.reply(Reply::Approve(number));
    let end = program.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(!end.stderr.contains("s3cret") && !end.stderr.contains("warning"), "{}", end.stderr);
}

fn a_failure_is_a_line_and_nothing_more() {
    let world = World::enrolled();
    let file = world.folder.path().join("urls");
    let (gone, gone_requests) = webhook(&["404 Not Found"]);
    let (moved, moved_requests) = webhook(&["302 Found"]);
    let (busy, busy_requests) = webhook(&["503 Busy", "200 OK"]);
    fs::write(&file, format!("{gone}\n{moved}\n{busy}\n")).unwrap();
    // One that never answers: the request does not wait for it.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent_url = format!("http://{}/s3cret", silent.local_addr().unwrap());
    let mut program = world.start(&[&CODE[..], &["--notify", "@urls", "--notify", &silent_url]].concat(), "");
    program.line("countersign: warning: a URL on the command line is seen");
    let number = program.number();
    // Two attempts where it may help.
    let _ = (next(&gone_requests), next(&moved_requests), next(&busy_requests), next(&busy_requests));
    program.says("countersign: warning: notification by --notify @urls, URL 1 (json) failed: it answered 404");
    program.says("countersign: warning: notification by --notify @urls, URL 2 (json) failed: it answered 302");
    world.phone.reply(Reply::Approve(number));
    let end = program.end();
    assert_eq!((end.code, end.stdout.len()), (Some(0), 7), "{}", end.stderr);
    assert!(!end.stderr.contains("s3cret") && !end.stderr.contains("URL 3"), "{}", end.stderr);
    drop(silent);
}

/// A webhook behind TLS, with a certificate for this name; the PEM of it.
fn tls_webhook(name: &str) -> (u16, String, Receiver<String>) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(std::sync::Arc::new(config.clone())).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            // A client that does not like the certificate leaves.
            let Ok(request) = read_request(&mut stream) else { continue };
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            sender.send(request).unwrap();
        }
    });
    (port, certified.cert.pem(), requests)
}

fn https_is_for_the_right_name_only() {
    let world = World::enrolled();
    let (port, pem, requests) = tls_webhook("localhost");
    fs::write(world.folder.path().join("roots.pem"), pem).unwrap();
    let ask = |host: &str, trusted: &str| {
        let url = format!("https://{host}:{port}/s3cret");
        let environment = [("COUNTERSIGN_NOTIFY", url.as_str()), ("SSL_CERT_FILE", trusted)];
        Program::start_in(world.folder.path(), &CODE, "", &environment)
    };
    let deny = |program: Program| {
        world.phone.reply(Reply::Deny("no"));
        let end = program.end();
        assert!(end.code == Some(200) && !end.stderr.contains("s3cret"), "{}", end.stderr);
    };
    let mut program = ask("localhost", "roots.pem");
    program.number();
    assert!(next(&requests).starts_with("POST /s3cret HTTP/1.1\r\n"));
    deny(program);
    for (host, trusted) in [("127.0.0.1", "roots.pem"), ("localhost", "none.pem")] {
        let mut program = ask(host, trusted);
        program.number();
        program
            .says("countersign: warning: notification by COUNTERSIGN_NOTIFY (json) failed: no secure connection: invalid peer certificate");
        deny(program);
    }
    assert!(requests.try_recv().is_err());
}

/// Not even a mistake in what is notified stops a release.
fn what_can_not_be_used_is_told_and_left_out() {
    let world = World::enrolled();
    let (url, requests) = webhook(&["204 No Content"]);
    let many = ["https://127.0.0.1:1/s3cret"; 8].join(" ");
    let list = format!("http://chat.example/s3cret {url} {many}");
    let mut program =
        Program::start_in(world.folder.path(), &[&CODE[..], &["--notify", "@none"]].concat(), "", &[("COUNTERSIGN_NOTIFY", &list)]);
    program.line("countersign: warning: cannot read none: ");
    program.line("countersign: warning: COUNTERSIGN_NOTIFY, URL 1: neither https, nor http to this machine; the request goes on without");
    program.line("countersign: warning: 9 URLs to notify are too many; the request goes on without");
    let number = program.number();
    assert!(next(&requests).contains("\"event\":\"number\""));
    world.phone.reply(Reply::Approve(number));
    let end = program.end();
    assert_eq!((end.code, end.stdout.len()), (Some(0), 7), "{}", end.stderr);
    assert!(!end.stderr.contains("s3cret"), "{}", end.stderr);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        a_channel_is_told_the_number_and_the_job,
        a_failure_is_a_line_and_nothing_more,
        https_is_for_the_right_name_only,
        what_can_not_be_used_is_told_and_left_out,
    ]
}
