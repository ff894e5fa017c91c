//! Which pairing may use which seed: default deny (docs/PROTOCOL.md §3, §5.4).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use countersign_core::{
    ci::Failure,
    keys::UnlockRoot,
    otp::parse_otpauth,
    seed::{age_recipient, seal},
};
use countersign_tests::sim::{Mood, World};

const MINUTE: u64 = 60_000;

#[test]
fn a_first_use_that_is_not_granted_is_refused() {
    let mut world = World::new(1, 1);
    world.human.mood = Mood::ApproveWithoutGrant;
    let job = world.start(0, world.ask(1, MINUTE));
    world.run_until(2 * MINUTE);
    assert_eq!(world.end(job), Some(&Err(Failure::Policy)));
}

#[test]
fn a_grant_lasts_and_is_for_one_pairing() {
    let mut world = World::new(2, 2);
    let job = world.start(0, world.ask(1, MINUTE));
    world.run_until(2 * MINUTE);
    assert_eq!(world.codes(job).len(), 1);
    world.human.mood = Mood::ApproveWithoutGrant;
    let jobs = [world.start(0, world.ask(1, MINUTE)), world.start(1, world.ask(1, MINUTE))];
    world.run_until(5 * MINUTE);
    assert_eq!(world.codes(jobs[0]).len(), 1, "granted before");
    assert_eq!(world.end(jobs[1]), Some(&Err(Failure::Policy)), "another pairing");
}

#[test]
fn an_explicit_denial_is_not_even_shown() {
    let mut world = World::new(3, 1);
    let (pairing, seed) = (world.pairing(0).0.pairing_id, world.phone.seeds()[0].id);
    world.allow(&pairing, &seed, false);
    let job = world.start(0, world.ask(1, MINUTE));
    world.run_until(2 * MINUTE);
    assert_eq!(world.end(job), Some(&Err(Failure::Policy)));
    assert!(world.human.prompts.is_empty());
}

#[test]
fn a_sealed_file_that_the_phone_does_not_know_is_not_shown() {
    let mut world = World::new(4, 1);
    let phone = world.phone.identity().recipient;
    let stranger = UnlockRoot::from_slice(&[9; 32]).unwrap();
    let otpauth = parse_otpauth("otpauth://totp/evil?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
    let another = age_recipient(&stranger.derive_age_identity()).unwrap();
    for recipient in [phone, another] {
        let file = seal(&otpauth, [7; 16], 1, &stranger.derive_signing(), &[recipient]).unwrap();
        let ask = countersign_core::ci::Ask { sealed: Some(file), ..world.ask(1, MINUTE) };
        let job = world.start(0, ask);
        world.run_until(world.mono() + 2 * MINUTE);
        assert_eq!(world.end(job), Some(&Err(Failure::UnknownSeed)));
    }
    assert!(world.human.prompts.is_empty());
}
