//! The program itself: what it prints, how it stops.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
};

use crate::ends::End;
use countersign_core::relay::{ErrorCode, Frame, RelayUrl};

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-relay"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the program and reads its one line.
fn start() -> (Child, BufReader<std::process::ChildStdout>, RelayUrl) {
    let mut child = command().args(["--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.strip_prefix("listening on ").unwrap().strip_suffix('\n').unwrap();
    (child, stdout, RelayUrl::parse(url).unwrap())
}

#[tokio::test]
async fn says_where_it_listens_and_stops_when_told() {
    for signal in ["TERM", "INT"] {
        let (mut child, mut stdout, url) = start();
        assert_ne!(url.port(), 0);
        let mut end = End::connect(&url).await;
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        end.expect(Frame::Error { code: ErrorCode::ShuttingDown }).await;
        end.expect_end().await;
        drop(end);
        assert!(child.wait().unwrap().success());
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line on standard output");
        child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "countersign-relay: shutting down\n");
    }
}

#[tokio::test]
async fn survives_running_out_of_files() {
    let program = env!("CARGO_BIN_EXE_countersign-relay");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 20; exec \"$0\" --listen 127.0.0.1:0", program]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = RelayUrl::parse(line.trim().strip_prefix("listening on ").unwrap()).unwrap();
    // The kernel takes them all, the relay only some.
    let crowd: Vec<_> = (0..30).map(|_| std::net::TcpStream::connect((url.host(), url.port())).unwrap()).collect();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    line.clear();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("countersign-relay: cannot accept connections for now: "), "{line}");
    drop(crowd);
    drop(End::connect(&url).await);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn refuses_what_cannot_work() {
    let cases = [
        (vec!["--listen", "0.0.0.0:0"], 1, "--origin wss://"),
        (vec!["--origin", "ws://relay.example.org"], 2, "without TLS"),
        (vec!["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem"], 2, "--tls-key"),
        (vec!["--listen", "127.0.0.1:0", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], 1, "/nowhere.pem"),
        (vec!["--listen", "127.0.0.1:0", "--push-keys", "push.toml"], 2, "--push-contact"),
        (
            vec!["--listen", "127.0.0.1:0", "--push-keys", "/nowhere/push.toml", "--push-contact", "mailto:a@b.example"],
            1,
            "/nowhere/push.toml",
        ),
        (vec!["--listen", "127.0.0.1:0", "--push-keys", "/nowhere/push.toml", "--push-contact", "me"], 1, "mailto:you@example.org"),
    ];
    for (args, code, text) in cases {
        let output = command().args(&args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(text), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_has_an_example() {
    let output = command().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Examples:\n  countersign-relay\n"), "{help}");
}
