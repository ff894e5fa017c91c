//! Measures the relay beside a minimal TCP relay, haproxy and nginx: memory, throughput, latency, opens, heartbeats.
//!
//! [`run`] does what a [`Plan`] says and gives a [`Report`]; the program `relay-bench` is a thin shell around it, and what
//! [`serve_tcp`] and [`serve_relay`] run in. How it is measured, and why so: docs/PERFORMANCE.md.

mod certificate;
mod cluster;
mod cores;
mod ends;
mod heartbeat;
mod idle;
mod lifted;
mod net;
mod opens;
mod plan;
mod proxies;
mod report;
mod round_trips;
mod server;
mod statistics;
mod table;
mod tcp_relay;
mod usage;
mod wire;

pub use cluster::{Figures, measure as measure_cluster, serve as serve_cluster};
pub use cores::Cores;
pub use heartbeat::Heartbeat;
pub use idle::Idle;
pub use lifted::serve as serve_relay;
pub use opens::Opens;
pub use plan::{Plan, Row};
pub use proxies::find as find_program;
pub use report::{Growth, Report};
pub use round_trips::RoundTrips;
pub use server::Subject;
pub use statistics::Series;
pub use tcp_relay::serve as serve_tcp;
pub use usage::Shares;

use server::Yard;

/// Sizes of the messages that go round.
const THROUGHPUT: usize = 4096;
const LATENCY: usize = 1024;

/// Raises the soft limit of open files to the hard one, for this process and all it starts; gives it.
#[must_use]
pub fn raise_file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let limit = if raised { maximum } else { current };
    limit.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// Measures. `progress` is told what comes next.
#[must_use]
pub fn run(plan: &Plan, progress: impl Fn(&str)) -> Report {
    let mut report = Report { notes: notes(plan), ..Report::default() };
    progress("building countersign-relay");
    // Not on the load's core yet: a compiler may have them all.
    let _ = crate::process::relay_program();
    let cores = Cores::choose();
    cores.pin_load();
    report.cores = Some(cores);
    if cores.server == cores.load {
        report.notes.push("there is one core only: server and load share it, and all figures are too low".to_owned());
    }
    let subjects = present(plan, &mut report);
    let yard = Yard::new(cores);
    let has = |row| plan.rows.contains(&row);
    for round in 1..=plan.rounds {
        let rounds = plan.rounds;
        for subject in &subjects {
            if has(Row::Idle) {
                let connections = plan.connections();
                progress(&format!("memory of {connections} connections, round {round} of {rounds}: {subject}"));
                report.idle.entry(*subject).or_default().push(idle::measure(&yard, *subject, connections));
            }
        }
        for subject in &subjects {
            if has(Row::RoundTrips) {
                progress(&format!("4 KiB round trips, round {round} of {rounds}: {subject}"));
                let measured = round_trips::measure(&yard, *subject, plan.circuits, THROUGHPUT, plan.warm_up, plan.time);
                report.round_trips.entry(*subject).or_default().push(measured);
            }
        }
        for subject in &subjects {
            if has(Row::Latency) {
                progress(&format!("1 KiB round trips on one circuit, round {round} of {rounds}: {subject}"));
                let measured = round_trips::measure(&yard, *subject, 1, LATENCY, plan.warm_up, plan.time / 2);
                report.latency.entry(*subject).or_default().push(measured);
            }
        }
        for subject in subjects.iter().filter(|subject| subject.is_ours()) {
            if has(Row::Opens) {
                progress(&format!("whole opens, round {round} of {rounds}: {subject}"));
                let measured = opens::measure(&yard, *subject == Subject::Wss, plan.opens_phones, plan.warm_up, plan.time);
                report.opens.entry(*subject).or_default().push(measured);
            }
        }
    }
    if has(Row::Phones) && subjects.contains(&Subject::Ws) {
        let (small, large) = plan.phones();
        progress(&format!("memory of {small} and of {large} phones"));
        let (small_cost, large_cost) = idle::growth(&yard, small, large);
        report.growth = Some(Growth { small, small_cost, large, large_cost });
    }
    if has(Row::Heartbeat) && subjects.contains(&Subject::Ws) {
        let phones = plan.connections();
        progress(&format!("heartbeats of {phones} phones for {} s", plan.heartbeat.as_secs_f64()));
        report.heartbeat = Some(heartbeat::measure(&yard, phones, plan.heartbeat));
    }
    let doubts = report.doubts();
    report.notes.extend(doubts);
    let waited: usize = report.opens.values().flatten().map(|opens| opens.waited).sum();
    if waited > 0 {
        report.notes.push(format!("{waited} opens waited for a phone that had been given its share of first messages in that second"));
    }
    report
}

/// The subjects of a plan that are there; the others are told.
fn present(plan: &Plan, report: &mut Report) -> Vec<Subject> {
    let mut subjects = plan.subjects.clone();
    subjects.retain(|subject| match subject.missing() {
        None => true,
        Some(missing) => {
            if !report.skipped.contains(&missing) {
                report.skipped.push(missing);
            }
            false
        }
    });
    subjects
}

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = plan.shortfalls();
    let measures = |row| plan.rows.contains(&row) && plan.subjects.iter().any(|subject| subject.is_ours());
    if cfg!(debug_assertions) {
        notes.push("built without optimisation: no figure means anything (cargo run --release)".to_owned());
    }
    if plan.quick {
        notes.push("a quick run: it shows that everything works, no figure means anything".to_owned());
    }
    if measures(Row::RoundTrips) || measures(Row::Latency) {
        notes.push(
            "round trips of countersign-relay run through the same library with the limits of a circuit (64 messages, 64 KiB) lifted; all \
             other rows through the program as it is, with the limits per address lifted"
                .to_owned(),
        );
    }
    notes
}
