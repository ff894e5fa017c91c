//! `countersign-relay`: runs a blind relay until SIGINT or SIGTERM.

mod args;
mod output;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use countersign_relay::Relay;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() -> ExitCode {
    match run(args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::log(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: args::Args) -> anyhow::Result<()> {
    raise_file_limit();
    // One thread: the switch is one, and forwarding is cheap.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let stop = stop_signal().context("cannot listen for signals")?;
        let relay = Relay::bind(args.config(output::log)?).await?;
        output::listening(relay.origin().origin());
        relay
            .serve(async {
                stop.await;
                output::log("shutting down");
            })
            .await;
        Ok(())
    })
}

/// Every connection is a file descriptor; soft limits are often 1,024.
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        output::log("cannot raise the limit of open files; `ulimit -n` says how many connections there can be");
    }
}

#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
