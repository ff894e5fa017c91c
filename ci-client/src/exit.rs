//! The exit codes, in one table: `--help` and docs/CLI.md list the same.

/// How a command failed, as a number for scripts; with `--json` also by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[non_exhaustive]
pub enum Exit {
    /// The command after `--` exists and can't be started.
    NotExecutable = 126,
    /// There is no such command.
    NotFound = 127,
    /// Ctrl-C, or a signal while waiting.
    Interrupted = 130,
    /// The human said no.
    Denied = 200,
    /// Nobody answered in time.
    TimedOut = 201,
    /// The number that was typed is not that of this request.
    WrongNumber = 202,
    /// The phone was away or busy all the time.
    PhoneNotReached = 203,
    /// No connection to the relay.
    RelayNotReached = 204,
    /// The phone's policy says no without asking.
    Refused = 205,
    /// Somebody is not who they should be, or breaks the protocol.
    Protocol = 206,
    /// Configuration, key, arguments, files.
    BadConfig = 207,
    /// More than 90 s between the clocks.
    Clock = 208,
    /// The phone could not open the seed or save.
    PhoneFailed = 209,
    /// More codes were asked for than were approved, or their time is over.
    Spent = 210,
    /// Another holder, or another process on that port or socket.
    InUse = 211,
    /// Not what the human approved any more.
    ArtifactChanged = 212,
}

/// Every code and what it means, in the order of the numbers.
pub const EXITS: &[(Exit, &str)] = &[
    (Exit::NotExecutable, "the command after -- cannot be executed"),
    (Exit::NotFound, "the command after -- was not found"),
    (Exit::Interrupted, "interrupted (Ctrl-C, SIGTERM, SIGHUP)"),
    (Exit::Denied, "the maintainer denied the request"),
    (Exit::TimedOut, "nobody approved in time"),
    (Exit::WrongNumber, "a wrong match number was typed"),
    (Exit::PhoneNotReached, "the phone was not reached, or was busy all the time"),
    (Exit::RelayNotReached, "the relay was not reached"),
    (Exit::Refused, "refused by the phone's policy: no right to the seed, unknown seed, pairing taken back"),
    (Exit::Protocol, "authentication or protocol failure"),
    (Exit::BadConfig, "bad configuration: arguments, config, key, sealed seed, otpauth URI, files"),
    (Exit::Clock, "the clocks of this machine and the phone are too far apart"),
    (Exit::PhoneFailed, "the phone failed: could not open the seed or save"),
    (Exit::Spent, "no code is left: more were asked for than approved, or their time is over"),
    (Exit::InUse, "in use: another holder has this seed, or another process the port or socket"),
    (Exit::ArtifactChanged, "what is to be published changed after it was approved"),
];

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// The table as the help shows it.
pub(crate) fn table() -> String {
    let rows = EXITS.iter().map(|(exit, meaning)| format!("  {:<3}  {meaning}\n", exit.code()));
    std::iter::once("Exit codes:\n  0    success; exec: whatever the command exits with\n".to_owned()).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/CLI.md has a row `| code | meaning |` for each exit, and no other.
    #[test]
    fn the_documentation_lists_the_same() {
        let text = include_str!("../../docs/CLI.md");
        let section = text.split("## Exit codes").nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows: Vec<(u8, String)> = section
            .lines()
            .filter_map(|line| {
                let mut cells = line.trim_matches('|').split('|').map(str::trim);
                Some((cells.next()?.parse().ok()?, cells.next()?.to_owned()))
            })
            .filter(|(code, _)| *code != 0)
            .collect();
        let listed: Vec<(u8, String)> = EXITS.iter().map(|(exit, meaning)| (exit.code(), (*meaning).to_owned())).collect();
        assert_eq!(rows, listed);
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(EXITS.is_sorted_by_key(|(exit, _)| exit.code()));
    }
}
