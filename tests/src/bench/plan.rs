//! What a run measures, how much of it, and for how long.

use std::time::Duration;

use super::server::Subject;

/// A group of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// Resident memory of a connection that does nothing.
    Idle,
    /// 4 KiB round trips a second through 64 circuits.
    #[value(name = "rt4k")]
    RoundTrips,
    /// Median of a 1 KiB round trip on one circuit.
    #[value(name = "p50")]
    Latency,
    /// Whole opens a second.
    Opens,
    /// Processor time of phones that do nothing.
    Heartbeat,
    /// Memory with few and with many phones.
    Phones,
}

impl Row {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] = [Self::Idle, Self::RoundTrips, Self::Latency, Self::Opens, Self::Heartbeat, Self::Phones];
}

/// Files that both processes need besides connections.
const SPARE_FILES: usize = 400;

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Only these.
    pub rows: Vec<Row>,
    /// Only these servers.
    pub subjects: Vec<Subject>,
    /// How often what varies is measured; the servers take turns.
    pub rounds: usize,
    pub(super) quick: bool,
    pub(super) circuits: usize,
    pub(super) connections: usize,
    pub(super) large: usize,
    pub(super) opens_phones: usize,
    pub(super) warm_up: Duration,
    pub(super) time: Duration,
    pub(super) heartbeat: Duration,
    /// Most open files of a process.
    pub(super) files: usize,
}

impl Plan {
    /// The whole of it: some minutes.
    #[must_use]
    pub fn full() -> Self {
        Self {
            rows: Row::ALL.to_vec(),
            subjects: Subject::ALL.to_vec(),
            rounds: 3,
            quick: false,
            circuits: 64,
            connections: 10_000,
            large: 50_000,
            opens_phones: super::opens::PHONES,
            warm_up: Duration::from_millis(500),
            time: Duration::from_secs(4),
            heartbeat: Duration::from_secs(60),
            files: usize::MAX,
        }
    }

    /// Everything once and hardly at all: shows that it works, says nothing about speed or memory.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            rounds: 1,
            quick: true,
            connections: 200,
            large: 400,
            opens_phones: 50,
            warm_up: Duration::from_millis(50),
            time: Duration::from_millis(200),
            heartbeat: Duration::from_millis(500),
            ..Self::full()
        }
    }

    /// The same with no more than `files` open files a process.
    #[must_use]
    pub fn within(self, files: usize) -> Self {
        Self { files, ..self }
    }

    /// Connections that a server holds in the idle row.
    pub(super) fn connections(&self) -> usize {
        // The load holds all of them too: what goes through a proxy has both its ends there.
        self.connections.min(self.files.saturating_sub(SPARE_FILES)) / 2 * 2
    }

    /// Few phones and many.
    pub(super) fn phones(&self) -> (usize, usize) {
        let large = self.large.min(self.files.saturating_sub(SPARE_FILES));
        (large.min(self.connections / 2), large)
    }

    /// What had to be left smaller than planned, for people to know.
    pub(super) fn shortfalls(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let (_, large) = self.phones();
        if self.rows.contains(&Row::Phones) && large < self.large {
            notes.push(format!("{large} phones instead of {}: a process may have {} open files here (ulimit -Hn)", self.large, self.files));
        }
        let connections = self.connections();
        if self.rows.iter().any(|row| matches!(row, Row::Idle | Row::Heartbeat)) && connections < self.connections {
            notes.push(format!("{connections} connections instead of {}: the same limit", self.connections));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_into_the_files_there_are() {
        let plan = Plan::full().within(20_000);
        assert_eq!((plan.connections(), plan.phones()), (10_000, (5_000, 19_600)));
        assert_eq!(plan.shortfalls().len(), 1);
        let plan = Plan::full().within(1_025);
        assert_eq!((plan.connections(), plan.phones()), (624, (625, 625)));
        assert_eq!(plan.shortfalls().len(), 2);
        let plan = Plan::full().within(100_000);
        assert_eq!((plan.connections(), plan.phones()), (10_000, (5_000, 50_000)));
        assert!(plan.shortfalls().is_empty());
        assert_eq!(Plan::quick().within(1_024).phones(), (100, 400));
    }
}
