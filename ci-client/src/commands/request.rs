//! What `code` and `exec` have in common: asking for codes of a seed.

use std::time::Duration;

use clap::Args;
use countersign_core::{
    ci::Ask,
    request::{CodeText, Operation},
    text::{MAX_REASON, clean},
};

use crate::{
    ask::{Answer, Phone, ask},
    cli::{ConfigArg, KeyArg},
    config::{Config, Seed},
    duration::{Left, Timeout},
    exit::Exit,
    hints::hints,
    keys,
    problem::Problem,
    signals::Signals,
    ui::Ui,
    waiting::Waiting,
};

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
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
}

/// A request that can be made: everything on this machine has been checked.
pub(super) struct Prepared {
    pub(super) seed: Seed,
    name: String,
    reason: String,
    timeout: Timeout,
    phones: Vec<Phone>,
}

impl RequestArgs {
    pub(super) fn prepare(self) -> Result<Prepared, Problem> {
        let config = Config::load(&self.config.path())?;
        let seed = config.seed(&self.seed)?.clone();
        let keys = keys::load(self.key.key_file.as_deref())?;
        let phones = keys::phones(&config, keys, self.phone.as_deref())?;
        Ok(Prepared { seed, name: self.seed, reason: clean(&self.reason, MAX_REASON), timeout: self.timeout, phones })
    }
}

impl Prepared {
    /// Asks the phones.
    pub(super) async fn ask(self, codes: u8, ui: Ui, signals: &mut Signals) -> Result<Answer, Problem> {
        let names: Vec<&str> = self.phones.iter().map(|phone| phone.pairing.phone_name.as_str()).collect();
        let what = if codes == 1 { "a code".to_owned() } else { format!("{codes} codes") };
        let label = if self.seed.label.is_empty() { String::new() } else { format!(" ({})", self.seed.label) };
        ui.say(&format!("asking {} for {what} of {}{label}", names.join(", "), self.name));
        if !self.reason.is_empty() {
            ui.say(&format!("reason: {}", self.reason));
        }
        let mut waiting = Waiting::new(ui, names.len());
        let request = Ask {
            sealed: Some(self.seed.sealed),
            codes,
            seed_name: self.name,
            reason: self.reason,
            hints: hints(|name| std::env::var(name).ok()),
            ..Ask::new(Operation::Code, self.timeout.as_millis())
        };
        let answer = ask(self.phones, request, &mut waiting, signals.interrupted()).await?;
        drop(waiting);
        ui.say(&format!("approved on {}", answer.phone));
        Ok(answer)
    }
}

/// Waits until the code of `step` is valid.
///
/// # Errors
/// [`Exit::Interrupted`], or [`Exit::TimedOut`] if the time of the code is over.
pub(super) async fn wait_until_open(answer: &mut Answer, step: u64, ui: Ui, signals: &mut Signals) -> Result<(), Problem> {
    let left = answer.opens_in(step);
    if left > Duration::from_secs(1) {
        ui.say(&format!("the code is of the next step of time: waiting {} for it to begin", Left(left)));
    }
    tokio::select! {
        () = answer.wait_until_open(step) => {}
        () = signals.interrupted() => return Err(Problem::interrupted()),
    }
    if answer.ends_in(step).is_zero() {
        return Err(Problem::new(Exit::TimedOut, "the approval came through too late: the time of its code is over")
            .hint("the connection was lost for too long; run the job again"));
    }
    Ok(())
}

/// Tells the platform to keep a code out of its log, before it can appear there.
///
/// GitHub's runner reads commands from both streams of a step; standard output belongs to whoever asked for the code.
pub(super) fn mask(ui: Ui, code: &CodeText) {
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        // The runner takes the line out of the log.
        ui.raw(&format!("::add-mask::{}", code.expose()));
    }
}
