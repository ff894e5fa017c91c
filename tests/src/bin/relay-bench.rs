//! `relay-bench`: what the relay costs, beside its rivals.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal: the result goes to stdout, everything else to stderr"
)]

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use countersign_relay::{Config, TlsFiles};
use countersign_tests::bench::{Plan, Row, Subject, raise_file_limit, run, serve_relay, serve_tcp};

/// The same as in `countersign-relay`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures countersign-relay beside a minimal TCP relay, haproxy and nginx, all in one run on loopback.
///
/// Server and load have a core each. Build it with --release; nothing else should run meanwhile. Takes about five minutes.
#[derive(Parser)]
#[command(
    name = "relay-bench",
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  cargo run --release -p countersign-tests --bin relay-bench\n  \
                  cargo run --release -p countersign-tests --bin relay-bench -- --json > figures.json\n  \
                  cargo run --release -p countersign-tests --bin relay-bench -- --only idle,p50 --servers ws,tcp\n\n\
                  docs/PERFORMANCE.md says how each row is measured."
)]
struct Args {
    /// Print one JSON object on standard output, and the table on standard error.
    #[arg(long)]
    json: bool,
    /// Everything once and hardly at all, within seconds: shows that it works, says nothing about speed.
    #[arg(long)]
    quick: bool,
    /// Measure only these rows
    #[arg(long, value_name = "ROWS", value_delimiter = ',')]
    only: Vec<Row>,
    /// Measure only these servers
    #[arg(long, value_name = "SERVERS", value_delimiter = ',')]
    servers: Vec<Subject>,
    /// How often what varies is measured; the median counts [default: 3, with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    #[command(subcommand)]
    serve: Option<Serve>,
}

/// The servers that are part of this program: each runs as a process of its own.
#[derive(Subcommand)]
enum Serve {
    /// The minimal TCP relay.
    #[command(hide = true)]
    ServeTcp,
    /// Our relay with the limits of a circuit lifted.
    #[command(hide = true)]
    ServeRelay {
        #[arg(long, requires = "tls_key")]
        tls_cert: Option<PathBuf>,
        #[arg(long, requires = "tls_cert")]
        tls_key: Option<PathBuf>,
    },
}

impl Args {
    fn plan(&self) -> Plan {
        let mut plan = if self.quick { Plan::quick() } else { Plan::full() };
        if !self.only.is_empty() {
            plan.rows.clone_from(&self.only);
        }
        if !self.servers.is_empty() {
            plan.subjects.retain(|subject| self.servers.contains(subject));
        }
        if let Some(rounds) = self.rounds {
            plan.rounds = rounds.into();
        }
        plan.within(raise_file_limit())
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let served = match args.serve {
        None => {
            measure(&args);
            Ok(())
        }
        Some(Serve::ServeTcp) => serve_tcp(|address| listening(&address.to_string())).map_err(|error| error.to_string()),
        Some(Serve::ServeRelay { tls_cert, tls_key }) => {
            let tls = tls_cert.zip(tls_key).map(|(cert, key)| TlsFiles { cert, key });
            let _ = raise_file_limit();
            serve_relay(Config { tls, ..Config::default() }, |relay| listening(relay.origin().origin()))
        }
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("relay-bench: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) {
    let report = run(&args.plan(), |what| eprintln!("relay-bench: {what}"));
    if args.json {
        eprintln!("\n{}", report.to_text());
        println!("{}", report.to_json());
    } else {
        eprintln!();
        print!("{}", report.to_text());
    }
}

/// What the harness waits for, as with `countersign-relay`.
fn listening(place: &str) {
    println!("listening on {place}");
    let _ = std::io::stdout().flush();
}
