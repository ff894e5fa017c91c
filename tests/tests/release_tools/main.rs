//! The real release tools, run by `countersign exec` with real relay and phone, against servers that take each one-time code once (`tests/tools`).
//!
//! `tests/run` installs the tools, pinned, into `target/tools`; without them these tests fail and say so. Every wait in here ends with
//! [`PATIENCE`](countersign_tests::process::PATIENCE).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the harness prints what tests come to")]

#[macro_use]
#[path = "../../../ci-client/tests/live/harness.rs"]
mod harness;

mod aws;
mod changesets;
mod gem;
mod job;
mod lerna;
mod masking;
mod npm;
mod pnpm;
mod project;
mod semantic_release;
mod server;
mod ten_packages;
mod tools;
mod yarn;

/// How many run at once unless something else is said: half of the time they wait for a step, half they keep a core busy.
const AT_ONCE: usize = 5;

fn main() -> std::process::ExitCode {
    // The one that waits longest comes first.
    let tests = [
        ten_packages::tests(),
        lerna::tests(),
        changesets::tests(),
        npm::tests(),
        semantic_release::tests(),
        pnpm::tests(),
        yarn::tests(),
        gem::tests(),
        masking::tests(),
        aws::tests(),
    ];
    harness::run(tests.into_iter().flatten().collect(), AT_ONCE)
}
