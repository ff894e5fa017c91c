//! A relay and a phone in threads, and the program with its standard error read line by line.

pub(crate) mod codes;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use countersign_core::{
    keys::{DeviceRoot, UnlockRoot},
    pairing::{AwaitP2, PhoneIdentity},
    phone::{Context, Decision, HistoryOutcome, NotSaved, Phone, PhoneOutput, Store},
    relay::{Frame, RelayUrl, Role},
    request::Artefact,
};
use countersign_link::{Clock, Link};
use rand_core::OsRng;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::sleep,
};

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const URI: &str = "otpauth://totp/npm:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=npm&period=15";

/// What tells a program which platform runs it: the tests may run on one.
pub(crate) const PLATFORM_VARIABLES: &[&str] = &[
    "BITBUCKET_BUILD_NUMBER",
    "BUILDKITE",
    "CI",
    "CIRCLECI",
    "FORGEJO_ACTIONS",
    "GITEA_ACTIONS",
    "GITHUB_ACTIONS",
    "GITHUB_STEP_SUMMARY",
    "GITLAB_CI",
    "JENKINS_URL",
    "NO_COLOR",
    "TF_BUILD",
    "TRAVIS",
];

/// A relay on a free port, until the test ends.
pub(crate) fn relay() -> RelayUrl {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let relay = countersign_relay::Relay::bind(countersign_relay::Config::default()).await.unwrap();
            sender.send(relay.origin().clone()).unwrap();
            relay.serve(std::future::pending()).await;
        });
    });
    receiver.recv_timeout(PATIENCE).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What the human does with the next request.
pub(crate) enum Reply {
    Approve(String),
    Deny(&'static str),
    WrongNumber,
}

enum Job {
    Pair(String, mpsc::Sender<String>),
    Reply(Reply),
    History(mpsc::Sender<Vec<HistoryOutcome>>),
    Artefact(mpsc::Sender<Option<Option<Artefact>>>),
}

/// A phone and its human.
pub(crate) struct TestPhone(UnboundedSender<Job>);

struct NoDisk;

impl Store for NoDisk {
    fn save(&mut self, _: &str, _: &[u8]) -> Result<(), NotSaved> {
        Ok(())
    }
}

impl TestPhone {
    pub(crate) fn start(name: &'static str, relay: RelayUrl) -> Self {
        let (sender, jobs) = unbounded_channel();
        thread::spawn(move || runtime().block_on(live(name, relay, jobs)));
        Self(sender)
    }

    /// Scans a pairing code; the digits it shows.
    pub(crate) fn pair(&self, code: &str) -> String {
        let (sender, receiver) = mpsc::channel();
        self.0.send(Job::Pair(code.to_owned(), sender)).unwrap();
        receiver.recv_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn reply(&self, reply: Reply) {
        self.0.send(Job::Reply(reply)).unwrap();
    }

    /// What the request that is on its screen says will be published.
    pub(crate) fn artefact(&self) -> Option<Artefact> {
        for _ in 0..200 {
            let (sender, receiver) = mpsc::channel();
            self.0.send(Job::Artefact(sender)).unwrap();
            if let Some(artefact) = receiver.recv_timeout(PATIENCE).unwrap() {
                return artefact;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the phone never showed a request");
    }

    /// Waits until the last request in the history ended like this.
    pub(crate) fn wait_for(&self, outcome: HistoryOutcome) {
        for _ in 0..200 {
            let (sender, receiver) = mpsc::channel();
            self.0.send(Job::History(sender)).unwrap();
            if receiver.recv_timeout(PATIENCE).unwrap().last() == Some(&outcome) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the phone never saw {outcome:?}");
    }
}

async fn live(name: &str, relay: RelayUrl, mut jobs: UnboundedReceiver<Job>) {
    let (clock, mut rng, mut store) = (Clock::start(), OsRng, NoDisk);
    let mut seed = [0; 32];
    rand_core::RngCore::fill_bytes(&mut rng, &mut seed);
    let unlock = UnlockRoot::from_slice(&seed).unwrap();
    let identity = PhoneIdentity::derive(name, &unlock).unwrap();
    let mut context = Context { now: clock.now(), rng: &mut rng, store: &mut store };
    let mut phone = Phone::create(DeviceRoot::from_slice(&seed).unwrap(), &identity, &mut context).unwrap();
    let mut link: Option<Link> = None;
    let mut reply = None;
    loop {
        if link.is_none() && !phone.relays().is_empty() {
            let (connected, hello) = Link::connect(&relay).await.unwrap();
            link = Some(connected);
            phone.connected(&relay, &hello.nonce);
        }
        let pending = phone.pending(clock.now());
        if let Some(request) = pending.first()
            && let Some(reply) = reply.take()
        {
            context.now = clock.now();
            act(&mut phone, &request.request_id, reply, &unlock, &mut context);
        }
        while let Some(output) = phone.poll_output() {
            if let (PhoneOutput::Send { frame, .. }, Some(link)) = (output, &mut link) {
                link.send(&frame).await.unwrap();
            }
        }
        let received = async {
            match &mut link {
                Some(link) => link.recv().await.unwrap(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            job = jobs.recv() => match job {
                None => return,
                Some(Job::Reply(next)) => reply = Some(next),
                Some(Job::History(sender)) => sender.send(phone.history().iter().map(|entry| entry.outcome).collect()).unwrap(),
                Some(Job::Artefact(sender)) => sender.send(pending.first().map(|request| request.artefact.clone())).unwrap(),
                Some(Job::Pair(code, digits)) => {
                    context.now = clock.now();
                    if scan(&mut phone, &relay, &code, &digits, &mut context).await.is_some() {
                        link = None;
                    }
                }
            },
            frame = received => {
                context.now = clock.now();
                phone.received(&relay, &frame, &mut context);
            }
            () = sleep(Duration::from_millis(200)) => {
                context.now = clock.now();
                phone.tick(&mut context);
            }
        }
    }
}

fn act(phone: &mut Phone, id: &[u8; 16], reply: Reply, unlock: &UnlockRoot, context: &mut Context<'_>) {
    match reply {
        Reply::Deny(reason) => phone.deny(id, reason, context).unwrap(),
        Reply::WrongNumber => {
            let decision = Decision { number: "000000".into(), codes: None, grant: true };
            phone.decide(id, &decision, context).unwrap_err();
        }
        Reply::Approve(number) => {
            phone.decide(id, &Decision { number, codes: None, grant: true }, context).unwrap();
            phone.approve(id, unlock, None, context).unwrap();
        }
    }
}

/// `None` if the laptop gave up.
async fn scan(phone: &mut Phone, relay: &RelayUrl, code: &str, digits: &mpsc::Sender<String>, context: &mut Context<'_>) -> Option<()> {
    let code: countersign_core::pairing::PairingCode = code.parse().unwrap();
    let rendezvous = code.rendezvous;
    let (p2, p1) = AwaitP2::start(phone.device(), code, &mut OsRng).unwrap();
    let (mut link, _) = Link::connect(relay).await.unwrap();
    link.send(&Frame::Meet { circuit: 1, role: Role::Phone, rendezvous }.encode()).await.unwrap();
    assert!(matches!(Frame::parse(&link.recv().await.unwrap()).unwrap(), Frame::Met { .. }));
    link.send(&Frame::Data { circuit: 1, tail: &p1 }.encode()).await.unwrap();
    let message = receive(&mut link).await?;
    let (p4, p3) = p2.receive(&message, phone.device(), &phone.identity(), &mut OsRng).unwrap();
    link.send(&Frame::Data { circuit: 1, tail: &p3 }.encode()).await.unwrap();
    digits.send(p4.digits()).unwrap();
    let paired = p4.receive(&receive(&mut link).await?).unwrap();
    let p5 = phone.add_pairing(paired, context).unwrap();
    link.send(&Frame::Data { circuit: 1, tail: &p5 }.encode()).await.unwrap();
    link.close().await;
    Some(())
}

async fn receive(link: &mut Link) -> Option<Vec<u8>> {
    loop {
        match Frame::parse(&link.recv().await.unwrap()).unwrap() {
            Frame::Data { tail, .. } => return Some(tail.to_vec()),
            Frame::Close { .. } => return None,
            _ => {}
        }
    }
}

/// The program, running.
pub(crate) struct Program {
    pub(crate) child: Child,
    stderr: mpsc::Receiver<String>,
    seen: Vec<String>,
}

/// How it ended.
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn start(folder: &Path, arguments: &[&str], stdin: &str) -> Self {
        Self::start_in(folder, arguments, stdin, &[])
    }

    pub(crate) fn start_in(folder: &Path, arguments: &[&str], stdin: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments);
        Self::start_as(command, folder, stdin, environment)
    }

    /// By a line of the shell, in which `"$0" "$@"` is the program with its arguments.
    pub(crate) fn start_by(line: &str, folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", line, env!("CARGO_BIN_EXE_countersign")]).args(arguments);
        Self::start_as(command, folder, "", environment)
    }

    fn start_as(mut command: Command, folder: &Path, stdin: &str, environment: &[(&str, &str)]) -> Self {
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let own = ["KEY", "KEY_FILE", "CONFIG", "NOTIFY", "SOCKET", "TOKEN"].map(|name| format!("COUNTERSIGN_{name}"));
        for name in own.iter().map(String::as_str).chain(PLATFORM_VARIABLES.iter().copied()) {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        let mut child = command.spawn().unwrap();
        if !stdin.is_empty() {
            child.stdin.as_mut().unwrap().write_all(stdin.as_bytes()).unwrap();
        }
        let (sender, stderr) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || lines.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, stderr, seen: Vec::new() }
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line of standard output, byte by byte: what comes after it stays there.
    pub(crate) fn first_line(&mut self) -> String {
        let (mut line, mut byte) = (Vec::new(), [0]);
        let stdout = self.child.stdout.as_mut().unwrap();
        while !line.ends_with(b"\n") && stdout.read(&mut byte).unwrap() == 1 {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// The rest of the first line on standard error that starts with this.
    pub(crate) fn line(&mut self, start: &str) -> String {
        loop {
            let Ok(line) = self.stderr.recv_timeout(PATIENCE) else { panic!("no line {start:?} in {:#?}", self.seen) };
            self.seen.push(line.clone());
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Waits for a line on standard error that starts with this, if there was none before.
    pub(crate) fn says(&mut self, start: &str) {
        if !self.seen.iter().any(|line| line.starts_with(start)) {
            self.line(start);
        }
    }

    /// The match number, unless the program ends before.
    pub(crate) fn number_or_end(&mut self) -> Option<String> {
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
            self.seen.push(line.clone());
            if let Some(number) = line.strip_prefix("    match number:  ") {
                return Some(number.to_owned());
            }
        }
        None
    }

    pub(crate) fn number(&mut self) -> String {
        self.line("    match number:  ")
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn end(mut self) -> End {
        drop(self.child.stdin.take());
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code();
        while let Ok(line) = self.stderr.recv_timeout(Duration::from_secs(1)) {
            self.seen.push(line);
        }
        End { code, stdout, stderr: self.seen.join("\n") }
    }
}

/// A folder with a config and a key, paired with a phone over a relay.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) relay: RelayUrl,
    pub(crate) phone: TestPhone,
}

impl World {
    /// Paired by the program itself.
    pub(crate) fn paired() -> Self {
        let relay = relay();
        let world = Self { folder: tempfile::tempdir().unwrap(), phone: TestPhone::start("pixel", relay.clone()), relay };
        let end = pair(&world.phone, world.folder.path(), &world.relay, &["--key-file", "ci.key"], |digits| digits);
        assert_eq!((end.code, end.stdout.as_str()), (Some(0), ""), "{}", end.stderr);
        world
    }

    /// And with a seed named npm.
    pub(crate) fn enrolled() -> Self {
        let world = Self::paired();
        let end = world.enroll();
        assert_eq!((end.code, end.stdout.as_str()), (Some(0), ""), "{}", end.stderr);
        world.phone.wait_for(HistoryOutcome::Enrolled);
        world
    }

    pub(crate) fn enroll(&self) -> End {
        let mut program = self.start(&["enroll", "npm", "--uri-stdin", "--key-file", "ci.key"], &format!("{URI}\n"));
        if let Some(number) = program.number_or_end() {
            self.phone.reply(Reply::Approve(number));
        }
        program.end()
    }

    pub(crate) fn start(&self, arguments: &[&str], stdin: &str) -> Program {
        Program::start(self.folder.path(), arguments, stdin)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("countersign.toml")
    }
}

/// Runs `countersign pair`; `mistype` may change the digits.
pub(crate) fn pair(phone: &TestPhone, folder: &Path, relay: &RelayUrl, further: &[&str], mistype: impl Fn(String) -> String) -> End {
    let arguments = [&["pair", "--relay", relay.origin(), "--name", "acme/widget"], further].concat();
    let mut program = Program::start(folder, &arguments, "");
    let code = format!("COUNTERSIGN-PAIR-1{}", program.line("COUNTERSIGN-PAIR-1"));
    let digits = phone.pair(&code);
    program.line("countersign: the six digits");
    program.type_line(&mistype(digits));
    program.end()
}
