//! What a process uses: resident memory and processor time, as Linux tells it in `/proc`.

use std::{
    fs,
    time::{Duration, Instant},
};

/// How often memory is looked at until it has settled.
const LOOK: Duration = Duration::from_millis(100);
/// For how many looks it has to stay the same.
const STEADY_LOOKS: usize = 8;
/// For how many looks it may take; then the last one counts.
const MOST_LOOKS: usize = 100;

/// Resident memory, in bytes.
///
/// # Panics
/// If the process is gone.
pub(super) fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the server runs");
    parse_resident(&text).expect("smaps_rollup has Rss")
}

/// Resident memory once it does not change any more, in bytes. `pause` is what to do in the meantime.
pub(super) fn settled(pid: u32, pause: impl FnMut(Duration)) -> u64 {
    steady(|| resident(pid), pause)
}

fn steady(mut look: impl FnMut() -> u64, mut pause: impl FnMut(Duration)) -> u64 {
    let (mut last, mut same) = (look(), 0);
    for _ in 0..MOST_LOOKS {
        pause(LOOK);
        let now = look();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        if same == STEADY_LOOKS {
            break;
        }
    }
    last
}

fn parse_resident(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Time on a core of all threads of a process since it started; threads that have ended are not counted.
///
/// # Panics
/// If the process is gone, or the kernel keeps no such statistics.
pub(super) fn processor_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .map(|text| parse_schedstat(&text).expect("the kernel keeps scheduler statistics"))
        .sum()
}

/// The first number: nanoseconds on a core.
fn parse_schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// What server and load used between two moments, as shares of a core.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shares {
    /// The process under test.
    pub server: f64,
    /// This process.
    pub load: f64,
}

/// A running measurement of [`Shares`].
pub(super) struct Clock {
    pid: u32,
    server: Duration,
    load: Duration,
    start: Instant,
}

impl Clock {
    pub(super) fn start(pid: u32) -> Self {
        Self { pid, server: processor_time(pid), load: processor_time(std::process::id()), start: Instant::now() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn shares(&self) -> Shares {
        let time = self.elapsed().as_secs_f64();
        let share = |pid, before| processor_time(pid).saturating_sub(before).as_secs_f64() / time;
        Shares { server: share(self.pid, self.server), load: share(std::process::id(), self.load) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaps_rollup() {
        let text = "55e5acb3d000-7ffd08357000 ---p 00000000 00:00 0    [rollup]\nRss:               13540 kB\nPss:   12246 kB\n";
        assert_eq!(parse_resident(text), Some(13540 * 1024));
        assert_eq!(parse_resident("Pss: 12 kB\n"), None);
        assert_eq!(parse_resident("Rss: many kB\n"), None);
    }

    #[test]
    fn schedstat() {
        assert_eq!(parse_schedstat("1043480893 146242 19\n"), Some(Duration::from_nanos(1_043_480_893)));
        assert_eq!(parse_schedstat(""), None);
    }

    #[test]
    fn this_process() {
        let own = std::process::id();
        assert!(resident(own) > 1 << 20);
        assert!(processor_time(own) > Duration::ZERO);
    }

    #[test]
    fn settles() {
        let mut looks = 0;
        let grow_until = |end: usize| {
            move || {
                looks += 1;
                looks.min(end) as u64
            }
        };
        let mut pauses = 0;
        assert_eq!(steady(grow_until(5), |_| pauses += 1), 5);
        assert_eq!(pauses, 4 + STEADY_LOOKS);
        assert_eq!(steady(grow_until(usize::MAX), |_| {}), MOST_LOOKS as u64 + 1);
    }
}
