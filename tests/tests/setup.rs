//! `countersign setup` with a real relay and a real phone: by options alone, by a human at a terminal, left and resumed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use countersign_tests::process::{Ended, Running, Setting, URI};

/// A laptop with programs of the test's own before all others.
struct Laptop {
    setting: Setting,
    programs: tempfile::TempDir,
}

impl Laptop {
    fn new(setting: Setting) -> Self {
        Self { setting, programs: tempfile::tempdir().unwrap() }
    }

    /// A program that writes down its arguments and its input, says something and ends like this.
    fn fake(&self, name: &str, exit: u8) {
        let path = self.programs.path().join(name);
        let record = self.programs.path().join(format!("{name}.record"));
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" > '{record}.args'\ncat > '{record}.input'\nenv > '{record}.env'\necho '{name} was here'\nexit {exit}\n",
            record = record.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn recorded(&self, name: &str, what: &str) -> String {
        fs::read_to_string(self.programs.path().join(format!("{name}.record.{what}"))).unwrap()
    }

    fn was_run(&self, name: &str) -> bool {
        self.programs.path().join(format!("{name}.record.args")).exists()
    }

    fn folder(&self) -> &Path {
        self.setting.laptop.path()
    }

    fn key_file(&self) -> PathBuf {
        self.folder().join("countersign.key")
    }

    fn key(&self) -> String {
        let text = fs::read_to_string(self.key_file()).unwrap();
        text.lines().find(|line| line.starts_with("COUNTERSIGN-KEY-1")).unwrap().to_owned()
    }

    fn config(&self) -> String {
        fs::read_to_string(self.folder().join("countersign.toml")).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.setting.command(&[&["setup", "--no-qr"], arguments].concat());
        command.env_remove("COUNTERSIGN_KEY_FILE");
        command.env("PATH", format!("{}:/usr/bin:/bin", self.programs.path().display()));
        command
    }

    fn piped(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    fn at_a_terminal(&self, arguments: &[&str]) -> Running {
        Running::start_at_a_terminal(self.command(arguments))
    }

    /// The phone scans what the laptop shows, and a human types its digits.
    fn pair(&self, laptop: &mut Running) {
        let code = laptop.pairing_code();
        let mut phone = self.setting.phone.run(&["pair", "-"]);
        phone.say(&code);
        let digits = phone.wait_for_line("");
        laptop.wait_for("the six digits");
        laptop.say(digits.trim());
        let ended = phone.end();
        assert!(ended.status.success(), "{ended:?}");
    }

    fn approve(&self, laptop: &mut Running) {
        let mut phone = self.setting.phone.run(&["run", "--once"]);
        let number = laptop.match_number();
        self.setting.phone.approve(&mut phone, &number, true);
        let ended = phone.end();
        assert!(ended.status.success(), "{ended:?}");
    }
}

fn answer(running: &mut Running, question: &str, answer: &str) {
    running.wait_for(question);
    running.say(answer);
}

fn holds_no_secret(ended: &Ended, laptop: &Laptop) {
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains(&laptop.key()) && !text.contains("GEZDGNBV"), "{ended:?}");
    }
}

#[test]
fn by_options_alone() {
    let laptop = Laptop::new(Setting::unpaired());
    laptop.fake("gh", 0);
    fs::create_dir_all(laptop.folder().join(".github/workflows")).unwrap();
    fs::create_dir(laptop.folder().join(".git")).unwrap();
    let url = laptop.setting.url();
    let options = ["--relay", &url, "--name", "acme/widget", "--seed", "npm", "--uri-stdin", "--store", "gh", "--yes"];
    let mut running = laptop.piped(&options);
    laptop.pair(&mut running);
    running.say(URI);
    laptop.approve(&mut running);
    let ended = running.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    // The key went to gh, on its standard input and nowhere else.
    assert_eq!(laptop.recorded("gh", "args"), "secret\nset\nCOUNTERSIGN_KEY\n");
    assert_eq!(laptop.recorded("gh", "input"), laptop.key());
    assert!(!laptop.recorded("gh", "env").contains("COUNTERSIGN-KEY-1"));
    assert!(ended.stdout.is_empty() && ended.stderr.contains("gh was here"), "{ended:?}");
    holds_no_secret(&ended, &laptop);
    assert_eq!(fs::metadata(laptop.key_file()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(laptop.folder().join(".gitignore")).unwrap(), "/countersign.key\n");
    assert!(ended.stderr.contains("COUNTERSIGN_KEY: ${{ secrets.COUNTERSIGN_KEY }}"), "{ended:?}");
    assert!(ended.stderr.contains("countersign exec npm -- "), "{ended:?}");
    // Said once, at the step that has to do with it.
    assert!(ended.stderr.contains("delete countersign.key once") && ended.stderr.matches("delete").count() == 1, "{ended:?}");

    // Again, once the key file is gone: there is nothing to do but show the lines, and nobody needs to say yes.
    fs::remove_file(laptop.key_file()).unwrap();
    let before = laptop.config();
    let ended = laptop.piped(&["--ci", "gitlab"]).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stderr.contains("paired already: pixel") && ended.stderr.contains("seeds already there: npm"), "{ended:?}");
    assert!(ended.stderr.contains("if: $CI_COMMIT_TAG"), "{ended:?}");
    assert_eq!(laptop.config(), before);
}

#[test]
fn without_a_terminal_what_is_missing_is_told_and_nothing_changes() {
    let laptop = Laptop::new(Setting::unpaired());
    let url = laptop.setting.url();
    let ended = laptop.piped(&["--relay", &url, "--seed", "npm"]).end();
    assert_eq!(ended.code(), 207, "{ended:?}");
    for option in ["--yes", "--scan, --uri-stdin or --qr-image FILE", "--store", "--ci"] {
        assert!(ended.stderr.contains(option), "{option}: {ended:?}");
    }
    assert!(!ended.stderr.contains("--relay URL"), "{ended:?}");
    assert_eq!(fs::read_dir(laptop.folder()).unwrap().count(), 0);
}

#[test]
fn a_human_leaves_it_and_goes_on_later() {
    let laptop = Laptop::new(Setting::unpaired());
    laptop.fake("gh", 0);
    laptop.fake("glab", 0);
    let url = laptop.setting.url();
    // Thinks twice before the pairing: nothing was written.
    let mut running = laptop.at_a_terminal(&[]);
    answer(&mut running, "the relay's URL", "relay.example.org");
    answer(&mut running, "the relay's URL", "ws://127.0.0.1:1");
    answer(&mut running, "the relay's URL", &url);
    answer(&mut running, "go on? [y/N]", "");
    let ended = running.end();
    assert_eq!(ended.code(), 130, "{ended:?}");
    assert!(ended.stderr.contains("starts with wss://") && ended.stderr.contains("relay ws://127.0.0.1:1: "), "{ended:?}");
    assert!(!ended.stderr.contains("what was done stays"), "{ended:?}");
    assert_eq!(fs::read_dir(laptop.folder()).unwrap().count(), 0);

    // Pairs, then Ctrl-C at the next question.
    let mut running = laptop.at_a_terminal(&["--relay", &url]);
    answer(&mut running, "go on? [y/N]", "y");
    laptop.pair(&mut running);
    running.wait_for("a short name for the seed");
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code(), 130, "{ended:?}");
    assert!(ended.stderr.contains("`countersign setup` goes on from there"), "{ended:?}");
    let (key, paired) = (laptop.key(), laptop.config());

    // Goes on with the seed; nobody is asked for a relay again.
    let mut running = laptop.at_a_terminal(&[]);
    running.wait_for("paired already: pixel");
    answer(&mut running, "a short name for the seed", URI);
    let ended = running.end();
    assert_eq!(ended.code(), 207, "{ended:?}");
    assert!(ended.stderr.contains("that looks like a secret") && ended.stderr.contains("hint: it was not shown"), "{ended:?}");
    holds_no_secret(&ended, &laptop);
    let mut running = laptop.at_a_terminal(&[]);
    answer(&mut running, "a short name for the seed", "NPM");
    answer(&mut running, "a short name for the seed", "npm");
    // One who pastes the seed too early: nothing of it is seen, and nothing is done with it.
    answer(&mut running, "What you type is not shown [y/N]", URI);
    running.wait_for("that is an otpauth URI, which is asked for later");
    answer(&mut running, "What you type is not shown [y/N]", "y");
    // And a little too early, where it is as good as the number.
    answer(&mut running, "is not shown [1]", URI);
    laptop.approve(&mut running);
    running.wait_for("where shall the key go?");
    running.wait_for("`glab variable set COUNTERSIGN_KEY --masked --raw`");
    answer(&mut running, "which number? [4]", "2");
    // Says no to it in the end.
    answer(&mut running, "go on? [y/N]", "n");
    answer(&mut running, "which CI runs the release?", "3");
    let ended = running.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!laptop.was_run("gh") && !laptop.was_run("glab"));
    assert!(ended.stderr.contains("no_output_timeout"), "{ended:?}");
    holds_no_secret(&ended, &laptop);
    assert_eq!(laptop.key(), key);
    assert!(laptop.config().starts_with(paired.trim_end()) && laptop.config().contains("[seed.npm]"));

    // And the key, after all.
    let mut running = laptop.at_a_terminal(&["--ci", "gitlab"]);
    answer(&mut running, "which number? [2]", "");
    answer(&mut running, "go on? [y/N]", "y");
    let ended = running.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(laptop.recorded("glab", "args"), "variable\nset\nCOUNTERSIGN_KEY\n--masked\n--raw\n");
    assert_eq!(laptop.recorded("glab", "input"), key);
    assert!(!laptop.was_run("gh"));

    // Without the key there is nothing to store, and to be asked for it is no success.
    fs::remove_file(laptop.key_file()).unwrap();
    let ended = laptop.piped(&["--yes", "--store", "gh", "--ci", "github"]).end();
    assert_eq!(ended.code(), 207, "{ended:?}");
    assert!(ended.stderr.contains("hint: leave out --store if the key is in your CI's secrets already; else name its file"), "{ended:?}");
    assert!(!laptop.was_run("gh") && !ended.stderr.contains("goes on from there"), "{ended:?}");
    // From the environment it is stored as well.
    let mut command = laptop.command(&["--yes", "--store", "gh", "--ci", "github"]);
    command.env("COUNTERSIGN_KEY", &key);
    let ended = Running::start(command).end();
    assert_eq!((ended.code(), laptop.recorded("gh", "input")), (0, key), "{ended:?}");
}

#[test]
fn a_program_that_fails_loses_nothing() {
    let laptop = Laptop::new(Setting::ready());
    laptop.fake("glab", 3);
    let before = (laptop.key(), laptop.config());
    let ended = laptop.piped(&["--store", "glab", "--ci", "gitlab", "--yes"]).end();
    assert_eq!(ended.code(), 207, "{ended:?}");
    assert!(ended.stderr.contains("glab variable set COUNTERSIGN_KEY --masked --raw: it failed"), "{ended:?}");
    // Not there at all.
    let mut command = laptop.command(&["--store", "gh", "--ci", "gitlab", "--yes"]);
    command.env("PATH", laptop.programs.path());
    let ended = Running::start(command).end();
    assert_eq!(ended.code(), 207, "{ended:?}");
    assert!(ended.stderr.contains("gh secret set COUNTERSIGN_KEY: ") && ended.stderr.contains("--store print"), "{ended:?}");
    assert_eq!((laptop.key(), laptop.config()), before);
    // Printed because it was asked for, alone.
    let ended = laptop.piped(&["--store", "print", "--ci", "gitlab"]).end();
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, format!("{}\n", before.0).as_str()), "{ended:?}");
    assert!(!ended.stderr.contains(&before.0));
}

#[test]
fn a_seed_needs_the_key() {
    let laptop = Laptop::new(Setting::paired());
    fs::rename(laptop.key_file(), laptop.folder().join("elsewhere.key")).unwrap();
    let mut running = laptop.at_a_terminal(&[]);
    running.wait_for("the key is not on this machine");
    let ended = running.end();
    assert_eq!(ended.code(), 207, "{ended:?}");
    assert!(ended.stderr.contains("name its file with --key-file"), "{ended:?}");
    // A new project on a machine that has a key for another one in its environment.
    let mut command = laptop.command(&["--config", "other.toml"]);
    command.env("COUNTERSIGN_KEY", fs::read_to_string(laptop.folder().join("elsewhere.key")).unwrap());
    let ended = Running::start_at_a_terminal(command).end();
    assert_eq!(ended.code(), 207, "{ended:?}");
    assert!(ended.stderr.contains("unset COUNTERSIGN_KEY"), "{ended:?}");
}

/// With the real git.
#[cfg(feature = "interop")]
#[test]
fn a_key_file_in_a_repository_is_seen() {
    let laptop = Laptop::new(Setting::ready());
    let git = |arguments: &[&str]| {
        let done = Command::new("git").args(arguments).current_dir(laptop.folder()).output().expect("this test needs git");
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "--quiet"]);
    git(&["remote", "add", "origin", "https://alice:sesame@gitlab.com/acme/widget.git"]);
    // No CI is named: the remote tells. Left as it is, with a warning.
    let mut running = laptop.at_a_terminal(&["--store", "none"]);
    running.wait_for("add /countersign.key to");
    answer(&mut running, "go on? [y/N]", "no");
    let ended = running.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stderr.contains("warning: `git add .` would take") && ended.stderr.contains("if: $CI_COMMIT_TAG"), "{ended:?}");
    assert!(!ended.stderr.contains("sesame") && !laptop.folder().join(".gitignore").exists());
    // Any pattern of git's counts.
    fs::write(laptop.folder().join(".gitignore"), "*.key\n").unwrap();
    let ended = laptop.piped(&["--store", "none"]).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!ended.stderr.contains("git add"), "{ended:?}");
    // It was added all the same.
    git(&["add", "--force", "countersign.key"]);
    let ended = laptop.piped(&["--store", "none"]).end();
    assert_eq!(ended.code(), 207, "{ended:?}");
    assert!(ended.stderr.contains("is in the git repository") && ended.stderr.contains("git rm --cached"), "{ended:?}");
}
