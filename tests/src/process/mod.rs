//! The real programs as processes on loopback sockets: built once, driven by what they print, never by waiting a fixed time.

mod child;
mod front;
mod nats;
mod phone;
mod relay;
mod setting;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

pub use child::{Ended, Running};
pub use front::Front;
pub use nats::NatsServer;
pub use phone::PhoneFolder;
pub use relay::RelayProcess;
pub use setting::{Setting, URI};

/// Longest that anything in these tests may take, seconds; only a hang gets there.
pub const PATIENCE: u64 = 90;

/// An address of loopback that nobody else uses: the tests run side by side, and ports that are free may be taken a moment later.
#[must_use]
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 100 + NEXT.fetch_add(1, Ordering::Relaxed), high, low], 7700))
}

/// Where a program of the workspace is. All of them are built, once per test program, with the profile of the tests.
///
/// # Panics
/// If they do not build.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| build(&["-p", "countersign", "-p", "countersign-relay", "-p", "countersign-phone", "--bins"])).join(name)
}

/// Where the relay is, for who needs no other program.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn relay_program() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    // Selected together with the benchmark, which runs and so is built, it is made of the very libraries that are there: link-time
    // optimisation wants them in another form for another selection, and all would be built again.
    FOLDER
        .get_or_init(|| {
            build(&["-p", "countersign-relay", "-p", "countersign-tests", "--bin", "countersign-relay", "--bin", "relay-bench"])
        })
        .join("countersign-relay")
}

/// Builds these programs and gives the folder they are in.
fn build(programs: &[&str]) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().find(|folder| folder.join("deps").is_dir()).unwrap().to_path_buf();
    let profile = if folder.ends_with("release") { "release" } else { "dev" };
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells a test about its package looks like a change to build scripts: they would run again, and all that hangs on them.
    for (name, _) in std::env::vars_os() {
        let told = name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if told {
            cargo.env_remove(name);
        }
    }
    let status = cargo
        .args(["build", "--quiet", "--locked", "--profile", profile])
        .args(programs)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "the programs do not build");
    folder
}
