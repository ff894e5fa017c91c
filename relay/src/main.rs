//! `countersign-relay`: runs a blind relay until SIGINT or SIGTERM.

mod args;
mod output;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use countersign_relay::{Relay, limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Thousands of connections are many small pieces that come and go: it packs them more closely, and gives memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let files = raise_file_limit();
    let mut config = args.config(output::log);
    let wanted = config.limits.max_connections;
    config.limits = config.limits.within_files(files);
    let allowed = config.limits.max_connections;
    // The default is for bigger machines: then it is no news.
    if allowed < wanted && wanted != limits::MAX_CONNECTIONS {
        output::log(&format!("{files} open files allow {allowed} connections; raise the hard limit (`ulimit -Hn`) for {wanted}"));
    }
    // One thread: the switch is one, and forwarding is cheap.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let stop = stop_signal().context("cannot listen for signals")?;
        let relay = Relay::bind(config).await?;
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

/// Every connection is a file descriptor; soft limits are often 1,024. Gives how many there may be.
fn raise_file_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = current == maximum || setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    // None: without limit.
    let files = if raised { maximum } else { current };
    files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
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
