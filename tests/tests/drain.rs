//! A relay that is replaced while people work: no approval is lost, and nobody is asked twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[cfg(feature = "interop")]
#[path = "drain/haproxy.rs"]
mod haproxy;

use countersign_tests::process::{RelayProcess, Running, Setting};

const PROMPT: &str = "number shown in the job's log";

/// How often the human was asked for a number.
fn prompts(phone: &Running) -> usize {
    phone.err_so_far().matches(PROMPT).count()
}

/// Types the number, then the passphrase.
fn answer(setting: &Setting, phone: &mut Running, number: &str) {
    phone.say(number);
    phone.wait_for("passphrase");
    phone.say(setting.phone.passphrase());
}

#[track_caller]
fn got_a_code(job: Running, phone: &Running) -> String {
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}\nphone: {}", phone.err_so_far());
    assert_eq!(ended.stdout.trim().len(), 6);
    ended.stdout
}

/// The relay of `setting` drains while a request waits for its human, who approves there; `next` starts the one that has its place meanwhile,
/// where the next request is approved.
fn change_places(mut setting: Setting, next: impl FnOnce(&RelayProcess) -> RelayProcess) {
    let mut phone = setting.phone.run(&["run"]);
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for(PROMPT);
    let mut old = setting.relay.take().unwrap();
    old.drain();
    setting.relay = Some(next(&old));
    answer(&setting, &mut phone, &number);
    let first = got_a_code(job, &phone);
    let old = old.end();
    assert!(old.status.success() && old.stderr.contains("finished=1 cut=0"), "{old:?}");
    assert_eq!(prompts(&phone), 1);

    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for(PROMPT);
    answer(&setting, &mut phone, &number);
    assert_ne!(got_a_code(job, &phone), first);
    assert_eq!(prompts(&phone), 2);
    assert!(setting.relay.take().unwrap().stop().status.success());
}

#[test]
fn an_approval_under_way_finishes_on_the_relay_that_drains() {
    change_places(Setting::ready(), |old| RelayProcess::listen(&old.address()));
}

#[test]
fn an_approval_that_outlives_the_drain_goes_on_at_the_next_relay() {
    let mut setting = Setting::ready();
    // The same installation with a relay that waits for nobody.
    let address = setting.relay.take().unwrap().kill();
    let mut old = RelayProcess::with(&["--listen", &address, "--drain", "0s"]);
    let mut phone = setting.phone.run(&["run"]);
    let mut job = setting.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for(PROMPT);
    old.drain();
    let old = old.end();
    assert!(old.status.success() && old.stderr.contains("finished=0 cut=1"), "{old:?}");
    // Approved while there is no relay at all.
    answer(&setting, &mut phone, &number);
    setting.relay = Some(RelayProcess::listen(&address));
    got_a_code(job, &phone);
    assert_eq!(prompts(&phone), 1);
}

#[test]
fn a_job_that_waits_for_the_phone_waits_on_at_the_next_relay() {
    let mut setting = Setting::ready();
    let mut job = setting.client(&["code", "npm"]);
    job.wait_for("waiting");
    let mut old = setting.relay.take().unwrap();
    old.drain();
    setting.relay = Some(RelayProcess::listen(&old.address()));
    // Nothing was joined, so the old one ends without waiting for its drain.
    let old = old.end();
    assert!(old.status.success() && old.stderr.contains("finished=0 cut=0"), "{old:?}");
    let mut phone = setting.phone.run(&["run", "--once"]);
    let number = job.match_number();
    phone.wait_for(PROMPT);
    answer(&setting, &mut phone, &number);
    got_a_code(job, &phone);
    assert_eq!(prompts(&phone), 1);
}
