//! The side of `approve`: starts a holder, and gives it the codes.

use std::{io, process::Stdio, time::Duration};

use tokio::{
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{
    COMMAND,
    key::Key,
    message::{Codes, KEEP, MAX_CODES_LINE, Said},
};
use crate::{
    codes::{pool::Pool, wire},
    exit::Exit,
    problem::Problem,
};

/// Each step of starting a holder takes less than this.
const PATIENCE: Duration = Duration::from_secs(20);
/// All that a holder sees of the environment: where its folder is, what Windows needs, and by what CI platforms find a job's processes to end them.
const KEPT: [&str; 10] = [
    "XDG_RUNTIME_DIR",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LOCALAPPDATA",
    "SystemRoot",
    "RUNNER_TRACKING_ID",
    "JENKINS_NODE_COOKIE",
    "JENKINS_SERVER_COOKIE",
    "BUILD_ID",
];

/// A holder that waits for its codes. It ends when this is dropped, or when this process is killed.
pub(crate) struct Starting {
    to: ChildStdin,
    from: ChildStdout,
    // Neither killed nor waited for when it is dropped.
    child: Child,
    key: Key,
}

impl Starting {
    /// Starts a holder; another one for the same seed is an error.
    pub(crate) async fn start(key: Key) -> Result<Self, Problem> {
        let failed =
            |error: io::Error| Problem::config(format!("cannot start the holder: {error}")).hint("nobody was asked; run this again");
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).env_clear();
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        detach(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let mut starting = Self { to, from, child, key };
        let line = wire::line(&starting.key);
        match starting.exchange(&line).await? {
            Said::Ready => Ok(starting),
            Said::Taken => Err(Problem::new(Exit::InUse, format!("there is a holder for {} already; nobody was asked", starting.key.seed))
                .hint("use it (`countersign code`), end it (`countersign close`), or give --replace")),
            Said::Failed { message, hint } => Err(failed_there(message, hint)),
            _ => Err(starting.odd()),
        }
    }

    /// Gives it the codes and lets it live on; its process id. `now` is the moment that the pool's times refer to. When `interrupt` ends first, the
    /// holder is killed.
    pub(crate) async fn hand_over(
        mut self,
        pool: Pool,
        reuse: bool,
        now: u64,
        interrupt: impl Future<Output = ()>,
    ) -> Result<u32, Problem> {
        let interrupted = tokio::select! {
            given = self.give(pool, reuse, now) => return given,
            () = interrupt => Problem::interrupted(),
        };
        // It may have been told already to live on. It can only have ended in between.
        let _ = self.child.start_kill();
        Err(interrupted)
    }

    async fn give(&mut self, pool: Pool, reuse: bool, now: u64) -> Result<u32, Problem> {
        let codes = Codes::new(pool, reuse, now);
        let line = wire::line_within(&codes, MAX_CODES_LINE);
        drop(codes);
        if !matches!(self.exchange(&line).await?, Said::Held) {
            return Err(self.odd());
        }
        match self.exchange(&[KEEP, b"\n"].concat()).await? {
            Said::Kept => Ok(self.child.id().unwrap_or(0)),
            Said::Failed { message, hint } => Err(failed_there(message, hint)),
            _ => Err(self.odd()),
        }
    }

    async fn exchange(&mut self, line: &[u8]) -> Result<Said, Problem> {
        let exchange = async {
            wire::write_line(&mut self.to, line).await.ok()?;
            wire::parse(&wire::read_line(&mut self.from).await?)
        };
        match timeout(PATIENCE, exchange).await {
            Ok(Some(said)) => Ok(said),
            _ => Err(self.odd()),
        }
    }

    fn odd(&self) -> Problem {
        Problem::config(format!("the holder for {} ended, or does not answer", self.key.seed))
            .hint("run this again; nothing is left of it, and no code was handed out")
    }
}

/// What a holder says that it could not do.
fn failed_there(message: String, hint: Option<String>) -> Problem {
    let problem = Problem::config(message);
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// The holder's own session is not that of the terminal or step that starts it.
#[cfg(windows)]
fn detach(command: &mut Command) {
    /// Of the Windows API.
    const DETACHED_PROCESS: u32 = 0x0000_0008;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

/// It makes its own session itself, in [`hold`].
#[cfg(unix)]
fn detach(command: &mut Command) {
    command.current_dir("/");
}
