//! Runs tests that mostly wait, more of them at once than there are cores. Understands what `cargo test` hands on: names (parts of them, or
//! `--exact`), `--skip NAME`, `--list`, `--test-threads N`; other options of the usual harness are taken and change nothing.
//! (`libtest-mimic` does the same, and turns features of clap on: everything that has a command line would be built twice.)

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// A test and its name.
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) run: fn(),
}

/// The tests of a module. One that is not listed is unused, of which the compiler warns.
macro_rules! trials {
    ($($(#[$condition:meta])* $name:ident),* $(,)?) => {{
        let mut all = Vec::new();
        let module = module_path!().rsplit("::").next().unwrap_or_default();
        $($(#[$condition])* all.push(crate::harness::Trial { name: format!("{module}::{}", stringify!($name)), run: $name });)*
        all
    }};
}

/// What is asked for.
#[derive(Default)]
struct Asked {
    names: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    list: bool,
    at_once: Option<usize>,
}

impl Asked {
    fn read(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut asked = Self { at_once: std::env::var("RUST_TEST_THREADS").ok().and_then(|it| it.parse().ok()), ..Self::default() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value.to_owned()))) {
                ("--exact", _) => asked.exact = true,
                ("--list", _) => asked.list = true,
                ("--skip", value) => asked.skipped.extend(value.or_else(|| arguments.next())),
                ("--test-threads", value) => asked.at_once = value.or_else(|| arguments.next()).and_then(|it| it.parse().ok()),
                // Their values are no names.
                ("--format" | "--color" | "--logfile" | "-Z", None) => drop(arguments.next()),
                (name, _) if name.starts_with('-') => {}
                _ => asked.names.push(argument),
            }
        }
        asked
    }

    fn wants(&self, name: &str) -> bool {
        let fits = |pattern: &String| if self.exact { name == pattern } else { name.contains(pattern) };
        (self.names.is_empty() || self.names.iter().any(fits)) && !self.skipped.iter().any(fits)
    }
}

/// Runs those that the arguments ask for, `at_once` at the same time unless they say otherwise.
pub(crate) fn run(tests: Vec<Trial>, at_once: usize) -> ExitCode {
    let asked = Asked::read(std::env::args().skip(1));
    let all = tests.len();
    let tests: Vec<Trial> = tests.into_iter().filter(|test| asked.wants(&test.name)).collect();
    if asked.list {
        tests.iter().for_each(|test| println!("{}: test", test.name));
        return ExitCode::SUCCESS;
    }
    let (began, next, failed) = (Instant::now(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    println!("\nrunning {} tests", tests.len());
    thread::scope(|scope| {
        for _ in 0..asked.at_once.unwrap_or(at_once).clamp(1, tests.len().max(1)) {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    // A thread of its name: a panic says whose it is.
                    let ended = thread::Builder::new().name(test.name.clone()).spawn(test.run).unwrap().join();
                    println!("test {} ... {} ({} s)", test.name, if ended.is_ok() { "ok" } else { "FAILED" }, began.elapsed().as_secs());
                    if ended.is_err() {
                        failed.lock().unwrap().push(test.name.clone());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    if !failed.is_empty() {
        println!("\nfailures:\n    {}", failed.join("\n    "));
    }
    let result = if failed.is_empty() { "ok" } else { "FAILED" };
    let (passed, out, seconds) = (tests.len() - failed.len(), all - tests.len(), began.elapsed().as_secs_f32());
    println!("\ntest result: {result}. {passed} passed; {} failed; {out} filtered out; finished in {seconds:.2}s\n", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
