//! Which core does what: the server under test has one to itself, the load another.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The two cores of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// Runs the server under test.
    pub server: usize,
    /// Runs the load. The same one on a machine that has no other.
    pub load: usize,
}

impl Cores {
    /// The first two cores this process may use.
    ///
    /// # Panics
    /// If the kernel names none.
    #[must_use]
    pub fn choose() -> Self {
        let allowed = sched_getaffinity(None).expect("the kernel says which cores may be used");
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = cores.next().expect("one core may be used");
        Self { server, load: cores.next().unwrap_or(server) }
    }

    /// Pins this thread, and all it starts from now on, to the load's core.
    pub fn pin_load(self) {
        pin(self.load);
    }

    /// Runs `start` pinned to the server's core: a process that is started there stays there with all its threads.
    pub(super) fn on_server<T>(self, start: impl FnOnce() -> T) -> T {
        pin(self.server);
        let started = start();
        pin(self.load);
        started
    }
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).expect("a thread may be pinned to a core that it may use");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stays_on_the_servers_core() {
        // In a thread of its own, because pinning lasts.
        std::thread::spawn(|| {
            let cores = Cores::choose();
            cores.pin_load();
            let status = cores.on_server(|| std::process::Command::new("cat").arg("/proc/self/status").output().unwrap());
            let status = String::from_utf8(status.stdout).unwrap();
            assert!(status.contains(&format!("Cpus_allowed_list:\t{}\n", cores.server)), "{status}");
            assert!(sched_getaffinity(None).unwrap().is_set(cores.load));
        })
        .join()
        .unwrap();
    }
}
