//! A real terminal, which is typed on and looked at.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use countersign_tests::process::{Setting, program};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with the phone in it; a tmux server of its own.
pub(crate) struct Terminal {
    socket: tempfile::TempDir,
}

impl Terminal {
    pub(crate) fn start(setting: &Setting, columns: u16, rows: u16) -> Self {
        Self::start_with(setting, "run", columns, rows)
    }

    /// The same with this command.
    pub(crate) fn start_with(setting: &Setting, command: &str, columns: u16, rows: u16) -> Self {
        let terminal = Self { socket: tempfile::tempdir().unwrap() };
        let state = setting.phone.path().join("state");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        // Ctrl-C is the phone's, not the shell's; what Ctrl-Z stops comes back to the shell.
        let phone = format!(
            "set -m; trap : INT; {} --state {} {command}; echo ended with $?; cat",
            program("countersign-phone").display(),
            state.display()
        );
        terminal.tmux(&["new-session", "-d", "-x", &columns, "-y", &rows, "env", "NO_COLOR=1", "sh", "-c", &phone]);
        terminal
    }

    pub(crate) fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.socket.path().join("s")).arg("-f").arg("/dev/null").args(arguments);
        let output = command.output().expect("this test needs tmux: install it with apt-get");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    pub(crate) fn page(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// Waits until this is on the page, and gives the page.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_until(|page| page.contains(text), text)
    }

    /// Waits until this is no longer on the page, and gives the page.
    #[track_caller]
    pub(crate) fn wait_gone(&self, text: &str) -> String {
        self.wait_until(|page| !page.contains(text), text)
    }

    /// Waits until this is on the page so often.
    #[track_caller]
    pub(crate) fn wait_for_times(&self, text: &str, times: usize) -> String {
        self.wait_until(|page| page.matches(text).count() == times, text)
    }

    #[track_caller]
    fn wait_until(&self, is_reached: impl Fn(&str) -> bool, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let page = self.page();
            if is_reached(&page) {
                return page;
            }
            assert!(Instant::now() < until, "waited for {what:?}:\n{page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Types keys, by tmux's names.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Pastes, as a mouse does; marked as pasted if the program has asked for that.
    pub(crate) fn paste(&self, text: &str) {
        self.tmux(&["set-buffer", "--", text]);
        self.tmux(&["paste-buffer", "-p"]);
    }

    /// Types letters.
    pub(crate) fn type_text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Types a line.
    pub(crate) fn type_line(&self, line: &str) {
        self.type_text(line);
        self.press(&["Enter"]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended with its last session.
        let _ = Command::new("tmux").arg("-S").arg(self.socket.path().join("s")).arg("kill-server").output();
    }
}
