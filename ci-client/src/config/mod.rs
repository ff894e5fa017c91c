//! `countersign.toml`: the public part of every pairing, and the sealed seeds. It may be committed.

mod edit;
mod read;
pub(crate) mod trust;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::{ci::CiPairing, seed::SealedSeed};

pub use edit::Edit;

use crate::{
    files::{self, Access, cannot},
    problem::Problem,
    targets::{Profile, Targets},
};

/// Names another config than `countersign.toml` in the current folder.
pub const CONFIG_VARIABLE: &str = "COUNTERSIGN_CONFIG";
/// Where the config is unless something else is said.
pub const DEFAULT_CONFIG: &str = "countersign.toml";
/// Longest config, bytes.
const MAX_CONFIG: usize = 1024 * 1024;

/// A config that has been checked to the last byte.
#[derive(Debug, Default)]
pub struct Config {
    /// The paired phones, in the order of the file; their names differ.
    pub phones: Vec<CiPairing>,
    /// The targets: those of the program and of the file.
    pub targets: Targets,
    /// The seeds by name.
    pub seeds: BTreeMap<String, Seed>,
}

/// A sealed seed and what CI knows of it.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Opens on a phone only.
    pub sealed: SealedSeed,
    /// What the seed called itself when it was enrolled; for the reader of the file.
    pub label: String,
    /// What its codes are for.
    pub target: Arc<Profile>,
    /// How many codes `countersign code` asks for unless told otherwise.
    pub codes: u8,
}

impl Config {
    /// Reads the text of a config; `origin` names it in problems.
    ///
    /// # Errors
    /// [`Problem`] with the line and field.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Problem> {
        read::parse(origin, text)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let text = read_text(path)?;
        files::check_unshared(path)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// The phone of this name.
    ///
    /// # Errors
    /// [`Problem`] that lists the names there are.
    pub fn phone(&self, name: &str) -> Result<&CiPairing, Problem> {
        let found = self.phones.iter().find(|phone| phone.phone_name == name);
        found.ok_or_else(|| unknown("phone", name, self.phones.iter().map(|phone| phone.phone_name.as_str())))
    }

    /// The seed of this name.
    ///
    /// # Errors
    /// [`Problem`] that lists the names there are.
    pub fn seed(&self, name: &str) -> Result<&Seed, Problem> {
        self.seeds.get(name).ok_or_else(|| unknown("seed", name, self.seeds.keys().map(String::as_str)))
    }

    /// `name`, or `name-2` and so on if there is such a phone already.
    #[must_use]
    pub fn free_phone_name(&self, name: &str) -> String {
        let taken = |name: &str| self.phones.iter().any(|phone| phone.phone_name == name);
        let mut free = name.to_owned();
        let mut n = 2;
        while taken(&free) {
            let suffix = format!("-{n}");
            let short: String = name.chars().take(countersign_core::text::MAX_NAME - suffix.len()).collect();
            free = short + &suffix;
            n += 1;
        }
        free
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let known: Vec<&str> = known.collect();
    let problem = Problem::config(format!("the configuration has no {what} {name:?}"));
    match (known.is_empty(), what) {
        (false, _) => problem.hint(format!("it has: {}", known.join(", "))),
        (true, "seed") => problem.hint("`countersign enroll` adds one"),
        (true, _) => problem.hint("`countersign pair` adds one"),
    }
}

/// Whether `name` may be the name of a seed: 1 to 64 of `a-z 0-9 - _`.
#[must_use]
pub fn is_seed_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// Whether somebody says which file it is.
#[must_use]
pub(crate) fn is_named(argument: Option<&Path>) -> bool {
    argument.is_some() || std::env::var_os(CONFIG_VARIABLE).is_some_and(|value| !value.is_empty())
}

/// The config to use: the argument, else `COUNTERSIGN_CONFIG`, else `countersign.toml`.
#[must_use]
pub fn locate(argument: Option<&Path>) -> PathBuf {
    let variable = || std::env::var_os(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    argument.map(Path::to_owned).or_else(variable).unwrap_or_else(|| DEFAULT_CONFIG.into())
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let file = std::fs::File::open(path).map_err(|error| {
        let problem = cannot("read", path, &error);
        if error.kind() == std::io::ErrorKind::NotFound {
            return problem.hint("`countersign pair` makes it; --config or COUNTERSIGN_CONFIG name another place");
        }
        problem
    })?;
    let bytes = files::read_limited(file, MAX_CONFIG).map_err(|error| cannot("read", path, &error))?;
    let bytes = bytes.ok_or_else(|| Problem::config(format!("{} is too long for a configuration", path.display())))?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Problem::config(format!("{} is not UTF-8 text", path.display())).hint("name the configuration with --config"))
}

/// Changes a config file; the reader's comments and formatting stay. A file that does not exist is made.
pub(crate) fn change(path: &Path, edit: impl FnOnce(&mut Edit) -> Result<(), Problem>) -> Result<(), Problem> {
    let old = if path.exists() { Some(read_text(path)?) } else { None };
    let origin = path.display().to_string();
    let mut document = Edit::new(&origin, old.as_deref())?;
    edit(&mut document)?;
    let new = document.to_text();
    // What is written can be read again.
    Config::parse(&origin, &new)?;
    files::replace(path, new.as_bytes(), Access::Public)
}
