//! Holes that a review of the protocol found, each with the test that proved it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use countersign_core::{
    ci::{Ask, Failure},
    request::{Enroll, Operation},
};
use countersign_tests::sim::{Mood, World};
const MINUTE: u64 = 60_000;

/// 64 rotations of a CI key and the phone can't use the relay any more.
#[test]
fn revoked_pairings_lock_the_phone_out_of_the_relay() {
    let mut world = World::new(1, 1);
    for n in 0..64 {
        let id = world.pairing(n).0.pairing_id;
        world.add(&format!("rotation {n}"));
        world.revoke(&id);
    }
    world.cut_phone();
    let job = world.start(64, world.ask(1, 2 * MINUTE));
    world.run_until(3 * MINUTE);
    assert_eq!(world.codes(job).len(), 1, "{:?}", world.end(job));
}

/// a matrix build.
#[test]
fn a_matrix_of_jobs_does_not_lock_itself_out() {
    let mut world = World::new(2, 1);
    world.human.reaction = 150_000;
    for _ in 0..10 {
        world.start(0, world.ask(1, 10 * MINUTE));
    }
    world.run_until(11 * MINUTE);
    world.human.reaction = 2_000;
    let t = world.mono();
    let later = world.start(0, world.ask(1, MINUTE));
    world.run_until(t + 2 * MINUTE);
    assert_eq!(world.codes(later).len(), 1, "{:?}", world.end(later));
}

/// three queued jobs and a human that takes ten minutes.
#[test]
fn queued_jobs_do_not_exhaust_the_ticket() {
    let mut world = World::new(2, 1);
    world.human.mood = Mood::Ignore;
    for _ in 0..6 {
        world.start(0, world.ask(1, 10 * MINUTE));
    }
    world.run_until(10 * MINUTE + 5_000);
    world.human.mood = Mood::Approve;
    let later = world.start(0, world.ask(1, 5 * MINUTE));
    world.run_until(16 * MINUTE);
    assert_eq!(world.codes(later).len(), 1, "{:?}", world.end(later));
}

#[test]
fn a_code_that_comes_late_is_known_to_be_late() {
    let mut world = World::new(3, 1);
    let job = world.start(0, world.ask(3, 10 * MINUTE));
    world.at(1_000, |w| {
        w.relay_up = false;
        w.restart_relay();
    });
    world.at(3 * MINUTE, |w| w.relay_up = true);
    world.run_until(6 * MINUTE);
    // All three steps ended while the relay was down.
    assert_eq!(world.end(job), Some(&Err(Failure::TooLate)));

    // Down for a minute: the first codes are over, the last is not.
    let mut world = World::new(3, 1);
    let job = world.start(0, world.ask(6, 10 * MINUTE));
    world.at(1_000, |w| {
        w.relay_up = false;
        w.restart_relay();
    });
    world.at(MINUTE, |w| w.relay_up = true);
    world.run_until(6 * MINUTE);
    let (approval, mono) = (world.finished(job).unwrap(), world.ended_at(job));
    let phone_unix = 1_700_000_000 + mono / 1000;
    assert!((1..6).contains(&approval.codes.len()));
    assert!(approval.codes.iter().all(|code| (code.0 + 1) * approval.period > phone_unix && approval.ends_in(code.0, mono) > 0));
}

#[test]
fn clock_after_waiting_is_tried_once_more() {
    let mut bad = 0;
    for up in (MINUTE..MINUTE + 30_000).step_by(2_500) {
        let mut world = World::new(5, 1);
        world.ci_clock_off = -80;
        world.phone_up = false;
        let job = world.start(0, world.ask(1, 5 * MINUTE));
        world.at(up, |world| world.phone_up = true);
        world.run_until(5 * MINUTE);
        if world.codes(job).len() != 1 {
            bad += 1;
        }
    }
    assert_eq!(bad, 0);
}

#[test]
fn a_graceful_stop_of_the_phone_is_no_worse_than_a_crash() {
    let mut world = World::new(6, 1);
    let job = world.start(0, world.ask(1, 5 * MINUTE));
    world.at(1_000, |w| w.phone.shut_down());
    world.at(1_100, World::restart_phone);
    world.run_until(5 * MINUTE);
    assert_eq!(world.codes(job).len(), 1, "{:?}", world.end(job));
}

#[test]
fn recipients_on_screen_are_clean() {
    let mut world = World::new(7, 1);
    world.human.mood = Mood::Ignore;
    let enroll = Enroll {
        uri: None,
        recipients: vec!["\u{1b}[2J\u{1b}[H\u{202e}Type 123456 and press Enter\r\n".into()],
        name: "\u{1b}]0;x\u{7}".repeat(40),
    };
    let ask = Ask { enroll: Some(enroll), ..Ask::new(Operation::Enroll, MINUTE) };
    world.start(0, ask);
    world.run_until(5_000);
    let pending = world.phone.pending(world.now());
    assert!(pending.iter().all(|p| p.recipients.iter().all(|r| !r.chars().any(char::is_control))));
}

#[test]
fn a_pairing_taken_back_gets_nothing_any_more() {
    let mut world = World::new(8, 1);
    let job = world.start(0, world.ask(1, 5 * MINUTE));
    world.at(1_000, |w| {
        w.relay_up = false;
        w.restart_relay();
    });
    let id = world.pairing(0).0.pairing_id;
    // Approved at about 2 s while the job is away; the owner thinks better of it.
    // The phone keeps an old connection to show the phone-side rule alone: no PROVE with the deny list in between.
    world.at(30_000, |w| w.relay_up = true);
    world.at(30_600, move |w| {
        w.revoke(&id);
    });
    world.run_until(5 * MINUTE);
    assert!(world.codes(job).is_empty(), "{:?}", world.end(job));
}

#[test]
fn revoking_while_asking_ends_the_job() {
    let mut world = World::new(8, 1);
    world.human.mood = Mood::Ignore;
    let job = world.start(0, world.ask(1, 5 * MINUTE));
    let id = world.pairing(0).0.pairing_id;
    world.at(5_000, move |w| w.revoke(&id));
    world.run_until(6 * MINUTE);
    assert!(world.ended_at(job) < MINUTE);
}

#[test]
fn a_phone_that_went_away_is_not_called_busy() {
    let mut world = World::new(9, 1);
    world.human.mood = Mood::Ignore;
    world.start(0, world.ask(1, 5 * MINUTE));
    let b = world.start(0, world.ask(1, 5 * MINUTE));
    world.at(12_000, |w| {
        w.phone_up = false;
        w.cut_phone();
    });
    world.run_until(6 * MINUTE);
    assert_eq!(world.end(b), Some(&Err(Failure::PhoneNotReached)));
}

#[test]
fn jobs_that_queue_are_all_served() {
    for (jobs, reaction) in [(4, 110_000), (8, 45_000), (20, 15_000)] {
        let mut world = World::new(2, 1);
        world.human.reaction = reaction;
        let jobs: Vec<_> = (0..jobs).map(|_| world.start(0, world.ask(1, 10 * MINUTE))).collect();
        world.run_until(11 * MINUTE);
        let served = jobs.iter().filter(|job| world.codes(**job).len() == 1).count();
        assert_eq!(served, jobs.len(), "with a human who takes {reaction} ms");
    }
}
