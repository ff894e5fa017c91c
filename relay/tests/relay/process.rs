//! The program as a process, driven by what it prints.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
};

use countersign_core::relay::RelayUrl;
use serde_json::Value;

/// The program, without any variable of the environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-relay"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A relay that listens. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    /// All lines of the log so far.
    pub(crate) log: String,
    pub(crate) url: RelayUrl,
}

impl Process {
    /// Starts one with a log in JSON, and reads its one line.
    pub(crate) fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut command = command();
        command.args(["--log-format", "json"]).args(args);
        Self::run(command)
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Some(url) = line.trim().strip_prefix("listening on ") else {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            panic!("'{line}'\n{text}");
        };
        Self { child, stdout, stderr, log: String::new(), url: RelayUrl::parse(url).unwrap() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args(["-s", signal, &self.id().to_string()]).status().unwrap().success());
    }

    /// Reads the log up to the next line of this event.
    pub(crate) fn wait_for(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "no event '{event}' in:\n{}", self.log);
            self.log.push_str(&line);
            let value: Value = serde_json::from_str(&line).unwrap();
            if value["event"] == event {
                return value;
            }
        }
    }

    /// Waits for its end; gives everything it wrote after its one line, too.
    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
        let (mut stdout, mut rest) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut rest).unwrap();
        self.log.push_str(&rest);
        (self.child.wait().unwrap(), stdout, std::mem::take(&mut self.log))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events of a log in their order, but for what this machine's limits make odd.
pub(crate) fn events(log: &str) -> Vec<String> {
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned());
    events.filter(|event| event != "config_warning").collect()
}

/// Asks the admin address; status and body.
pub(crate) fn ask(admin: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// A port that is free now; nobody else takes it in the moment between.
pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
