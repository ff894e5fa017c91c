//! A child process whose output is read as it comes.

use std::{
    io::{Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::PATIENCE;

/// Text that grows until its end.
#[derive(Default)]
struct Text {
    so_far: Mutex<(String, bool)>,
    changed: Condvar,
}

/// A running program. Killed when dropped.
pub struct Running {
    child: Child,
    stdin: Option<Box<dyn Write + Send>>,
    out: Arc<Text>,
    err: Arc<Text>,
    readers: Vec<JoinHandle<()>>,
    name: String,
    seen: usize,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Ended {
    /// The exit code.
    ///
    /// # Panics
    /// If a signal ended it.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }
}

fn follow(mut from: impl Read + Send + 'static, into: Arc<Text>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            let length = from.read(&mut bytes).unwrap_or(0);
            let mut so_far = into.so_far.lock().unwrap();
            so_far.0.push_str(&String::from_utf8_lossy(&bytes[..length]));
            so_far.1 = length == 0;
            into.changed.notify_all();
            if length == 0 {
                return;
            }
        }
    })
}

impl Running {
    /// Starts `command` with all three streams piped.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        Self::spawn(command, None)
    }

    /// Starts `command` with a terminal as its standard input, on which a human types; the two others are piped.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start_at_a_terminal(mut command: Command) -> Self {
        use rustix::{
            fs::{Mode, OFlags},
            pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
        };
        let human = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&human).unwrap();
        unlockpt(&human).unwrap();
        let name = ptsname(&human, Vec::new()).unwrap();
        let terminal = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        command.stdin(Stdio::from(terminal));
        Self::spawn(command, Some(Box::new(std::fs::File::from(human))))
    }

    fn spawn(mut command: Command, stdin: Option<Box<dyn Write + Send>>) -> Self {
        let name = format!("{command:?}");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (Arc::<Text>::default(), Arc::<Text>::default());
        let readers = vec![follow(child.stdout.take().unwrap(), Arc::clone(&out)), follow(child.stderr.take().unwrap(), Arc::clone(&err))];
        // The command holds the terminal open.
        drop(command);
        let stdin = stdin.or_else(|| child.stdin.take().map(|stdin| Box::new(stdin) as _));
        Self { stdin, child, out, err, readers, name, seen: 0 }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    /// If nobody reads there any more.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .unwrap_or_else(|error| panic!("{}: {error}\n{}", self.name, self.err_so_far()));
    }

    /// Closes its standard input.
    pub fn hush(&mut self) {
        self.stdin = None;
    }

    /// Waits until `needle` appears on standard error after what the last call found; gives the text from there to the end so far.
    ///
    /// # Panics
    /// If it ends, or [`PATIENCE`] does, without it.
    pub fn wait_for(&mut self, needle: &str) -> String {
        let (rest, at) = wait(&self.err, self.seen, needle)
            .unwrap_or_else(|so_far| panic!("{}: no '{needle}' in:\n{so_far}\nout:\n{}", self.name, self.out_so_far()));
        self.seen = at + needle.len();
        rest
    }

    /// Waits for a whole line of standard output that starts with `start`; gives the line.
    ///
    /// # Panics
    /// As [`Running::wait_for`].
    pub fn wait_for_line(&mut self, start: &str) -> String {
        let mut from = 0;
        loop {
            let (rest, at) = wait(&self.out, from, "\n")
                .unwrap_or_else(|so_far| panic!("{}: no line '{start}' in:\n{so_far}\nerr:\n{}", self.name, self.err_so_far()));
            let _ = rest;
            let all = self.out_so_far();
            let line = all[from..at].to_owned();
            if line.starts_with(start) {
                return line;
            }
            from = at + 1;
        }
    }

    /// Standard error so far.
    #[must_use]
    pub fn err_so_far(&self) -> String {
        self.err.so_far.lock().unwrap().0.clone()
    }

    /// Standard output so far.
    #[must_use]
    pub fn out_so_far(&self) -> String {
        self.out.so_far.lock().unwrap().0.clone()
    }

    /// The match number that a client shows next, digits only.
    ///
    /// # Panics
    /// As [`Running::wait_for`].
    pub fn match_number(&mut self) -> String {
        self.wait_for("match number");
        loop {
            let text = self.err_so_far();
            let digits: String = text[self.seen..].chars().take_while(|c| *c != '\n').filter(char::is_ascii_digit).collect();
            if digits.len() >= 6 {
                return digits;
            }
            let length = text.len();
            wait_longer(&self.err, length);
        }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If `kill` fails.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([&format!("-{signal}"), &self.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end within [`PATIENCE`].
    pub fn end(mut self) -> Ended {
        self.stdin = None;
        self.finish()
    }

    /// Kills it at once (SIGKILL) and waits.
    ///
    /// # Panics
    /// If it can't be killed.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.finish()
    }

    fn finish(&mut self) -> Ended {
        // Both streams end when the process does.
        for text in [&self.out, &self.err] {
            let deadline = Instant::now() + Duration::from_secs(PATIENCE);
            let mut so_far = text.so_far.lock().unwrap();
            while !so_far.1 {
                let left = deadline.saturating_duration_since(Instant::now());
                assert!(!left.is_zero(), "{} does not end:\n{}", self.name, so_far.0);
                so_far = text.changed.wait_timeout(so_far, left).unwrap().0;
            }
        }
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended { status, stdout: self.out_so_far(), stderr: self.err_so_far() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for `needle` after `from`; gives the text after it and its place, or all text so far.
fn wait(text: &Text, from: usize, needle: &str) -> Result<(String, usize), String> {
    let deadline = Instant::now() + Duration::from_secs(PATIENCE);
    let mut so_far = text.so_far.lock().unwrap();
    loop {
        if let Some(at) = so_far.0[from..].find(needle) {
            let at = from + at;
            return Ok((so_far.0[at + needle.len()..].to_owned(), at));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if so_far.1 || left.is_zero() {
            return Err(so_far.0.clone());
        }
        so_far = text.changed.wait_timeout(so_far, left).unwrap().0;
    }
}

/// Waits until there is more than `length`, or the end.
fn wait_longer(text: &Text, length: usize) {
    let mut so_far = text.so_far.lock().unwrap();
    let deadline = Instant::now() + Duration::from_secs(PATIENCE);
    while so_far.0.len() <= length {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!so_far.1 && !left.is_zero(), "nothing more after:\n{}", so_far.0);
        so_far = text.changed.wait_timeout(so_far, left).unwrap().0;
    }
}
