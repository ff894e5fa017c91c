//! `countersign-relay`: see `countersign-relay --help` and docs/RELAY.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign_relay::run(std::env::args_os())
}
