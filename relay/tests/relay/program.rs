//! The program itself: what it takes, what it prints, how it stops.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixDatagram,
    process::Stdio,
};

use crate::{
    ends::End,
    process::{Process, ask, command, events, free_address},
};
use countersign_core::relay::{ErrorCode, Frame, RelayUrl};
use rustix::fs::OFlags;

#[tokio::test]
async fn says_where_it_listens_and_stops_when_told() {
    for signal in ["TERM", "INT"] {
        let relay = Process::start(["--listen", "127.0.0.1:0"]);
        assert_ne!(relay.url.port(), 0);
        let mut end = End::connect(&relay.url).await;
        relay.signal(signal);
        end.expect(Frame::Error { code: ErrorCode::ShuttingDown }).await;
        end.expect_end().await;
        drop(end);
        let (status, stdout, log) = relay.end();
        assert!(status.success());
        assert_eq!(stdout, "", "one line on standard output");
        assert_eq!(events(&log), ["listening", "draining", "drained", "stopped"]);
    }
}

/// With huge pages memory would grow in steps of 2 MiB for a phone.
#[cfg(target_os = "linux")]
#[test]
fn its_memory_comes_in_small_pages() {
    let relay = Process::start(["--listen", "127.0.0.1:0"]);
    let status = fs::read_to_string(format!("/proc/{}/status", relay.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("THP_enabled:"));
    assert_eq!(line.and_then(|line| line.split_whitespace().nth(1)), Some("0"), "Linux 5.0 or later says so here: {status}");
}

#[test]
fn the_log_is_for_people_by_default() {
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0"]);
    let relay = Process::run(command);
    relay.signal("TERM");
    let (_, _, log) = relay.end();
    assert!(log.contains(" INFO listening event=\"listening\" origin=ws://127.0.0.1:"), "{log}");
    let quiet = Process::start(["--listen", "127.0.0.1:0", "--log-level", "error"]);
    quiet.signal("TERM");
    assert_eq!(quiet.end().2, "");
}

/// A pipe that takes nothing more, and whoever would read it.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let (unread, full) = full_pipe();
    let mut command = command();
    let mut child = command.args(["--listen", "127.0.0.1:0"]).stderr(full).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = RelayUrl::parse(line.trim().strip_prefix("listening on ").unwrap()).unwrap();
    let mut end = End::connect(&url).await;
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    end.expect(Frame::Error { code: ErrorCode::ShuttingDown }).await;
    end.expect_end().await;
    drop(end);
    assert!(child.wait().unwrap().success());
    drop(unread);
}

#[tokio::test]
async fn survives_running_out_of_files() {
    let program = env!("CARGO_BIN_EXE_countersign-relay");
    let admin = free_address();
    let mut shell = std::process::Command::new("sh");
    let script = format!("ulimit -n 20; exec \"$0\" --listen 127.0.0.1:0 --admin {admin} --log-format json");
    shell.args(["-c", &script, program]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut relay = Process::run(shell);
    assert_eq!(ask(admin, "/readyz"), (200, "ready\n".to_owned()));
    // The kernel takes them all, the relay only some.
    let crowd: Vec<_> = (0..30).map(|_| TcpStream::connect((relay.url.host(), relay.url.port())).unwrap()).collect();
    relay.wait_for("not_accepting");
    // Just then the operator can still ask.
    for _ in 0..3 {
        assert_eq!(ask(admin, "/readyz").0, 503);
        assert_eq!(ask(admin, "/healthz").0, 200);
    }
    let (_, metrics) = ask(admin, "/metrics");
    assert!(metrics.contains("countersign_relay_ready 0\n") && !metrics.contains("accept_errors_total 0\n"), "{metrics}");
    drop(crowd);
    drop(End::connect(&relay.url).await);
    relay.wait_for("accepting_again");
    assert_eq!(ask(admin, "/readyz").0, 200);
}

#[test]
fn says_so_when_hardly_a_file_may_be_open() {
    let program = env!("CARGO_BIN_EXE_countersign-relay");
    // The limit itself is too low; or it would do, but whoever started the relay left files open.
    let open = "exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8</dev/null 9</dev/null";
    for (limit, before, code, said) in
        [(6, ":", 2, "at most 6 files may be open, and a relay needs 16"), (16, open, 1, "cannot open the files that a relay needs")]
    {
        let script = format!("{before}; ulimit -n {limit}; exec \"$0\" --listen 127.0.0.1:0");
        let output = std::process::Command::new("sh").args(["-c", &script, program]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(said) && stderr.contains("LimitNOFILE") && !stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn refuses_what_cannot_work() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases = [
        (vec!["--listen", "0.0.0.0:0"], 2, "--origin wss://"),
        (vec!["--origin", "ws://relay.example.org"], 2, "without TLS"),
        (vec!["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem"], 2, "--tls-key"),
        (vec!["--listen", "127.0.0.1:0", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], 2, "/nowhere.pem"),
        (vec!["--listen", "127.0.0.1:0", "--push-keys", "push.toml"], 2, "--push-contact"),
        (
            vec!["--listen", "127.0.0.1:0", "--push-keys", "/nowhere/push.toml", "--push-contact", "mailto:a@b.example"],
            2,
            "/nowhere/push.toml",
        ),
        (vec!["--listen", "127.0.0.1:0", "--push-keys", "/nowhere/push.toml", "--push-contact", "me"], 2, "mailto:you@example.org"),
        (vec!["--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"], 2, "--admin-remote"),
        (vec!["--config", "/nowhere.toml"], 2, "/nowhere.toml"),
        (vec!["--log-format", "json", "--config", "/nowhere.toml"], 2, "\"event\":\"config_problem\""),
        (vec!["--trusted-proxy", "10.0.0.0/33"], 2, "10.0.0.0/8"),
        (vec!["--listen", "127.0.0.1:0", "--trusted-proxy", "10.0.0.1/8"], 2, "10.0.0.0/8 for the whole network"),
        (vec!["--listen", "127.0.0.1:0", "--max-waiting", "65537"], 2, "at most 65536"),
        (vec!["--listen", "127.0.0.1:0", "--admin-remote"], 2, "--admin ADDRESS"),
        (vec!["--listen", "127.0.0.1:0", "--drain", "11m"], 2, "at most 10m"),
        (vec!["--drain", "20"], 2, "like 20s"),
        (vec!["--max-conections", "7"], 2, "--max-connections"),
        // 192.0.2.0/24 is nobody's.
        (vec!["--listen", "127.0.0.1:0", "--admin", "192.0.2.1:0", "--admin-remote"], 1, "192.0.2.1:0"),
        (vec!["--listen", &taken], 1, &taken),
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
fn the_command_line_wins_then_the_environment_then_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    fs::write(&file, "listen = '127.0.0.1:0'\norigin = ['ws://localhost:1', 'ws://localhost:2']\nlog-format = 'json'\n").unwrap();
    let start = |variable: Option<&str>, args: &[&str]| {
        let mut command = command();
        command.env("COUNTERSIGN_RELAY_CONFIG", &file).args(args);
        if let Some(origin) = variable {
            command.env("COUNTERSIGN_RELAY_ORIGIN", origin);
        }
        Process::run(command).url.to_string()
    };
    assert_eq!(start(None, &[]), "ws://localhost:1");
    assert_eq!(start(Some("ws://localhost:3,ws://localhost:4"), &[]), "ws://localhost:3");
    assert_eq!(start(Some("ws://localhost:3"), &["--origin", "ws://localhost:5"]), "ws://localhost:5");
    fs::write(&file, "orign = 'ws://localhost:1'").unwrap();
    let output = command().arg("--config").arg(&file).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("line 1") && stderr.contains("did you mean `origin`?"), "{stderr}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn checks_the_configuration_that_comes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["relay.example.org".to_owned()]).unwrap();
    fs::write(folder.path().join("fullchain.pem"), made.cert.pem()).unwrap();
    fs::write(folder.path().join("privkey.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(folder.path().join("privkey.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let sample = include_str!("../../deploy/relay.toml");
    assert!(sample.contains("\"/etc/countersign-relay/"));
    let file = folder.path().join("relay.toml");
    fs::write(&file, sample.replace("\"/etc/countersign-relay/", &format!("\"{}/", folder.path().display()))).unwrap();
    let check = |args: &[&str]| {
        let output = command().arg("check").arg("--config").arg(&file).args(args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    // As many connections as fit under any limit of open files.
    let sound = check(&["--max-connections", "512"]);
    assert_eq!(sound, (0, "the configuration is sound\n".to_owned(), String::new()));
    let (code, stdout, stderr) = check(&["--max-connections", "100"]);
    assert_eq!((code, stdout.as_str()), (3, "the configuration works\n"));
    assert!(stderr.starts_with("countersign-relay: warning: max-connections-per-ip"), "{stderr}");
    let (code, stdout, stderr) = check(&["--max-connections", "512", "--origin", "wss://other.example.org", "--admin", "0.0.0.0:1"]);
    assert_eq!((code, stdout.as_str()), (2, "the configuration can not work\n"));
    assert_eq!(stderr.matches("countersign-relay: problem: ").count(), 2, "{stderr}");
}

#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    // A hang ends the test.
    socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", folder.path().join("notify"));
    let relay = Process::run(command);
    let told = || {
        let mut text = [0; 100];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    };
    assert_eq!(told(), "READY=1");
    relay.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert!(relay.end().0.success());
}

#[test]
fn help_has_an_example() {
    let output = command().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Examples:\n  countersign-relay\n"), "{help}");
    assert!(help.contains("COUNTERSIGN_RELAY_LISTEN") && help.contains("Exit codes:\n  0  "), "{help}");
}

#[test]
fn no_answer_is_longer_than_it_may_take() {
    // Who connects to the admin address and says nothing does not keep others from asking.
    let admin = free_address();
    let relay = Process::start(["--listen", "127.0.0.1:0", "--admin", &admin.to_string()]);
    let _silent: Vec<_> = (0..15).map(|_| TcpStream::connect(admin).unwrap()).collect();
    assert_eq!(ask(admin, "/healthz"), (200, "alive\n".to_owned()));
    let mut odd = TcpStream::connect(admin).unwrap();
    std::io::Write::write_all(&mut odd, b"no http\r\n\r\n").unwrap();
    let mut answer = String::new();
    odd.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    drop(relay);
}
