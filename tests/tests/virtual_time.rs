//! Whole requests in virtual time: what must happen, and what must never happen whatever the relay does (docs/PROTOCOL.md §5.4, §5.6, §9).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use countersign_core::{
    ci::{Ask, Event, Failure, Finished},
    otp::{compute, parse_otpauth},
    request::Operation,
};
use countersign_tests::sim::{Mood, Seed, World};

const MINUTE: u64 = 60_000;

#[test]
fn a_job_gets_the_code_of_its_step() {
    let mut world = World::new(1, 1);
    let job = world.start(0, world.ask(1, 5 * MINUTE));
    world.run_until(5 * MINUTE);
    let codes = world.codes(job);
    assert_eq!(codes.len(), 1, "{:?}", world.end(job));
    let otpauth = parse_otpauth(Seed::URI).unwrap();
    assert_eq!(codes[0].1, compute(&otpauth, codes[0].0).expose());
    assert_eq!(world.human.prompts.len(), 1);
}

#[test]
fn the_human_may_say_no_mistype_or_look_away() {
    for (mood, expected) in [
        (Mood::Deny, Failure::Denied { reason: "not now".into() }),
        (Mood::Mistype, Failure::WrongNumber),
        (Mood::Ignore, Failure::TimedOut),
    ] {
        let mut world = World::new(2, 1);
        world.human.mood = mood;
        let job = world.start(0, world.ask(1, MINUTE));
        world.run_until(2 * MINUTE);
        assert_eq!(world.end(job), Some(&Err(expected)));
    }
}

#[test]
fn a_phone_that_is_away_is_waited_for() {
    let mut world = World::new(3, 1);
    world.phone_up = false;
    let job = world.start(0, world.ask(1, 5 * MINUTE));
    world.at(2 * MINUTE, |world| world.phone_up = true);
    world.run_until(5 * MINUTE);
    assert!(world.events(job).contains(&Event::PhoneAway));
    assert_eq!(world.codes(job).len(), 1, "{:?}", world.end(job));
    assert_eq!(world.human.prompts.len(), 1);
}

#[test]
fn a_phone_that_never_comes_is_told_from_a_relay_that_never_comes() {
    let mut world = World::new(4, 1);
    world.phone_up = false;
    let job = world.start(0, world.ask(1, MINUTE));
    world.run_until(2 * MINUTE);
    assert_eq!(world.end(job), Some(&Err(Failure::PhoneNotReached)));

    let mut world = World::new(4, 1);
    world.relay_up = false;
    let job = world.start(0, world.ask(1, 5 * MINUTE));
    world.run_until(6 * MINUTE);
    assert_eq!(world.end(job), Some(&Err(Failure::RelayNotReached)));
    assert!(world.ended_at(job) < 2 * MINUTE, "not only at the deadline");
}

#[test]
fn clocks_a_minute_apart_do_no_harm() {
    for off in [-60, 60] {
        let mut world = World::new(5, 1);
        world.ci_clock_off = off;
        world.phone_up = false;
        let job = world.start(0, world.ask(1, 5 * MINUTE));
        world.at(MINUTE + 7_000, |world| world.phone_up = true);
        world.run_until(5 * MINUTE);
        assert_eq!(world.codes(job).len(), 1, "{:?}", world.end(job));
    }
}

#[test]
fn clocks_farther_apart_are_named() {
    let mut world = World::new(6, 1);
    world.ci_clock_off = -100;
    let job = world.start(0, world.ask(1, MINUTE));
    world.run_until(2 * MINUTE);
    assert_eq!(world.end(job), Some(&Err(Failure::Clock { difference: 100 })));
    assert!(world.human.prompts.is_empty());
}

#[test]
fn a_ping_asks_nobody() {
    let mut world = World::new(7, 1);
    let job = world.start(0, Ask::new(Operation::Ping, MINUTE));
    world.run_until(MINUTE);
    assert!(matches!(world.end(job), Some(Ok(Finished::Pong { .. }))), "{:?}", world.end(job));
    assert!(world.human.prompts.is_empty());
}

#[test]
fn two_jobs_of_one_pairing_get_different_steps_one_after_the_other() {
    let mut world = World::new(8, 1);
    let jobs = [world.start(0, world.ask(1, 5 * MINUTE)), world.start(0, world.ask(1, 5 * MINUTE))];
    world.run_until(5 * MINUTE);
    let steps: Vec<u64> = jobs.iter().flat_map(|job| world.codes(*job)).map(|code| code.0).collect();
    assert_eq!(steps.len(), 2);
    assert_ne!(steps[0], steps[1]);
    assert!(jobs.iter().any(|job| world.events(*job).contains(&Event::PhoneBusy)));
    assert_eq!(world.human.prompts.len(), 2);
}

#[test]
fn two_pairings_are_asked_side_by_side() {
    let mut world = World::new(9, 2);
    let jobs = [world.start(0, world.ask(3, 5 * MINUTE)), world.start(1, world.ask(3, 5 * MINUTE))];
    world.run_until(5 * MINUTE);
    let mut steps: Vec<u64> = jobs.iter().flat_map(|job| world.codes(*job)).map(|code| code.0).collect();
    steps.sort_unstable();
    steps.dedup();
    assert_eq!(steps.len(), 6);
}

#[test]
fn a_relay_that_restarts_at_any_moment_costs_no_approval_and_no_second_prompt() {
    // A whole honest run takes about 2,100 ms: every millisecond of it is tried, in steps that hit each message and each leg.
    for moment in (0..2_400).step_by(5) {
        let mut world = World::new(10, 1);
        let job = world.start(0, world.ask(1, 5 * MINUTE));
        world.at(moment, World::restart_relay);
        world.run_until(5 * MINUTE);
        assert_eq!(world.codes(job).len(), 1, "restart at {moment}: {:?}", world.end(job));
        assert_eq!(world.human.prompts.len(), 1, "restart at {moment}: {:?}", world.events(job));
    }
}

#[test]
fn a_phone_that_is_killed_at_any_moment_issues_no_step_twice_and_loses_no_approval() {
    for moment in (0..2_400).step_by(5) {
        let mut world = World::new(11, 1);
        let job = world.start(0, world.ask(1, 5 * MINUTE));
        world.at(moment, World::restart_phone);
        world.run_until(5 * MINUTE);
        assert_eq!(world.codes(job).len(), 1, "kill at {moment}: {:?}", world.end(job));
        // Killed while the human was looking: the request is asked afresh. Killed after the approval: never.
        let most = if world.human.approved_at[0] <= moment { 1 } else { 2 };
        assert!(world.human.prompts.len() <= most, "kill at {moment}, approved at {:?}", world.human.approved_at);
        assert_eq!(world.human.approved_at.len(), 1, "kill at {moment}: one approval gives one code");
        let next = world.start(0, world.ask(1, 5 * MINUTE));
        world.run_until(world.mono() + 5 * MINUTE);
        assert!(world.codes(next)[0].0 > world.codes(job)[0].0, "kill at {moment}");
    }
}

#[test]
fn a_phone_that_loses_its_connection_at_any_moment_answers_when_it_is_back() {
    for moment in (0..2_400).step_by(7) {
        let mut world = World::new(12, 1);
        let job = world.start(0, world.ask(1, 5 * MINUTE));
        world.at(moment, World::cut_phone);
        world.run_until(5 * MINUTE);
        assert_eq!(world.codes(job).len(), 1, "cut at {moment}: {:?}", world.end(job));
        assert_eq!(world.human.prompts.len(), 1, "cut at {moment}");
    }
}

#[test]
fn a_job_that_is_interrupted_is_withdrawn_from_the_phone() {
    let mut world = World::new(13, 1);
    world.human.mood = Mood::Ignore;
    let job = world.start(0, world.ask(1, 5 * MINUTE));
    world.at(1_000, move |world| world.interrupt(job));
    world.run_until(10_000);
    assert_eq!(world.end(job), Some(&Err(Failure::Cancelled)));
    assert!(world.phone.pending(world.now()).is_empty());
    let next = world.start(0, world.ask(1, MINUTE));
    world.human.mood = Mood::Approve;
    world.run_until(2 * MINUTE);
    assert_eq!(world.codes(next).len(), 1);
}

#[test]
fn a_disk_that_breaks_lets_nothing_out() {
    let mut world = World::new(14, 1);
    let job = world.start(0, world.ask(1, 5 * MINUTE));
    world.at(1_000, |world| world.disk.broken = true);
    world.run_until(4_000);
    assert_eq!(world.end(job), None);
    assert_eq!(world.phone.pending(world.now()).len(), 1, "the request still waits");
}

#[test]
fn a_pairing_that_was_taken_back_is_refused_by_the_relay() {
    let mut world = World::new(15, 1);
    let id = world.pairing(0).0.pairing_id;
    world.revoke(&id);
    world.cut_phone();
    let job = world.start(0, world.ask(1, MINUTE));
    world.run_until(2 * MINUTE);
    assert_eq!(world.end(job), Some(&Err(Failure::TicketRefused)));
    assert!(world.human.prompts.is_empty());
}
