//! One whole approval: pairing, enrolling, a code, with a wire that only renames circuits. Faults and the real relay switch are in `tests/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod common;

use common::{URI, World, ask, device, number, yes};
use countersign_core::{
    ci::{Exchange, Failure, Finished},
    otp::{compute, parse_otpauth},
    phone::{Decision, Phone, PhoneError},
    request::Outcome,
};

#[test]
fn a_code_exists_only_because_the_phone_approved() {
    let mut world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enrolled();
    let mut exchange = Exchange::new(pairing, key, ask(&sealed, 2), world.now);
    let (events, end) = world.run(&mut exchange);
    assert!(end.is_none());
    let pending = world.phone.pending(world.now);
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].label.as_str(), pending[0].pairing.as_str(), pending[0].first_use), ("ACME:release", "acme/widget", true));
    let (id, decision) = (pending[0].request_id, yes(&number(&events)));
    world
        .phone(|phone, unlock, ctx| {
            phone.decide(&id, &decision, ctx)?;
            phone.approve(&id, unlock, None, ctx)
        })
        .unwrap();
    let (_, end) = world.run(&mut exchange);
    let Some(Ok(Finished::Approved(approval))) = end else { panic!("{end:?}") };
    assert_eq!(approval.codes.len(), 2);
    for code in &approval.codes {
        assert_eq!(code.1.expose(), compute(&parse_otpauth(URI).unwrap(), code.0).expose());
    }
    exchange.report(Outcome::Used);
    world.run(&mut exchange);
    assert_eq!(world.phone.history().last().unwrap().outcome, countersign_core::phone::HistoryOutcome::Used);
    // A restart knows the burnt steps.
    let reopened = Phone::open(device(), &world.disk.saved, world.now.unix).unwrap();
    assert!(reopened.seeds()[0].last_used.is_some());
}

#[test]
fn a_wrong_number_ends_the_request() {
    let mut world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enrolled();
    let mut exchange = Exchange::new(pairing, key, ask(&sealed, 1), world.now);
    let number = number(&world.run(&mut exchange).0);
    let id = world.phone.pending(world.now)[0].request_id;
    let mut decide = |number: &str| {
        let decision = Decision { number: number.into(), codes: None, grant: true };
        world.phone(|phone, _, ctx| phone.decide(&id, &decision, ctx))
    };
    // A slip is no guess.
    for slip in ["", "12345", "1234567", "not it"] {
        assert_eq!(decide(slip), Err(PhoneError::NoNumber { digits: 6 }));
    }
    let wrong = if number.digits() == "000000" { "000001" } else { "000000" };
    assert_eq!(decide(wrong), Err(PhoneError::WrongNumber));
    assert_eq!(world.run(&mut exchange).1, Some(Err(Failure::WrongNumber)));
    assert!(world.phone.pending(world.now).is_empty());
}

#[test]
fn nothing_leaves_when_the_state_can_not_be_saved() {
    let mut world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enrolled();
    let mut exchange = Exchange::new(pairing, key, ask(&sealed, 1), world.now);
    let (events, _) = world.run(&mut exchange);
    let id = world.phone.pending(world.now)[0].request_id;
    world.disk.broken = true;
    let decision = yes(&number(&events));
    let result = world.phone(|phone, unlock, ctx| {
        phone.decide(&id, &decision, ctx)?;
        phone.approve(&id, unlock, None, ctx)
    });
    assert!(matches!(result, Err(PhoneError::NotSaved(_))), "{result:?}");
    assert_eq!(world.run(&mut exchange).1, None);
    // The human mends the disk and says yes again.
    world.disk.broken = false;
    world.phone(|phone, unlock, ctx| phone.approve(&id, unlock, None, ctx)).unwrap();
    assert!(matches!(world.run(&mut exchange).1, Some(Ok(Finished::Approved(_)))));
}
