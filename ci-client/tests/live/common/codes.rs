//! Sockets, holders, and what processes leave behind.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{End, Program, Reply, World};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A world whose sockets are in a folder of its own.
pub(crate) struct Codes {
    pub(crate) world: World,
    pub(crate) runtime: tempfile::TempDir,
}

impl Codes {
    pub(crate) fn new() -> Self {
        Self { world: World::enrolled(), runtime: runtime() }
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Program {
        self.start_with(arguments, &[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str], further: &[(&str, &str)]) -> Program {
        let runtime = self.runtime.path().to_str().unwrap();
        let environment = [&[("XDG_RUNTIME_DIR", runtime), ("PROGRAM", env!("CARGO_BIN_EXE_countersign"))], further].concat();
        Program::start_in(self.world.folder.path(), arguments, "", &environment)
    }

    /// Runs what nobody has to approve.
    pub(crate) fn run(&self, arguments: &[&str]) -> End {
        self.start(arguments).end()
    }

    pub(crate) fn approved(&self, mut program: Program) -> End {
        self.world.phone.reply(Reply::Approve(program.number()));
        program.end()
    }

    /// `approve` with the key, ended well.
    pub(crate) fn approve(&self, further: &[&str]) -> End {
        let end = self.approved(self.start(&[&["approve", "npm", "--key-file", "ci.key"], further].concat()));
        assert_eq!((end.code, end.stdout.as_str()), (Some(0), ""), "{}", end.stderr);
        end
    }

    /// `exec` with a way to codes; its command waits for a line and then runs this. The variables by which its codes are taken.
    pub(crate) fn exec_with_socket(&self, count: u8, script: &str) -> (Program, [(&'static str, String); 2]) {
        let script = format!("echo \"$COUNTERSIGN_SOCKET $COUNTERSIGN_TOKEN\"; read end; {script}");
        let count = count.to_string();
        let mut program = self.start(&["exec", "npm", "--key-file", "ci.key", "--codes", &count, "--", "sh", "-c", &script]);
        self.world.phone.reply(Reply::Approve(program.number()));
        let line = program.first_line();
        let (socket, token) = line.trim().split_once(' ').unwrap();
        (program, [("COUNTERSIGN_SOCKET", socket.to_owned()), ("COUNTERSIGN_TOKEN", token.to_owned())])
    }

    /// Makes the seed's codes be for another target.
    pub(crate) fn set_target(&self, target: &str) {
        let config = fs::read_to_string(self.world.config()).unwrap();
        let changed = config.replace("target = \"npm\"", &format!("target = \"{target}\""));
        assert_ne!(config, changed);
        fs::write(self.world.config(), changed).unwrap();
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.runtime.path().join("countersign")
    }

    /// What is left there, folders by name.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        fs::read_dir(self.folder()).map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }

    /// Waits until nothing is left.
    pub(crate) fn wait_until_nothing_is_left(&self) {
        wait_until(|| self.left().is_empty(), || format!("{:?}", self.left()));
    }
}

pub(crate) fn runtime() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// Looks again and again: for what another process does and does not tell.
pub(crate) fn wait_until(done: impl Fn() -> bool, state: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{}", state());
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The process that a line names: `... (process 123) ...`
pub(crate) fn process_in(stderr: &str) -> rustix::process::Pid {
    let number = stderr.split("(process ").nth(1).unwrap().split(')').next().unwrap();
    rustix::process::Pid::from_raw(number.parse().unwrap()).unwrap()
}

pub(crate) fn kill(process: rustix::process::Pid) {
    rustix::process::kill_process(process, Signal::KILL).unwrap();
    wait_until(|| is_dead(process), || format!("{process:?} lives"));
}

/// Gone, or nobody has asked for its exit code yet.
pub(crate) fn is_dead(process: rustix::process::Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap_or_default();
    rustix::process::test_kill_process(process).is_err() || status.contains("State:\tZ")
}

/// Whether a process has said what happens at a signal: to the last of those it listens for.
#[cfg(target_os = "linux")]
pub(crate) fn catches_signals(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught =
        status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    caught & (1 << (Signal::USR2.as_raw() - 1)) != 0
}

/// The processes that this one started.
#[cfg(target_os = "linux")]
pub(crate) fn children_of(parent: u32) -> Vec<rustix::process::Pid> {
    let started = |process: &str| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // After the name, which is in brackets: state, parent.
        let (_, rest) = stat.rsplit_once(')')?;
        (rest.split_whitespace().nth(1)? == parent.to_string()).then(|| process.parse().ok().and_then(rustix::process::Pid::from_raw))?
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| started(entry.unwrap().file_name().to_str()?)).collect()
}

/// All files below a folder that hold this text.
pub(crate) fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_with(&entry.path(), text));
        } else if fs::read(entry.path()).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)) {
            found.push(entry.path());
        }
    }
    found
}
