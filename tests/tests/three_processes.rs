//! The three real programs on loopback sockets: the main path, and every fault a user can meet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::otp::{compute, parse_otpauth};
use countersign_tests::process::{Ended, RelayProcess, Running, Setting, URI};

/// Whether `code` is the seed's code of a step from a little before to a little after now.
fn is_current(code: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let otpauth = parse_otpauth(URI).unwrap();
    // The codes are compared here.
    (now / 30 - 2..=now / 30 + 25).any(|step| compute(&otpauth, step).expose() == code)
}

/// Approves what `job` asks for on a phone that answers one request.
fn approved(setting: &Setting, mut job: Running) -> Ended {
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve(&mut phone, &number, false);
    let ended = job.end();
    let phone = phone.end();
    assert!(phone.status.success(), "{phone:?}");
    ended
}

#[test]
fn a_job_gets_a_code_that_a_phone_approved() {
    let setting = Setting::ready();
    let ended = approved(&setting, setting.client(&["code", "npm", "--reason", "release 1.2"]));
    assert_eq!(ended.code(), 0, "{ended:?}");
    let code = ended.stdout.strip_suffix('\n').unwrap();
    assert!(is_current(code), "{ended:?}");
    assert!(!ended.stderr.contains(code), "the code is on stdout alone");

    // The same step is never issued twice: the next request gets another code.
    let again = approved(&setting, setting.client(&["code", "npm"]));
    assert_eq!(again.code(), 0, "{again:?}");
    assert_ne!(again.stdout, ended.stdout);

    let history = setting.phone.done(&["history"], &[]);
    assert!(history.stdout.contains("release 1.2") && history.stdout.contains("acme/widget"), "{history:?}");
    assert!(setting.relay.unwrap().stop().status.success());
}

#[test]
fn a_command_runs_with_the_code_and_its_exit_code_passes_through() {
    let setting = Setting::ready();
    let script = "printf '%s' \"$COUNTERSIGN_CODE $NPM_CONFIG_OTP ${COUNTERSIGN_KEY_FILE-none}\"; exit 7";
    let ended = approved(&setting, setting.client(&["exec", "npm", "--env", "NPM_CONFIG_OTP", "--", "sh", "-c", script]));
    assert_eq!(ended.code(), 7, "{ended:?}");
    let words: Vec<&str> = ended.stdout.split(' ').collect();
    assert!(is_current(words[0]) && words[0] == words[1] && words[2] == "none", "{ended:?}");
}

#[test]
fn signals_reach_the_command() {
    let setting = Setting::ready();
    let script = "trap 'exit 9' TERM; echo started; while :; do sleep 0.05; done";
    let mut job = setting.client(&["exec", "npm", "--", "sh", "-c", script]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve(&mut phone, &number, false);
    job.wait_for_line("started");
    job.signal("TERM");
    assert_eq!(job.end().code(), 9);
}

#[test]
fn a_command_killed_by_a_signal_ends_as_in_a_shell() {
    let setting = Setting::ready();
    let ended = approved(&setting, setting.client(&["exec", "npm", "--", "sh", "-c", "kill -KILL $$"]));
    assert_eq!(ended.code(), 128 + 9);
}

#[test]
fn a_command_that_does_not_exist_asks_nobody() {
    let setting = Setting::ready();
    let ended = setting.client(&["exec", "npm", "--", "no-such-command-anywhere"]).end();
    assert_eq!(ended.code(), 127, "{ended:?}");
}

#[test]
fn a_batch_gives_one_code_per_step() {
    let setting = Setting::ready();
    let mut job = setting.client(&["code", "npm", "--codes", "2"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    setting.phone.approve_batch(&mut phone, &number);
    let ended = job.end();
    let codes: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(codes.len(), 2, "{ended:?}");
    assert!(codes[0] != codes[1] && codes.iter().all(|code| is_current(code)));
}

#[test]
fn denied_with_a_reason() {
    let setting = Setting::ready();
    let mut job = setting.client(&["code", "npm"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    job.match_number();
    phone.wait_for("number");
    phone.say("deny not on a friday");
    let ended = job.end();
    assert_eq!(ended.code(), 200, "{ended:?}");
    assert!(ended.stderr.contains("not on a friday") && ended.stdout.is_empty(), "{ended:?}");
}

#[test]
fn a_wrong_number() {
    let setting = Setting::ready();
    let mut job = setting.client(&["code", "npm"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    phone.wait_for("number");
    phone.say(if number == "000000" { "000001" } else { "000000" });
    let ended = job.end();
    assert_eq!(ended.code(), 202, "{ended:?}");
    assert!(ended.stdout.is_empty());
}

#[test]
fn nobody_answers() {
    let setting = Setting::ready();
    let _phone = setting.phone.run(&["run"]);
    let mut job = setting.client(&["code", "npm", "--timeout", "6s"]);
    job.match_number();
    let ended = job.end();
    assert_eq!(ended.code(), 201, "{ended:?}");
    assert!(ended.stdout.is_empty());
}

#[test]
fn the_phone_is_away() {
    let setting = Setting::ready();
    let ended = setting.client(&["code", "npm", "--timeout", "5s"]).end();
    assert_eq!(ended.code(), 203, "{ended:?}");
}

#[test]
fn the_relay_is_away() {
    let mut setting = Setting::ready();
    let _ = setting.relay.take().unwrap().kill();
    let ended = setting.client(&["code", "npm", "--timeout", "5s"]).end();
    assert_eq!(ended.code(), 204, "{ended:?}");
}

#[test]
fn a_seed_denied_and_a_pairing_revoked() {
    let mut setting = Setting::ready();
    let denied = setting.phone.done(&["allow", "acme/widget", "ACME:release", "--deny"], &[]);
    assert!(denied.status.success(), "{denied:?}");
    let phone = setting.phone.run(&["run"]);
    let ended = setting.client(&["code", "npm", "--timeout", "30s"]).end();
    assert_eq!(ended.code(), 205, "{ended:?}");
    phone.kill();
    // Another pairing, so that the phone has a reason to run.
    let laptop = std::mem::replace(&mut setting.laptop, tempfile::tempdir().unwrap());
    setting.pair("something else");
    setting.laptop = laptop;
    let revoked = setting.phone.done(&["revoke", "acme/widget"], &[]);
    assert!(revoked.status.success(), "{revoked:?}");
    let _phone = setting.phone.run(&["run"]);
    let ended = setting.client(&["code", "npm", "--timeout", "30s"]).end();
    assert_eq!(ended.code(), 205, "{ended:?}");
}

#[test]
fn a_relay_that_dies_while_the_human_looks_costs_nothing() {
    let mut setting = Setting::ready();
    let mut job = setting.client(&["code", "npm"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    phone.wait_for("number");
    let address = setting.relay.take().unwrap().kill();
    // Approved while there is no relay at all.
    phone.say(&number);
    phone.wait_for("passphrase");
    phone.say(setting.phone.passphrase());
    setting.relay = Some(RelayProcess::listen(&address));
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}\nphone: {}", phone.err_so_far());
    assert!(is_current(ended.stdout.trim()));
}

#[test]
fn a_phone_killed_after_the_approval_loses_neither_code_nor_step() {
    let mut setting = Setting::ready();
    let mut job = setting.client(&["code", "npm"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    phone.wait_for("number");
    let address = setting.relay.take().unwrap().kill();
    phone.say(&number);
    phone.wait_for("passphrase");
    phone.say(setting.phone.passphrase());
    phone.wait_for("approved");
    phone.kill();
    // Another process of the same phone, on a new relay, has the answer.
    let _phone = setting.phone.run(&["run"]);
    setting.relay = Some(RelayProcess::listen(&address));
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(is_current(ended.stdout.trim()));
}

#[test]
fn a_phone_killed_before_the_approval_asks_afresh() {
    let setting = Setting::ready();
    let mut job = setting.client(&["code", "npm"]);
    let mut phone = setting.phone.run(&["run"]);
    let first = job.match_number();
    phone.wait_for("number");
    phone.kill();
    let mut phone = setting.phone.run(&["run", "--once"]);
    let second = job.match_number();
    assert_ne!(first, second);
    setting.phone.approve(&mut phone, &second, false);
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn an_interrupted_job_is_withdrawn() {
    let setting = Setting::ready();
    let mut job = setting.client(&["code", "npm"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    job.match_number();
    phone.wait_for("number");
    job.signal("INT");
    let ended = job.end();
    assert_eq!(ended.code(), 130, "{ended:?}");
    assert!(ended.stdout.is_empty());
    phone.wait_for("withdrawn");
    assert!(phone.end().status.success());
}

#[test]
fn two_jobs_at_once_get_two_codes() {
    let setting = Setting::ready();
    let mut phone = setting.phone.run(&["run"]);
    let mut one = setting.client(&["code", "npm", "--reason", "one"]);
    let number = one.match_number();
    let mut two = setting.client(&["code", "npm", "--reason", "two"]);
    two.wait_for("busy");
    setting.phone.approve(&mut phone, &number, false);
    let one = one.end();
    let number = two.match_number();
    setting.phone.approve(&mut phone, &number, false);
    let two = two.end();
    assert_eq!((one.code(), two.code()), (0, 0), "{one:?} {two:?}");
    assert_ne!(one.stdout, two.stdout);
}

#[test]
fn a_phone_that_can_not_save_gives_nothing_out_until_it_can() {
    let setting = Setting::ready();
    let mut job = setting.client(&["code", "npm"]);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    phone.wait_for("number");
    // Nothing can replace a file while a folder that is not empty has its name. Which steps are burnt is written first.
    let state = setting.phone.path().join("state").join("state-seeds");
    let kept = std::fs::read(&state).unwrap();
    std::fs::remove_file(&state).unwrap();
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("in the way"), b"").unwrap();
    phone.say(&number);
    phone.wait_for("passphrase");
    phone.say(setting.phone.passphrase());
    phone.wait_for("could not be saved");
    assert!(job.out_so_far().is_empty());
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::write(&state, kept).unwrap();
    // The same request, again.
    phone.wait_for("press Enter");
    phone.say("");
    phone.wait_for("passphrase");
    phone.say(setting.phone.passphrase());
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_key_of_another_pairing_is_told_before_anybody_is_asked() {
    let setting = Setting::ready();
    let other = Setting::paired();
    std::fs::copy(other.key_file(), setting.key_file()).unwrap();
    let ended = setting.client(&["code", "npm", "--timeout", "10s"]).end();
    assert_eq!(ended.code(), 207, "{ended:?}");
}

#[test]
fn a_pairing_whose_digits_are_mistyped_stores_nothing() {
    let setting = Setting::unpaired();
    let mut laptop = setting.client(&["pair", "--relay", &setting.url(), "--no-qr", "--key-file", "countersign.key"]);
    let code = laptop.pairing_code();
    let mut phone = setting.phone.run(&["pair", "-"]);
    phone.say(&code);
    let digits = phone.wait_for_line("");
    laptop.say(if digits.trim() == "000000" { "000001" } else { "000000" });
    let ended = laptop.end();
    assert_eq!(ended.code(), 202, "{ended:?}");
    assert!(!setting.key_file().exists() && !setting.laptop.path().join("countersign.toml").exists());
    let ended = phone.end();
    assert!(!ended.status.success(), "{ended:?}");
    let pairings = setting.phone.done(&["pairings"], &[]);
    assert!(!pairings.stdout.contains("ws://"), "{pairings:?}");
}

#[test]
fn doctor_finds_everything_in_order_or_says_what_to_do() {
    let mut setting = Setting::ready();
    let phone = setting.phone.run(&["run"]);
    let ended = setting.client(&["doctor"]).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    phone.kill();
    let ended = setting.client(&["doctor"]).end();
    assert_eq!(ended.code(), 203, "{ended:?}");
    let _ = setting.relay.take().unwrap().kill();
    let ended = setting.client(&["doctor"]).end();
    assert_eq!(ended.code(), 204, "{ended:?}");
}

#[test]
fn one_seed_for_two_phones_the_first_answer_wins() {
    let setting = Setting::ready();
    let second = countersign_tests::process::PhoneFolder::init("tablet");
    // The second phone trusts the first one's records and is paired with the same laptop.
    let signer = |phone: &countersign_tests::process::PhoneFolder| {
        let identity = phone.done(&["identity"], &[]);
        identity
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("signer = ").map(|it| it.trim_matches('"').to_owned()))
            .unwrap_or_else(|| panic!("{identity:?}"))
    };
    assert!(second.done(&["trust", &signer(&setting.phone)], &[]).status.success());
    let both = Setting { phone: second, ..setting };
    both.pair("acme/widget on tablet");
    let setting = both;
    // Sealed anew by the tablet, to both phones.
    setting.enroll_with(&["npm", "--uri-stdin", "--replace", "--phone", "tablet"], URI);
    let ended = approved(&setting, setting.client(&["code", "npm"]));
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(is_current(ended.stdout.trim()));
}
