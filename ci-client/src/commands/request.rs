//! What `code` and `exec` have in common: asking for codes of a seed.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use countersign_core::{
    ci::Ask,
    request::{Artefact, CodeText, MAX_MIN_LIFE, Operation, StepCode},
    text::{MAX_REASON, clean},
};

use super::{announce::Announcement, batch::Batch, step::Wait};
pub(super) use crate::mask::mask;
use crate::{
    ask::{Answer, Phone, ask},
    cli::{ConfigArg, KeyArg},
    codes::Dispenser,
    config::{Config, Seed, trust},
    duration::Timeout,
    event::Event,
    exit::Exit,
    keys,
    notify::{self, Facts, Notifier, Target},
    platform::hints_of_this_process,
    problem::Problem,
    signals::Signals,
    ui::Ui,
    waiting::Waiting,
};

/// How long a code may be on its way from the phone.
const ON_THE_WAY: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// Name of the seed in the configuration
    seed: String,
    /// Why the code is needed; shown on the phone, at most 120 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// How long to wait for the maintainer, 5s to 10m
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: Timeout,
    /// Ask this phone only
    #[arg(long, value_name = "NAME")]
    phone: Option<String>,
    /// Post to this chat webhook that an approval waits; @FILE for a file of URLs; may be repeated
    #[arg(long, value_name = "URL")]
    notify: Vec<String>,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
}

/// A request that can be made: everything on this machine has been checked.
pub(super) struct Prepared {
    pub(super) seed: Seed,
    pub(super) name: String,
    reason: String,
    timeout: Timeout,
    phones: Vec<Phone>,
    notify: Vec<Target>,
    /// The name of the command that will get the code.
    pub(super) command: Option<String>,
    /// What is about to be published.
    pub(super) artifact: Option<Artefact>,
}

impl RequestArgs {
    /// Name of the seed.
    pub(super) fn name(&self) -> &str {
        &self.seed
    }

    /// Where the configuration is.
    pub(super) fn config_path(&self) -> PathBuf {
        self.config.path()
    }

    /// The seed, for those who need no phone.
    pub(super) fn seed(&self, ui: Ui) -> Result<Seed, Problem> {
        self.seed_of(&self.config.load(ui)?)
    }

    fn seed_of(&self, config: &Config) -> Result<Seed, Problem> {
        let seed = config.seed(&self.seed)?;
        if !self.config.is_named() {
            trust::check(&self.config.path(), &seed.target)?;
        }
        Ok(seed.clone())
    }

    /// Reads and checks all that a request needs; may be called again for another one.
    pub(super) fn prepare(&self, ui: Ui) -> Result<Prepared, Problem> {
        let config = self.config.load(ui)?;
        let seed = self.seed_of(&config)?;
        let keys = keys::load(self.key.key_file.as_deref())?;
        let phones = keys::phones(&config, keys, self.phone.as_deref())?;
        let notify = notify::targets(&self.notify, ui);
        Ok(Prepared {
            notify,
            seed,
            name: self.seed.clone(),
            reason: self.reason.clone(),
            timeout: self.timeout,
            phones,
            command: None,
            artifact: None,
        })
    }
}

impl Prepared {
    /// Asks the phones.
    pub(super) async fn ask(self, batch: Batch, ui: Ui, signals: &mut Signals) -> Result<Answer, Problem> {
        let names: Vec<String> = self.phones.iter().map(|phone| phone.pairing.phone_name.clone()).collect();
        let hints = hints_of_this_process();
        let reason = batch.reason(&self.reason);
        if !reason.starts_with(&clean(&self.reason, self.reason.len())) {
            ui.say(&format!("warning: --reason is too long, the phone shows only the beginning of it ({MAX_REASON} characters at most)"));
        }
        Announcement {
            seed: &self.name,
            label: &self.seed.label,
            phones: &names,
            batch,
            reason: &reason,
            command: self.command.as_deref(),
            artifact: self.artifact.as_ref(),
            hints: &hints,
            timeout: self.timeout,
        }
        .say(ui);
        let mut waiting = Waiting::new(ui, names.len()).notifying(Notifier::new(self.notify, Facts::new(&self.name, &hints)));
        let request = Ask {
            sealed: Some(self.seed.sealed),
            codes: batch.steps,
            min_life: min_life(self.seed.target.min_life()),
            seed_name: self.name.clone(),
            reason,
            artefact: self.artifact,
            hints,
            ..Ask::new(Operation::Code, self.timeout.as_millis())
        };
        let asked = ask(self.phones, request, &mut waiting, signals.interrupted()).await;
        drop(waiting);
        let name = &self.name;
        let used_by = self.command.map(|command| format!(" for {command}")).unwrap_or_default();
        let answer = asked.map_err(|failure| {
            let problem = Problem::from(failure);
            ui.summary(&format!("Countersign: no code of {name}{used_by}: {}", problem.message));
            problem
        })?;
        let codes = answer.approval().map_or(0, |approval| approval.codes.len());
        ui.tell(&Event::Approved { phone: &answer.phone, seed: name, codes }, &format!("approved on {}", answer.phone));
        let what = if codes == 1 { "a code".to_owned() } else { format!("{codes} codes") };
        ui.summary(&format!("Countersign: {} approved {what} of {name}{used_by}", answer.phone));
        if codes < usize::from(batch.steps) {
            ui.say(&format!("{codes} of {} codes were allowed", batch.steps));
        }
        Ok(answer)
    }
}

/// What the phone is asked for, so that a code still lives for as long as `wanted` when it has come here.
fn min_life(wanted: Duration) -> u8 {
    if wanted.is_zero() { 0 } else { u8::try_from((wanted + ON_THE_WAY).as_secs()).map_or(MAX_MIN_LIFE, |life| life.min(MAX_MIN_LIFE)) }
}

/// Waits for a code, keeping the connection to the phone, until a signal comes.
pub(super) async fn take(
    dispenser: &Dispenser,
    min_life: Duration,
    fresh: bool,
    told: (&str, Ui),
    answer: &mut Answer,
    signals: &mut Signals,
) -> Result<CodeText, Problem> {
    let taken = async {
        let taken = if fresh { dispenser.take_fresh(min_life).await } else { dispenser.take(min_life).await };
        taken.map_err(Problem::from)
    };
    let wait = Wait { ui: told.1, seed: told.0, left: dispenser.opens_in(min_life), period: period(answer) };
    tokio::select! {
        taken = wait.told(taken) => taken,
        () = signals.interrupted() => Err(Problem::interrupted()),
        () = answer.keep_alive() => Err(Problem::interrupted()),
    }
}

/// [`mask`] for all codes of an answer.
pub(super) async fn mask_all(ui: Ui, answer: &Answer) {
    let codes = answer.approval().map(|approval| approval.codes.as_slice()).unwrap_or_default();
    mask(ui, codes.iter().map(|StepCode(_, code)| code)).await;
}

fn period(answer: &Answer) -> Option<Duration> {
    answer.approval().map(|approval| Duration::from_secs(approval.period))
}

/// Waits until the code of `step` is valid, or until `before` that, and tells about it.
///
/// # Errors
/// [`Exit::Interrupted`], or [`Exit::TimedOut`] if the time of the code is over.
pub(super) async fn wait_until_open(
    answer: &mut Answer,
    step: u64,
    before: Duration,
    told: (&str, Ui),
    signals: &mut Signals,
) -> Result<(), Problem> {
    let wait = Wait { ui: told.1, seed: told.0, left: answer.opens_in(step), period: period(answer) };
    tokio::select! {
        () = wait.told(answer.wait_until_opens_in(step, before)) => {}
        () = signals.interrupted() => return Err(Problem::interrupted()),
    }
    if answer.ends_in(step).is_zero() {
        return Err(Problem::new(Exit::TimedOut, "the approval came through too late: the time of its code is over")
            .hint("the connection was lost for too long; run the job again"));
    }
    Ok(())
}
