//! `countersign exec`

use std::{ffi::OsString, path::Path, time::Duration};

use clap::Args;
use countersign_core::{
    request::{CodeText, Outcome},
    text::{MAX_NAME, clean},
};
use tokio::time::Instant;

use super::{
    batch::{Batch, BatchArgs},
    held::{HELD_LIFE, Wanted, held, take_held},
    listen,
    request::{Prepared, RequestArgs, mask, mask_all, take, wait_until_open},
};
use crate::{
    artifact::Artifact,
    ask::Answer,
    child::{Child, Ran},
    codes::{
        Dispenser,
        attempts::{self, Release},
        endpoint::{Endpoint, Taker},
    },
    config::Seed,
    event::{Event, Text},
    exit::Exit,
    problem::Problem,
    signals::Signals,
    targets::Verdict,
    ui::Ui,
};

/// What reading an artifact again may take longer than the first time.
const SPARE: Duration = Duration::from_secs(1);
/// A code with less life than this is not worth running a command again, when others or a fresh approval can be had.
const WORTH_A_RUN: Duration = Duration::from_secs(8);

/// Asks for a code and runs a command with it
///
/// The code is in the command's environment: in COUNTERSIGN_CODE and in the variables that the seed's target reads (npm: NPM_CONFIG_OTP; gem:
/// GEM_HOST_OTP_CODE), or that --env names instead. A tool that reads none gets it as an argument; `countersign targets` tells. With --codes the
/// command can have more of them, one by one, from `countersign next`. The command's own exit code is passed on.
///
/// If the output shows that the code was refused, the command is run again with another one, at most twice with what was approved and once with
/// a fresh approval, where the seed's target allows it.
///
/// Of `npm publish`, `pnpm publish` and `gem push` the phone shows what they will publish: name, version, SHA-256. If that changes before the code
/// is used, the command is not run. Codes that a holder has were approved before: nothing is shown or compared then.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign exec npm --reason \"release 1.2\" -- npm publish\n  countersign exec aws --env MFA -- sh -c 'aws sts \
                  get-session-token --serial-number \"$SERIAL\" --token-code \"$MFA\"'\n  countersign exec npm --codes 10 -- ./publish-all.sh"
)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    batch: BatchArgs,
    /// Variable that holds the code, instead of what the seed's target says; may be repeated
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// Never run the command again when its code was refused
    #[arg(long)]
    no_retry: bool,
    /// Ask, even if `countersign approve` left a holder that has codes
    #[arg(long)]
    fresh: bool,
    /// Don't look at what is about to be published
    #[arg(long)]
    no_artifact: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) async fn run(args: ExecArgs, ui: Ui) -> Result<u8, Problem> {
    let seed = args.request.seed(ui)?;
    let batch = args.batch.batch(&seed)?;
    let retry = seed.target.retry && !args.no_retry;
    let mut running = Running::new(&args, batch, seed, ui)?;
    if !args.fresh
        && let Some(taker) =
            held(&args.request.config_path(), args.request.name(), Wanted { codes: batch.limit, life: HELD_LIFE }, ui).await
    {
        running.child.set_others(taker.variables());
        running.source = Some(Source::Held(taker));
        if running.unseen.is_some_and(Artifact::is_looked_at) {
            ui.say("what will be published is neither shown nor compared: its codes were approved before");
        }
        match running.code(false).await {
            Ok(code) => return running.go(code, retry).await,
            // It came to its end in between.
            Err(problem) if problem.exit == Exit::Spent => ui.say(&format!("{problem}; asking")),
            Err(problem) => return Err(problem),
        }
        running.child.set_others([]);
    }
    // Before anybody is asked.
    let prepared = args.request.prepare(ui)?;
    running.find_artifact().await?;
    running.ask(prepared).await?;
    match running.first_code().await {
        Ok(code) => running.go(code, retry).await,
        Err(problem) => {
            running.report(Outcome::NotUsed).await;
            Err(problem)
        }
    }
}

/// Where the codes come from.
enum Source {
    Held(Taker),
    Asked { answer: Box<Answer>, first: Option<u64>, dispenser: Dispenser },
}

/// A command on its way.
struct Running<'a> {
    request: &'a RequestArgs,
    batch: Batch,
    seed: Seed,
    child: Child,
    /// The command's name, for the log.
    name: String,
    /// The command line, as long as nobody has looked at what it publishes; `None` with `--no-artifact`.
    unseen: Option<&'a [OsString]>,
    /// What it is about to publish, and how long it took to read that.
    artifact: Option<(Artifact, Duration)>,
    source: Option<Source>,
    /// For `countersign next`, where more than one code was asked for.
    endpoint: Option<Endpoint>,
    /// Codes that the command was started with.
    given: u8,
    signals: Signals,
    ui: Ui,
}

impl<'a> Running<'a> {
    fn new(args: &'a ExecArgs, batch: Batch, seed: Seed, ui: Ui) -> Result<Self, Problem> {
        let child = Child::find(&args.command, seed.target.clone(), &args.env)?;
        Ok(Self {
            request: &args.request,
            batch,
            seed,
            child,
            name: command_name(&args.command),
            unseen: (!args.no_artifact).then_some(args.command.as_slice()),
            artifact: None,
            source: None,
            endpoint: None,
            given: 0,
            signals: listen()?,
            ui,
        })
    }

    /// What the command is about to publish. That nobody can tell is no reason to stop.
    async fn find_artifact(&mut self) -> Result<(), Problem> {
        let Some(command) = self.unseen.take() else { return Ok(()) };
        let began = Instant::now();
        let found = tokio::select! {
            found = Artifact::find(self.child.path(), command) => found,
            () = self.signals.interrupted() => return Err(Problem::interrupted()),
        };
        match found {
            Ok(artifact) => {
                artifact.as_ref().map_or(Ok(()), Artifact::check_keyless)?;
                if let Some(caveat) = artifact.as_ref().and_then(Artifact::caveat) {
                    self.ui.say(&caveat);
                }
                self.artifact = artifact.map(|artifact| (artifact, began.elapsed()));
            }
            Err(why) => self.ui.say(&format!("warning: the phone can't show what will be published: {why}")),
        }
        Ok(())
    }

    /// Whether it is still what was approved.
    async fn check_artifact(&mut self) -> Result<(), Problem> {
        let Some((artifact, _)) = &self.artifact else { return Ok(()) };
        tokio::select! {
            same = artifact.check() => same,
            () = self.signals.interrupted() => Err(Problem::interrupted()),
        }
    }

    /// Asks the phones and gets ready to hand out codes.
    async fn ask(&mut self, mut prepared: Prepared) -> Result<(), Problem> {
        prepared.command = Some(self.name.clone());
        prepared.artifact = self.artifact.as_ref().map(|(artifact, _)| artifact.claim());
        if self.batch.steps > 1 && self.endpoint.is_none() {
            // Before anybody is asked: it may not be possible.
            let endpoint = Endpoint::fresh(self.request.name())?;
            self.child.set_others(endpoint.variables());
            self.endpoint = Some(endpoint);
        }
        let mut answer = prepared.ask(self.batch, self.ui, &mut self.signals).await?;
        mask_all(self.ui, &answer).await;
        let first = answer.first_step();
        let dispenser = self.batch.dispenser(&mut answer, self.seed.target.reuse, self.ui);
        self.given = 0;
        self.source = Some(Source::Asked { answer: Box::new(answer), first, dispenser });
        Ok(())
    }

    /// The first code of an approval, whenever it is valid.
    async fn first_code(&mut self) -> Result<CodeText, Problem> {
        // The wait may be long, so what is published is read at its end: but before the step opens, since then the code has no time for that.
        let before = self.artifact.as_ref().map_or(Duration::ZERO, |(_, took)| *took + SPARE);
        self.wait_for_the_first(before).await?;
        self.check_artifact().await?;
        self.wait_for_the_first(Duration::ZERO).await?;
        self.code(false).await
    }

    /// Waits until `before` the first step.
    async fn wait_for_the_first(&mut self, before: Duration) -> Result<(), Problem> {
        let Some(Source::Asked { answer, first, .. }) = &mut self.source else { return Ok(()) };
        // The core lets no approval of a code pass without one.
        let Some(step) = *first else { return Err(Problem::new(Exit::Protocol, "the answer holds no code")) };
        wait_until_open(answer, step, before, (self.request.name(), self.ui), &mut self.signals).await
    }

    /// A code that lives for as long as the target wants, or else for as long as it can; if it is to be `fresh` it was not handed out before, and
    /// has a life that is worth another run.
    async fn code(&mut self, fresh: bool) -> Result<CodeText, Problem> {
        let wanted = self.seed.target.min_life();
        let enough = if fresh { wanted.min(WORTH_A_RUN) } else { Duration::ZERO };
        let code = match self.code_that_lives(fresh, wanted).await {
            Err(problem) if problem.exit == Exit::Spent && enough < wanted => {
                let code = self.code_that_lives(fresh, enough).await?;
                let target = &self.seed.target.name;
                self.ui.say(&format!("this code is valid for less than the {} s that target {target} wants", wanted.as_secs()));
                code
            }
            other => other?,
        };
        self.given += 1;
        Ok(code)
    }

    async fn code_that_lives(&mut self, fresh: bool, min_life: Duration) -> Result<CodeText, Problem> {
        match &mut self.source {
            Some(Source::Asked { answer, dispenser, .. }) => {
                // What is longer than a step means: at its beginning.
                let min_life = min_life.min(dispenser.longest_life());
                take(dispenser, min_life, fresh, (self.request.name(), self.ui), answer, &mut self.signals).await
            }
            Some(Source::Held(taker)) => {
                let code = tokio::select! {
                    code = take_held(taker, self.request.name(), min_life.max(HELD_LIFE), fresh, self.ui) => code?,
                    () = self.signals.interrupted() => return Err(Problem::interrupted()),
                };
                mask(self.ui, [&code]).await;
                Ok(code)
            }
            None => Err(Problem::new(Exit::Spent, "nothing was approved")),
        }
    }

    /// Runs the command, again if it must, and tells the phone.
    async fn go(mut self, code: CodeText, retry: bool) -> Result<u8, Problem> {
        let target = self.seed.target.name.clone();
        let ran = attempts::run(&mut self, code, retry, &target).await;
        let used = self.used_by_next();
        let outcome = match &ran {
            Ok(Ran { verdict: Verdict::Fine, .. }) => Outcome::Used,
            _ if used => Outcome::Used,
            // A fresh approval came to nothing; the run before it was of another one.
            _ if self.given == 0 => Outcome::NotUsed,
            Ok(Ran { verdict: Verdict::WrongCode, .. }) => Outcome::Rejected,
            _ => Outcome::NotUsed,
        };
        self.report(outcome).await;
        let ran = ran?;
        match ran.lost {
            Some(why) if ran.exit == 0 => {
                Err(Problem::config(format!("the command ended with 0, but not all that it printed could be passed on: {why}"))
                    .hint("make room where the output goes, and look at what the command has done before you run it again"))
            }
            _ => Ok(ran.exit),
        }
    }

    /// Whether the command took codes by itself.
    fn used_by_next(&self) -> bool {
        matches!(&self.source, Some(Source::Asked { dispenser, .. }) if dispenser.handed() > self.given)
    }

    async fn report(&mut self, outcome: Outcome) {
        if let Some(Source::Asked { answer, .. }) = self.source.take() {
            answer.report(outcome).await;
        }
    }
}

impl Release for Running<'_> {
    async fn code(&mut self) -> Result<Option<CodeText>, Problem> {
        self.check_artifact().await?;
        match Running::code(self, true).await {
            Ok(code) => Ok(Some(code)),
            Err(problem) if problem.exit == Exit::Spent => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    async fn ask_again(&mut self) -> Result<CodeText, Problem> {
        let prepared = self.request.prepare(self.ui)?;
        // The code before this may have been a holder's.
        self.find_artifact().await?;
        // The phone takes no second request of this pairing while the first one is open.
        let used = self.used_by_next();
        self.report(if used { Outcome::Used } else { Outcome::Rejected }).await;
        self.ask(prepared).await?;
        // Steps that were issued before come first, even if they were not used.
        self.first_code().await
    }

    async fn run(&mut self, code: &CodeText) -> Result<Ran, Problem> {
        let (seed, name) = (self.request.name(), Text(&self.name));
        self.ui.tell(&Event::Running { seed, command: name }, &format!("running {} with the code", self.name));
        let (endpoint, source, child, signals) = (&mut self.endpoint, &mut self.source, &self.child, &mut self.signals);
        let meanwhile = async {
            if let Some(Source::Asked { answer, dispenser, .. }) = source {
                let serve = async {
                    match endpoint {
                        Some(endpoint) => endpoint.serve(dispenser).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::join!(answer.keep_alive(), serve);
            }
        };
        let ran = child.run(Some(code), signals, meanwhile).await?;
        let text = format!("the code of {seed} was given to {}, which {}", self.name, ran.how());
        self.ui.tell(&Event::Used { seed, command: Some(name), exit: Some(ran.exit) }, &text);
        // Whoever was told to end is not started again, whatever it had to say about its code.
        Ok(Ran { verdict: if self.signals.ended() { Verdict::Failed } else { ran.verdict }, ..ran })
    }

    fn say(&mut self, text: &str) {
        self.ui.say(&format!("{}: {text}", self.name));
    }

    fn hint(&mut self, text: &str) {
        self.ui.hint(text);
    }

    fn not_again(&mut self, problem: &Problem) {
        if self.ui.json {
            let hint = problem.hint.as_deref().map(Text);
            return self.ui.event(&Event::NotAgain { kind: problem.exit, message: Text(&problem.message), hint });
        }
        self.ui.problem(problem);
    }
}

/// The command without its folder and arguments: those may hold what is not for the log.
pub(super) fn command_name(command: &[OsString]) -> String {
    let name = command.first().map(|it| Path::new(it).file_name().unwrap_or(it).to_string_lossy());
    clean(&name.unwrap_or_default(), MAX_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_not_for_the_log() {
        assert_eq!(command_name(&["/usr/bin/np\u{1b}m".into(), "--token=x".into()]), "np\u{fffd}m");
    }
}
