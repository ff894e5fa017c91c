//! Where the tools are.

use std::path::{Path, PathBuf};

use countersign_tests::process::program;

/// How to get what is missing.
const INSTALL: &str = "tests/run installs it (npm install --prefix target/tools with the package.json of tests/tools, pip install -r tests/tools/requirements.txt)";

/// `target/tools`.
pub(crate) fn folder() -> PathBuf {
    program("countersign").ancestors().nth(2).unwrap().join("tools")
}

/// The pinned Node; the tools want another one than Debian's.
pub(crate) fn node() -> PathBuf {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    installed(format!("node_modules/node-linux-{architecture}/bin/node"))
}

/// A script of an installed package, such as `npm-12/bin/npm-cli.js`.
pub(crate) fn script(path: &str) -> PathBuf {
    installed(format!("node_modules/{path}"))
}

/// A program of the Python environment.
pub(crate) fn python(name: &str) -> PathBuf {
    installed(format!("python/bin/{name}"))
}

/// A file of `tests/tools`.
pub(crate) fn own(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(file)
}

fn installed(path: String) -> PathBuf {
    let path = folder().join(path);
    assert!(path.exists(), "{} is missing: {INSTALL}", path.display());
    path
}
