//! One approval, many codes, with the three real programs: what the phone shows, and what its human may lower.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![cfg(unix)]

use std::{fs, os::unix::fs::PermissionsExt as _};

use countersign_tests::process::{Running, Setting};

/// `countersign`, with its sockets in `runtime`.
fn start(setting: &Setting, runtime: &tempfile::TempDir, args: &[&str]) -> Running {
    let mut command = setting.command(args);
    command.env("XDG_RUNTIME_DIR", runtime.path());
    Running::start(command)
}

fn runtime() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn the_phone_shows_how_many_codes_will_be_used_and_its_human_lowers_them() {
    let (setting, runtime) = (Setting::ready(), runtime());
    let mut job = start(&setting, &runtime, &["approve", "npm", "--codes", "2", "--for", "2m", "--reason", "release 1.2"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    phone.wait_for("release 1.2 [4 codes (2 min), at most 2 used]");
    phone.wait_for("number");
    phone.say(&number);
    phone.wait_for("how many codes [4]");
    phone.say("1");
    phone.wait_for("passphrase");
    phone.say(setting.phone.passphrase());
    let job = job.end();
    assert_eq!((job.code(), job.stdout.as_str()), (0, ""), "{job:?}");
    assert!(job.stderr.contains("countersign: 1 of 4 codes were allowed"), "{job:?}");
    assert!(job.stderr.contains("has 1 code of npm for"), "{job:?}");
    assert!(phone.end().status.success());
    // The phone runs no more.
    let code = start(&setting, &runtime, &["code", "npm"]).end();
    assert!(code.code() == 0 && is_code(code.stdout.trim()), "{code:?}");
    let none = start(&setting, &runtime, &["code", "npm", "--no-ask"]).end();
    assert_eq!((none.code(), none.stdout.as_str()), (210, ""), "{none:?}");
    let history = setting.phone.done(&["history"], &[]);
    assert!(history.stdout.contains("release 1.2 [4 codes (2 min), at most 2 used]"), "{history:?}");
}

/// The real `curl`, as the documentation says to call it.
#[cfg(feature = "interop")]
#[test]
fn curl_gets_codes_and_nothing_that_could_be_taken_for_one() {
    let (setting, runtime) = (Setting::ready(), runtime());
    let script = r#"curl --version >/dev/null || { echo "this test needs curl: install it with apt-get" >&2; exit 99; }
        for url in "$COUNTERSIGN_URL" "$COUNTERSIGN_URL" "${COUNTERSIGN_URL}x" "$COUNTERSIGN_URL"; do
            curl -fsS --noproxy '*' "$url" || echo "curl ended with $?"
        done"#;
    let args = ["serve", "npm", "--codes", "2", "--for", "1m30s", "--min-life", "1s", "--", "sh", "-c", script];
    let mut job = start(&setting, &runtime, &args);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve_batch(&mut phone, &number);
    let job = job.end();
    let lines: Vec<&str> = job.stdout.lines().collect();
    let [one, two, wrong, spent] = lines[..] else { panic!("{job:?}") };
    assert!(job.code() == 0 && is_code(one) && is_code(two) && one != two, "{job:?}");
    assert_eq!((wrong, spent), ("curl ended with 22", "curl ended with 22"));
    assert!(job.stderr.contains("404") && job.stderr.contains("410"), "{job:?}");
}
