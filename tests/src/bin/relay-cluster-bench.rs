//! `relay-cluster-bench`: what a second relay costs.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal: the result goes to stdout, everything else to stderr"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use countersign_tests::bench::{Figures, measure_cluster, serve_cluster};

/// The same as in `countersign-relay`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures round trips and opens through one relay, and through two that are joined by NATS: with both ends on one of them, and with an end on each.
///
/// All servers have one core, the load another. Build it with --release; nothing else should run meanwhile. Takes a minute.
#[derive(Parser)]
#[command(
    name = "relay-cluster-bench",
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  cargo run --release -p countersign-tests --bin relay-cluster-bench\n\ndocs/RELAY.md has the figures."
)]
struct Args {
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    serve: Option<Serve>,
}

#[derive(Subcommand)]
enum Serve {
    /// A relay, for the benchmark's own use.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        nats: Option<String>,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Serve::Serve { nats }) = args.serve {
        return match serve_cluster(nats.as_deref(), |address| println!("listening on {address}")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => {
                eprintln!("relay-cluster-bench: {problem}");
                ExitCode::FAILURE
            }
        };
    }
    let [one, same, two] = measure_cluster();
    if args.json {
        println!("{{\"one\": {}, \"two_same\": {}, \"two\": {}}}", json(one), json(same), json(two));
        return ExitCode::SUCCESS;
    }
    println!(
        "round trips of 1 KiB\n\n{:<26}{:>9}{:>9}{:>12}{:>14}{:>14}{:>12}{:>14}{:>13}",
        "", "p50 us", "p99 us", "rt/s (1)", "rt/s (64)", "p50 us (64)", "open us", "relay ms/1k", "nats ms/1k"
    );
    for (name, figures) in [("one relay", one), ("two, both ends on one", same), ("two, an end on each", two)] {
        let Figures { p50_1k, p99_1k, rt1k_1, rt1k_64, p50_1k_64, open_p50, relay_cpu, nats_cpu } = figures;
        println!(
            "{name:<26}{p50_1k:>9}{p99_1k:>9}{rt1k_1:>12.0}{rt1k_64:>14.0}{p50_1k_64:>14}{open_p50:>12}{relay_cpu:>14.1}{nats_cpu:>13.1}"
        );
    }
    ExitCode::SUCCESS
}

fn json(figures: Figures) -> String {
    let Figures { p50_1k, p99_1k, rt1k_1, rt1k_64, p50_1k_64, open_p50, relay_cpu, nats_cpu } = figures;
    format!(
        "{{\"p50_1k\": {p50_1k}, \"p99_1k\": {p99_1k}, \"rt1k_1\": {rt1k_1:.0}, \"rt1k_64\": {rt1k_64:.0}, \"p50_1k_64\": {p50_1k_64}, \
         \"open_p50\": {open_p50}, \"relay_cpu_ms_per_1000\": {relay_cpu:.1}, \"nats_cpu_ms_per_1000\": {nats_cpu:.1}}}"
    )
}
