//! `countersign doctor`

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use countersign_core::{
    ci::{Ask, CiPairing, Finished},
    request::{MatchNumber, Operation, Outcome},
};
use countersign_link::{Clock, Link};
use serde_json::{Value, json};

use super::listen;
use crate::{
    ask::{Note, Phone, Progress, ask},
    cli::{ConfigArg, KeyArg},
    driver::chain,
    duration::Timeout,
    exit::Exit,
    keys,
    problem::Problem,
    redact::redact,
    ui::Ui,
};

/// Seconds that the clocks may differ without a word; at 90 the phone refuses.
const QUIET_DIFFERENCE: u64 = 30;

/// Checks configuration, key, relay, phone and clocks; nobody is asked for anything
///
/// Exits with the code of the first problem.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  COUNTERSIGN_KEY_FILE=ci.key countersign doctor")]
pub(crate) struct DoctorArgs {
    /// How long to wait for a phone, 5s to 10m
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: Timeout,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
}

/// Prints what was found, and remembers the first problem.
struct Report {
    ui: Ui,
    first: Option<Exit>,
    /// For programs: printed at the end, whole.
    checks: Vec<Value>,
}

impl Report {
    fn ok(&mut self, what: &str) -> Result<(), Problem> {
        if self.ui.json {
            self.checks.push(json!({ "ok": true, "what": what }));
            return Ok(());
        }
        self.ui.print(&format!("ok       {what}"))
    }

    fn problem(&mut self, problem: &Problem) -> Result<(), Problem> {
        self.first = self.first.or(Some(problem.exit));
        if self.ui.json {
            let hint = problem.hint.as_deref();
            let what = redact(&problem.message);
            self.checks.push(json!({ "ok": false, "what": what, "hint": hint, "exit": problem.exit.code(), "kind": problem.exit }));
            return Ok(());
        }
        self.ui.print(&redact(&format!("problem  {}", problem.message)))?;
        problem.hint.as_ref().map_or(Ok(()), |hint| self.ui.print(&format!("         hint: {hint}")))
    }

    fn code(&self) -> u8 {
        self.first.map_or(0, Exit::code)
    }

    fn end(self) -> Result<u8, Problem> {
        if self.ui.json {
            self.ui.print_json(&self.checks.as_slice().into())?;
        }
        Ok(self.code())
    }
}

pub(crate) async fn run(args: DoctorArgs, ui: Ui) -> Result<u8, Problem> {
    let mut signals = listen()?;
    tokio::select! {
        code = examine(args, ui) => code,
        () = signals.interrupted() => Err(Problem::interrupted()),
    }
}

async fn examine(args: DoctorArgs, ui: Ui) -> Result<u8, Problem> {
    let mut report = Report { ui, first: None, checks: Vec::new() };
    let path = args.config.path();
    let config = match args.config.load(ui) {
        Ok(config) => config,
        Err(problem) => {
            report.problem(&problem)?;
            return report.end();
        }
    };
    report.ok(&format!("configuration {}: phones {}, seeds {}", path.display(), config.phones.len(), config.seeds.len()))?;
    let phones = keys::load(args.key.key_file.as_deref()).and_then(|keys| {
        let given = keys.len();
        keys::phones(&config, keys, None).map(|phones| (given, phones))
    });
    let phones = match phones {
        Ok((given, phones)) => {
            let names: Vec<&str> = phones.iter().map(|phone| phone.pairing.phone_name.as_str()).collect();
            report.ok(&format!("key for {}", names.join(", ")))?;
            if given > phones.len() {
                let stale = Problem::config(format!("keys that belong to no phone of the configuration: {}", given - phones.len()));
                report.problem(&stale.hint("remove them"))?;
            }
            phones
        }
        Err(problem) => {
            report.problem(&problem)?;
            Vec::new()
        }
    };
    let reached = relays(&config.phones, &mut report).await?;
    for phone in phones {
        if reached.get(phone.pairing.relay.origin()).copied().unwrap_or(false) {
            ping(phone, args.timeout, &mut report).await?;
        }
    }
    report.end()
}

/// Whether each relay can be reached.
async fn relays(phones: &[CiPairing], report: &mut Report) -> Result<BTreeMap<String, bool>, Problem> {
    let mut reached = BTreeMap::new();
    for relay in phones.iter().map(|phone| &phone.relay) {
        if reached.contains_key(relay.origin()) {
            continue;
        }
        let connected = match Link::connect(relay).await {
            Ok((link, _)) => {
                link.close().await;
                report.ok(&format!("relay {relay}"))?;
                true
            }
            Err(error) => {
                let problem = Problem::new(Exit::RelayNotReached, format!("relay {relay}: {}", chain(&error)));
                report.problem(&problem.hint("check this machine's network and firewall, and whether the relay runs"))?;
                false
            }
        };
        reached.insert(relay.origin().to_owned(), connected);
    }
    Ok(reached)
}

async fn ping(phone: Phone, timeout: Timeout, report: &mut Report) -> Result<(), Problem> {
    let name = phone.pairing.phone_name.clone();
    let answer = match ask(vec![phone], Ask::new(Operation::Ping, timeout.as_millis()), &mut Silent, std::future::pending()).await {
        Ok(answer) => answer,
        Err(failure) => return report.problem(&failure.into()),
    };
    let phone_now = if let Finished::Pong { phone_now } = answer.finished { Some(phone_now) } else { None };
    answer.report(Outcome::NotUsed).await;
    report.ok(&format!("phone {name}"))?;
    let now = Clock::start().now().unix;
    match phone_now.map(|phone_now| phone_now.abs_diff(now)) {
        Some(apart) if apart > QUIET_DIFFERENCE => {
            let problem = Problem::new(Exit::Clock, format!("the clocks of {name} and of this machine are {apart} seconds apart"));
            report.problem(&problem.hint("set the clock that is wrong; over 90 seconds the phone refuses"))
        }
        Some(apart) => report.ok(&format!("clocks: {name} and this machine are {apart} s apart")),
        None => Ok(()),
    }
}

/// A ping shows nothing.
struct Silent;

impl Progress for Silent {
    fn number(&mut self, _: &str, _: &MatchNumber) {}
    fn note(&mut self, _: &str, _: &Note) {}
    fn waiting(&mut self, _: Duration) {}
}
