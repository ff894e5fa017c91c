//! The exit codes, in one table: `--help` and docs/RELAY.md list the same.

use std::process::ExitCode;

/// How the program ended, as a number for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Exit {
    /// It ran and was stopped; `check`: nothing is wrong.
    Success = 0,
    /// It could not do its work: the address is in use or not allowed.
    Failed = 1,
    /// Something the operator wrote has to be changed.
    BadConfig = 2,
    /// `check`: it works, and something is odd.
    Warned = 3,
}

/// Every code and what it means, in the order of the numbers.
pub const EXITS: &[(Exit, &str)] = &[
    (Exit::Success, "stopped when told to; check: the configuration is sound"),
    (Exit::Failed, "cannot listen on an address, or cannot start"),
    (Exit::BadConfig, "bad arguments, environment, configuration or certificate, or a limit of open files that is too low"),
    (Exit::Warned, "check: the configuration works, but look at the warnings"),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// The table as the help shows it.
pub(super) fn table() -> String {
    let rows = EXITS.iter().map(|(exit, meaning)| format!("  {}  {meaning}\n", *exit as u8));
    std::iter::once("Exit codes:\n".to_owned()).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/RELAY.md has a row `| code | meaning |` for each exit, and no other.
    #[test]
    fn the_documentation_lists_the_same() {
        let text = include_str!("../../../docs/RELAY.md");
        let section = text.split("\n### Exit codes\n").nth(1).unwrap().split("\n#").next().unwrap();
        let rows: Vec<(u8, &str)> = section
            .lines()
            .filter_map(|line| {
                let mut cells = line.trim_matches('|').split('|').map(str::trim);
                Some((cells.next()?.parse().ok()?, cells.next()?))
            })
            .collect();
        let listed: Vec<(u8, &str)> = EXITS.iter().map(|(exit, meaning)| (*exit as u8, *meaning)).collect();
        assert_eq!(rows, listed);
        assert!(EXITS.is_sorted_by_key(|(exit, _)| *exit));
    }
}
