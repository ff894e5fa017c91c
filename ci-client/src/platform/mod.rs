//! The CI platform that runs us: what it says about the job, and what its log can do.
//!
//! The crates that detect platforms were looked at: `ci_info` 0.14 tells name, branch and pull request, `ci_env` 0.5 branch and commit, `is_ci` yes
//! or no. None gives repository, link to the run, actor and workflow, which the phone is to show, so the table in `known.rs` is our own. It is data.

mod dialect;
mod escape;
mod hints;
mod known;
mod summary;

pub use dialect::{Dialect, Masking};
pub(crate) use summary::append as append_summary;

/// A platform: recognised by a variable; each hint has templates with `{VARIABLE}`s, of which the first counts that has all of its variables set.
#[derive(Debug, PartialEq, Eq)]
pub struct Platform {
    /// As people call it.
    pub name: &'static str,
    /// How its log is written.
    pub dialect: Dialect,
    variable: &'static str,
    repository: &'static [&'static str],
    reference: &'static [&'static str],
    commit: &'static [&'static str],
    workflow: &'static [&'static str],
    run_url: &'static [&'static str],
    actor: &'static [&'static str],
}

impl Platform {
    /// The platform whose variables `variable` knows, mostly [`std::env::var`].
    #[must_use]
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<&'static Self> {
        known::PLATFORMS.iter().find(|platform| variable(platform.variable).is_some_and(|value| !value.is_empty()))
    }

    /// The platform of this process.
    #[must_use]
    pub fn of_this_process() -> Option<&'static Self> {
        Self::detect(environment)
    }
}

/// Whether this value of the variable `CI` says that nobody sits at a terminal.
pub(crate) fn is_ci(value: Option<&std::ffi::OsStr>) -> bool {
    value.is_some_and(|value| !["", "0", "false"].iter().any(|no| value == *no))
}

/// A variable of this process, if it is text.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the platform of this process says about the job; empty without one.
pub(crate) fn hints_of_this_process() -> countersign_core::request::Hints {
    Platform::of_this_process().map(|platform| platform.hints(environment)).unwrap_or_default()
}
