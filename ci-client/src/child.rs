//! The command that gets the code: found before anybody is asked, run with the code where its target wants it.
//!
//! What it writes goes through unchanged and at once. Where the target has patterns for a stream, the stream is a pipe of ours, and its end is
//! kept for the [`verdict`]; every other stream is the one that this program has itself. A terminal stays the command's own unless `CI` is set:
//! there is a human at it. Without one a tool on a terminal would only ask for the code and wait for ever, so then it can't read there either.

mod copy;
mod lookup;

use std::{
    cell::Cell,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use copy::{DRAIN, Tail, copy, drained, feed};
use countersign_core::request::CodeText;
use lookup::look_up;
use tokio::{process::Command, sync::watch};

use crate::{
    codes::{
        endpoint::{SOCKET_VARIABLE, TOKEN_VARIABLE},
        http::URL_VARIABLE,
    },
    exit::Exit,
    keys::{KEY_FILE_VARIABLE, KEY_VARIABLE},
    notify::NOTIFY_VARIABLE,
    platform::is_ci,
    problem::Problem,
    signals::Signals,
    targets::{Delivery, Profile, Verdict, is_code_variable, verdict},
};

/// Commands that run a text and do not hand on arguments that come after it.
const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "busybox", "fish", "cmd", "powershell", "pwsh"];

/// A command that exists.
pub struct Child {
    path: PathBuf,
    name: OsString,
    arguments: Vec<OsString>,
    /// None for a command that is not to be judged by its code.
    profile: Option<Arc<Profile>>,
    delivery: Delivery,
    others: Vec<(&'static str, OsString)>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ran {
    /// Its exit code, or 128 and the number of the signal that ended it.
    pub exit: u8,
    /// The number of the signal that ended it.
    pub signal: Option<u8>,
    /// What the end says about the code. [`Verdict::Failed`] if it was told to stop meanwhile.
    pub verdict: Verdict,
    /// Why not all that it printed went on.
    pub lost: Option<io::ErrorKind>,
}

impl Ran {
    /// `ended with 1`, `was ended by signal 9`
    pub(crate) fn how(&self) -> String {
        self.signal.map_or_else(|| format!("ended with {}", self.exit), |signal| format!("was ended by signal {signal}"))
    }
}

/// What a command gets only from those who start it, never by chance from outside.
const NEVER_PASSED_ON: [&str; 6] = [KEY_VARIABLE, KEY_FILE_VARIABLE, NOTIFY_VARIABLE, SOCKET_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE];

impl Child {
    /// Looks for the command, in `PATH` if its name has no slash. The code will be where `profile` says, or in the variables of `named` instead.
    ///
    /// # Errors
    /// [`Problem`] with [`Exit::NotFound`], [`Exit::NotExecutable`], or [`Exit::BadConfig`] for a bad variable name, or a shell that would
    /// swallow the argument with the code.
    pub fn find(command: &[OsString], profile: Arc<Profile>, named: &[String]) -> Result<Self, Problem> {
        let (name, _) = split(command)?;
        if let Some(variable) = named.iter().find(|variable| !is_code_variable(variable)) {
            return Err(Problem::config(format!("--env {variable:?}: not a name for an environment variable that holds a code"))
                .hint("use letters, digits and _; not PATH, and nothing else that begins with COUNTERSIGN_"));
        }
        let delivery = profile.delivery(named);
        check_shell(name, &profile, &delivery)?;
        Ok(Self { profile: Some(profile), delivery, ..Self::without_code(command)? })
    }

    /// Where the command was found.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks for a command that gets no code from us, only a way to ask for some.
    ///
    /// # Errors
    /// [`Problem`] with [`Exit::NotFound`] or [`Exit::NotExecutable`].
    pub fn without_code(command: &[OsString]) -> Result<Self, Problem> {
        let (name, arguments) = split(command)?;
        let (path, name, arguments) = (look_up(name)?, name.clone(), arguments.to_vec());
        Ok(Self { path, name, arguments, profile: None, delivery: Delivery::default(), others: Vec::new() })
    }

    /// Further variables for the command, instead of those set before.
    pub fn set_others(&mut self, others: impl IntoIterator<Item = (&'static str, OsString)>) {
        self.others = others.into_iter().collect();
    }

    /// Runs the command with the code, if there is one, and passes signals on to it. `meanwhile` is polled while it runs.
    ///
    /// # Errors
    /// [`Problem`] with [`Exit::NotFound`] or [`Exit::NotExecutable`].
    pub(crate) async fn run(
        &self,
        code: Option<&CodeText>,
        signals: &mut Signals,
        meanwhile: impl Future<Output = ()>,
    ) -> Result<Ran, Problem> {
        let reads = self.profile.as_ref().map_or((false, false), |profile| profile.reads());
        let ci = std::env::var_os("CI");
        let taken =
            (reads.0 && !stays(io::stdout().is_terminal(), ci.as_deref()), reads.1 && !stays(io::stderr().is_terminal(), ci.as_deref()));
        let nobody = io::stdin().is_terminal() && !stays(true, ci.as_deref());
        let mut child = self.command(code, taken, nobody).spawn().map_err(|error| self.not_started(&error))?;
        let (mut out, mut err) = (Tail::default(), Tail::default());
        let lost = Cell::new(None);
        let (status, stopped) = {
            let (ended, end) = watch::channel(false);
            let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let streams = async {
                let fed = feed(stdin, self.delivery.stdin.as_ref().zip(code).map(|(template, code)| template.fill(code)));
                let out = copy(stdout, tokio::io::stdout(), &mut out, drained(end.clone()));
                let err = copy(stderr, tokio::io::stderr(), &mut err, drained(end));
                let ((), out, err) = tokio::join!(fed, out, err);
                lost.set(out.err().or(err.err()));
            };
            tokio::pin!(meanwhile, streams);
            let (mut busy, mut flowing, mut stopped) = (true, true, false);
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    signal = signals.next() => {
                        stopped |= ends(signal);
                        forward(&child, signal);
                    }
                    () = &mut meanwhile, if busy => busy = false,
                    () = &mut streams, if flowing => flowing = false,
                }
            };
            ended.send_replace(true);
            if flowing {
                // Told to end, nobody waits for a reader of ours that does not read.
                let patience = async {
                    if stopped {
                        tokio::time::sleep(DRAIN).await;
                    } else {
                        std::future::pending().await
                    }
                };
                tokio::select! {
                    () = &mut streams => {}
                    () = patience => {}
                    () = signals.interrupted() => stopped = true,
                }
            }
            (status.map_err(|error| self.not_started(&error))?, stopped)
        };
        let exit = if stopped { None } else { status.code().map(to_u8) };
        let signal = signal(status);
        let own = signal.map_or_else(|| status.code().map_or(u8::MAX, to_u8), |signal| signal.saturating_add(128));
        let lost = lost.take().map(|error: io::Error| error.kind());
        Ok(Ran { exit: own, signal, verdict: self.verdict(status, exit, &out, &err), lost })
    }

    /// A signal that ends programs ended it or came meanwhile: no matter of the code.
    fn verdict(&self, status: ExitStatus, exit: Option<u8>, out: &Tail, err: &Tail) -> Verdict {
        match &self.profile {
            _ if status.success() => Verdict::Fine,
            Some(profile) => verdict(profile, exit, out.bytes(), err.bytes()),
            None => Verdict::Failed,
        }
    }

    fn command(&self, code: Option<&CodeText>, taken: (bool, bool), nobody: bool) -> Command {
        let mut command = Command::new(&self.path);
        #[cfg(unix)]
        command.arg0(&self.name);
        command.args(&self.arguments);
        for name in NEVER_PASSED_ON {
            command.env_remove(name);
        }
        command.envs(self.others.iter().map(|(name, value)| (name, value)));
        for variable in &self.delivery.env {
            match code {
                // The child's environment is where the code is wanted.
                Some(code) => command.env(variable, code.expose()),
                None => command.env_remove(variable),
            };
        }
        if let Some(code) = code {
            // So are its arguments, for a tool that knows no other way.
            command.args(self.delivery.args.iter().map(|template| OsString::from(template.fill(code).as_str())));
        }
        if self.delivery.stdin.is_some() && code.is_some() {
            command.stdin(Stdio::piped());
        } else if nobody {
            command.stdin(Stdio::null());
        }
        if taken.0 {
            command.stdout(Stdio::piped());
        }
        if taken.1 {
            command.stderr(Stdio::piped());
        }
        command
    }

    fn not_started(&self, error: &io::Error) -> Problem {
        // NotFound although the file is there: what its first line names, or what it is linked to, is not.
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::NotExecutable };
        let hint = match error.kind() {
            io::ErrorKind::NotFound => {
                "the file is there: what is missing is the interpreter in its first line, or the loader of its format"
            }
            io::ErrorKind::ArgumentListTooLong => "arguments and environment are too long together: make them shorter",
            _ => "see that it is a program of this machine, or a script that begins with #! and its interpreter",
        };
        Problem::new(exit, format!("cannot run {}: {error}", self.name.display())).hint(hint)
    }
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variables: Vec<&str> = self.others.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Child").field("path", &self.path).field("variables", &variables).finish_non_exhaustive()
    }
}

fn split(command: &[OsString]) -> Result<(&OsString, &[OsString]), Problem> {
    command.split_first().ok_or_else(|| Problem::config("no command is given after --"))
}

/// Refuses a shell that would swallow the argument with the code.
pub(crate) fn check_shell(name: &OsStr, profile: &Profile, delivery: &Delivery) -> Result<(), Problem> {
    if delivery.args.is_empty() || !is_shell(name) {
        return Ok(());
    }
    Err(Problem::config(format!(
        "target {} appends the code to the command's arguments, where {} does not hand it on",
        profile.name,
        name.display()
    ))
    .hint(
        "run the tool itself after --, or add --env COUNTERSIGN_CODE (in the action and the templates: env) and use \"$COUNTERSIGN_CODE\" in the script",
    ))
}

/// Whether a stream stays the command's own: on a terminal, unless the variable `CI` says that nobody sits there.
fn stays(terminal: bool, ci: Option<&OsStr>) -> bool {
    terminal && !is_ci(ci)
}

fn is_shell(name: &OsStr) -> bool {
    let stem = Path::new(name).file_stem().unwrap_or_default();
    SHELLS.iter().any(|shell| stem.eq_ignore_ascii_case(shell))
}

/// Whether a signal asks a program to end.
#[cfg(unix)]
fn ends(signal: rustix::process::Signal) -> bool {
    use rustix::process::Signal;
    !matches!(signal, Signal::USR1 | Signal::USR2)
}

#[cfg(not(unix))]
fn ends((): ()) -> bool {
    true
}

/// Passes a signal on.
#[cfg(unix)]
fn forward(child: &tokio::process::Child, signal: rustix::process::Signal) {
    use std::io::IsTerminal as _;

    use rustix::process::{Pid, Signal, kill_process};
    // Ctrl-C and Ctrl-\ on a terminal reach the child too, which is in the same process group: twice would be once too often.
    let from_terminal = matches!(signal, Signal::INT | Signal::QUIT) && io::stdin().is_terminal();
    // Without an id the child was waited for: its number may be another process's by now.
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid.filter(|_| !from_terminal) {
        // It can only have ended in between.
        let _ = kill_process(pid, signal);
    }
}

/// The console sends Ctrl-C to the child as well.
#[cfg(not(unix))]
fn forward(_: &tokio::process::Child, (): ()) {}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<u8> {
    std::os::unix::process::ExitStatusExt::signal(&status).map(to_u8)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<u8> {
    None
}

/// Windows has larger ones.
fn to_u8(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::targets::Targets;

    fn find(name: &str) -> Result<Child, Problem> {
        with("generic", &[name], &["CODE"])
    }

    fn with(target: &str, command: &[&str], named: &[&str]) -> Result<Child, Problem> {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        Child::find(&command, Targets::builtin().find(target).unwrap(), &named)
    }

    fn code() -> CodeText {
        serde_json::from_str("\"123456\"").unwrap()
    }

    #[test]
    fn commands_are_looked_up_first() {
        assert!(find("sh").unwrap().path.is_absolute());
        assert_eq!(find("no-such-command-anywhere").unwrap_err().exit, Exit::NotFound);
        assert_eq!(find("/no/such/command").unwrap_err().exit, Exit::NotFound);
        assert_eq!(find("/").unwrap_err().exit, Exit::NotExecutable);
        assert_eq!(find(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap_err().exit, Exit::NotExecutable);
    }

    #[test]
    fn variable_names_are_checked() {
        for name in ["", "1A", "A=B", "A-B", "Path", "COUNTERSIGN_KEY", "COUNTERSIGN_KEY_FILE", "countersign_x"] {
            assert_eq!(with("npm", &["sh"], &[name]).unwrap_err().exit, Exit::BadConfig, "{name}");
        }
    }

    #[test]
    fn a_terminal_stays_one_for_a_human() {
        for (terminal, ci, expected) in [
            (true, None, true),
            (true, Some(""), true),
            (true, Some("false"), true),
            (true, Some("0"), true),
            (true, Some("true"), false),
            (true, Some("1"), false),
            (false, None, false),
        ] {
            assert_eq!(stays(terminal, ci.map(OsStr::new)), expected, "{terminal} {ci:?}");
        }
    }

    #[test]
    fn a_shell_would_swallow_the_argument() {
        for shell in ["sh", "/bin/sh", "bash"] {
            let problem = with("yarn", &[shell, "-c", "yarn publish"], &[]).unwrap_err();
            assert!(problem.message.starts_with("target yarn appends the code"), "{}", problem.message);
        }
        with("yarn", &["sh"], &["COUNTERSIGN_CODE"]).unwrap();
        with("yarn", &["env", "yarn"], &[]).unwrap();
        with("npm", &["sh"], &[]).unwrap();
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut child = with("npm", &["sh"], &[]).unwrap();
        child.set_others([("TOKEN", "abc".into())]);
        let shown = format!("{child:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("abc"), "{shown}");
    }

    #[tokio::test]
    async fn the_code_goes_where_the_target_says() {
        let code = code();
        let run = async |target: &str, command: &[&str], named: &[&str]| {
            let mut signals = Signals::listen().unwrap();
            with(target, command, named).unwrap().run(Some(&code), &mut signals, std::future::pending()).await.unwrap()
        };
        let fine = Ran { exit: 0, signal: None, verdict: Verdict::Fine, lost: None };
        assert_eq!(run("npm", &["sh", "-c", "test $NPM_CONFIG_OTP$npm_config_otp$COUNTERSIGN_CODE = 123456123456123456"], &[]).await, fine);
        // `test` gets what `yarn` would: the argument, once, at the end.
        assert_eq!(run("yarn", &["test", "--otp=123456", "="], &[]).await, fine);
        assert_eq!(run("aws", &["env", "sh", "-c", "test \"$*\" = 'x --token-code 123456'", "sh", "x"], &[]).await, fine);
        assert_eq!(run("yarn", &["sh", "-c", "test $MFA = 123456 && test $# = 0"], &["MFA"]).await, fine);
    }

    #[tokio::test]
    async fn a_command_may_get_a_way_to_codes_instead() {
        let mut signals = Signals::listen().unwrap();
        let script = "test -z \"${COUNTERSIGN_CODE+x}\" && test $WAY = there";
        let mut child = Child::without_code(&["sh".into(), "-c".into(), script.into()]).unwrap();
        child.set_others([("WAY", "there".into())]);
        let ran = child.run(None, &mut signals, std::future::pending()).await.unwrap();
        assert_eq!(ran, Ran { exit: 0, signal: None, verdict: Verdict::Fine, lost: None });
        // Variables that hold no code hold nothing.
        let mut child = with("yarn", &["sh", "-c", "test -z \"${HOME+x}\" && test $# = 0 && exit 3"], &["HOME"]).unwrap();
        child.set_others([("WAY", "there".into())]);
        assert_eq!(child.run(None, &mut signals, std::future::pending()).await.unwrap().exit, 3);
    }

    #[tokio::test]
    async fn a_target_may_use_standard_input() {
        let code = code();
        let mut profile = Profile::clone(&Targets::builtin().find("generic").unwrap());
        profile.stdin = Some(crate::targets::Template::parse("{code}\n").unwrap());
        let profile = Arc::new(profile);
        let run = async |script: &str| {
            let mut signals = Signals::listen().unwrap();
            let child = Child::find(&["sh".into(), "-c".into(), script.into()], Arc::clone(&profile), &[]).unwrap();
            child.run(Some(&code), &mut signals, std::future::pending()).await.unwrap().exit
        };
        // The end of the input comes after it.
        assert_eq!(run("read code; test $code = 123456 && ! read more").await, 0);
        // Nobody reads it: no harm.
        assert_eq!(run("exec <&-; exit 7").await, 7);
    }
}
