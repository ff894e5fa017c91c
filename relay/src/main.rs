//! `countersign-relay`: see `countersign-relay --help` and docs/RELAY.md.

use std::process::ExitCode;

/// Thousands of connections are many small pieces that come and go: it packs them more closely, and gives memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign_relay::use_small_pages();
    countersign_relay::run(std::env::args_os())
}
