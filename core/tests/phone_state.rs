//! What a phone keeps: parts that get lost, a disk that breaks between them, backups, seeds that are removed, pairings that are blocked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use common::{NOW, URI, World, ask, device, number, yes};
use countersign_core::{
    ci::{CiPairing, Exchange, Failure, Finished},
    keys::{CiKey, DeviceRoot, UnlockRoot},
    otp::parse_otpauth,
    phone::{BackupError, Context, HistoryOutcome, Part, Phone, PhoneError, PhoneEvent, PhoneOutput, Restored},
    relay::{Frame, mailbox_address, parse_ticket},
    request::RequestId,
    seed::SealedSeed,
    time::Now,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// A phone with a seed and a pairing, and a request that waits on it.
fn asked() -> (World, Exchange, RequestId, SealedSeed, (CiPairing, String)) {
    let mut world = World::new();
    let (pairing, key) = world.pair();
    let kept = (pairing.clone(), key.to_text().to_string());
    let sealed = world.enrolled();
    let mut exchange = Exchange::new(pairing, key, ask(&sealed, 1), world.now);
    let (events, _) = world.run(&mut exchange);
    let id = world.phone.pending(world.now)[0].request_id;
    world.phone(|phone, _, ctx| phone.decide(&id, &yes(&number(&events)), ctx)).unwrap();
    (world, exchange, id, sealed, kept)
}

/// Another request of the same job, approved; the step of its code, or why there is none.
fn another(world: &mut World, sealed: &SealedSeed, (pairing, key): &(CiPairing, String)) -> Result<u64, Failure> {
    let key: CiKey = key.parse().unwrap();
    let mut exchange = Exchange::new(pairing.clone(), key, ask(sealed, 1), world.now);
    let (events, end) = world.run(&mut exchange);
    if let Some(end) = end {
        return Err(end.unwrap_err());
    }
    let id = world.phone.pending(world.now)[0].request_id;
    world.phone(|phone, unlock, ctx| {
        phone.decide(&id, &yes(&number(&events)), ctx).unwrap();
        phone.approve(&id, unlock, None, ctx).unwrap();
    });
    match world.run(&mut exchange).1 {
        Some(Ok(Finished::Approved(approval))) => Ok(approval.codes[0].0),
        other => panic!("{other:?}"),
    }
}

fn reopen(world: &mut World) {
    world.phone = Phone::open(device(), &world.disk.saved, world.now.unix).unwrap();
}

#[test]
fn a_disk_that_breaks_between_two_parts_issues_no_step_twice() {
    let mut approved = 0;
    for writes in 0..5 {
        let (mut world, mut exchange, id, sealed, kept) = asked();
        world.disk.writes = Some(writes);
        let answer = world.phone(|phone, unlock, ctx| phone.approve(&id, unlock, None, ctx));
        let end = world.run(&mut exchange).1;
        let step = match (&answer, end) {
            (Ok(()), Some(Ok(Finished::Approved(approval)))) => Some(approval.codes[0].0),
            (Err(PhoneError::NotSaved(_)), None) => None,
            other => panic!("{other:?}"),
        };
        approved += usize::from(step.is_some());
        // The process dies there, or goes on.
        world.disk.writes = None;
        let before_restart = step.is_none().then(|| {
            world.phone(|phone, unlock, ctx| phone.approve(&id, unlock, None, ctx)).unwrap();
            let Some(Ok(Finished::Approved(approval))) = world.run(&mut exchange).1 else { panic!("no code") };
            approval.codes[0].0
        });
        reopen(&mut world);
        assert!(world.phone.lost().is_empty());
        let next = another(&mut world, &sealed, &kept).unwrap();
        assert!(step.or(before_restart).unwrap() < next, "after {writes} writes");
    }
    assert!(approved > 0, "some of them must be enough");
}

#[test]
fn one_bad_part_does_not_take_the_others_with_it() {
    for part in Part::ALL {
        for damage in [|bytes: &mut Vec<u8>| bytes.clear(), |bytes: &mut Vec<u8>| bytes[30] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(40)]
        {
            let (mut world, _, id, sealed, kept) = asked();
            world.phone(|phone, unlock, ctx| phone.approve(&id, unlock, None, ctx)).unwrap();
            damage(world.disk.saved.get_mut(part.name()).unwrap());
            reopen(&mut world);
            let expected = if matches!(part, Part::Phone | Part::PhoneCopy) { vec![] } else { vec![part] };
            assert_eq!(world.phone.lost(), expected);
            assert_eq!(world.phone.identity().name, "pixel");
            let has = (!world.phone.pairings().is_empty(), !world.phone.seeds().is_empty(), !world.phone.history().is_empty());
            assert_eq!(has, (part != Part::Pairings, part != Part::Seeds, part != Part::History));
            // What was lost is whole again with the next change, and so is the copy.
            world.phone(|phone, unlock, ctx| phone.import(sealed.clone(), unlock, ctx)).unwrap();
            reopen(&mut world);
            assert!(world.phone.lost().is_empty());
            world.now.mono += 1;
            match another(&mut world, &sealed, &kept) {
                Ok(step) => assert!(step > NOW.unix / 30, "the step of the first code is not issued again, {part:?}"),
                Err(_) => assert_eq!(part, Part::Pairings),
            }
        }
    }
}

#[test]
fn without_both_copies_of_itself_it_can_not_be_read() {
    let mut world = World::new();
    world.disk.saved.remove(Part::Phone.name());
    assert!(Phone::open(device(), &world.disk.saved, NOW.unix).is_ok());
    world.disk.saved.remove(Part::PhoneCopy.name());
    assert_eq!(Phone::open(device(), &world.disk.saved, NOW.unix).err(), Some(PhoneError::StateUnreadable));
    let world = World::new();
    let other = DeviceRoot::from_slice(&[9; 32]).unwrap();
    assert_eq!(Phone::open(other, &world.disk.saved, NOW.unix).err(), Some(PhoneError::StateUnreadable));
}

#[test]
fn a_part_does_not_stand_for_another() {
    let (mut world, ..) = asked();
    let requests = world.disk.saved[Part::Requests.name()].clone();
    world.disk.saved.insert(Part::History.name().to_owned(), requests);
    reopen(&mut world);
    assert_eq!(world.phone.lost(), [Part::History]);
}

#[test]
fn only_what_changed_is_written() {
    let (mut world, ..) = asked();
    let before = world.disk.saved.clone();
    world.phone(|phone, _, ctx| phone.trust(&[7; 32], ctx)).unwrap();
    let changed: Vec<&str> =
        world.disk.saved.iter().filter(|(name, bytes)| before[*name] != **bytes).map(|(name, _)| name.as_str()).collect();
    assert_eq!(changed, ["phone", "phone-copy"]);
}

fn restore(world: &mut World, bytes: &[u8]) -> Result<Restored, PhoneError> {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    Phone::restore(bytes, &mut Context { now: world.now, rng: &mut rng, store: &mut world.disk })
}

#[test]
fn a_backup_takes_the_place_of_the_phone() {
    let (mut world, mut exchange, id, sealed, kept) = asked();
    let backup = world.phone(|phone, unlock, ctx| phone.back_up(Some(unlock), ctx.now.unix)).unwrap();
    // The old phone answers once more, of which the backup knows nothing.
    world.phone(|phone, unlock, ctx| phone.approve(&id, unlock, None, ctx)).unwrap();
    let Some(Ok(Finished::Approved(approval))) = world.run(&mut exchange).1 else { panic!("no code") };
    let restored = restore(&mut world, &backup).unwrap();
    assert_eq!((restored.device, restored.unlock, restored.made), (device(), UnlockRoot::from_slice(&[2; 32]), NOW.unix));
    world.phone = restored.phone;
    assert_eq!((world.phone.pairings().len(), world.phone.seeds().len()), (1, 1));
    assert!(approval.codes[0].0 < another(&mut world, &sealed, &kept).unwrap());
    reopen(&mut world);
    assert!(world.phone.lost().is_empty());
}

#[test]
fn the_unlock_key_is_in_a_backup_only_if_it_is_wanted() {
    let (mut world, ..) = asked();
    let without = world.phone.back_up(None, NOW.unix).unwrap();
    assert!(!without.windows(32).any(|window| window == [2; 32]));
    let with = world.phone(|phone, unlock, ctx| phone.back_up(Some(unlock), ctx.now.unix)).unwrap();
    assert!(with.windows(32).any(|window| window == [2; 32]), "the search itself works");
    assert_eq!(restore(&mut world, &without).unwrap().unlock, None);
    assert_eq!(world.phone.unlock_root_of(&without).err(), Some(PhoneError::UnlockKeyMissing));
    assert_eq!(world.phone.unlock_root_of(&with).ok(), UnlockRoot::from_slice(&[2; 32]));
    let stranger = UnlockRoot::from_slice(&[3; 32]).unwrap();
    assert_eq!(world.phone.back_up(Some(&stranger), NOW.unix).err(), Some(PhoneError::WrongUnlockKey));
}

#[test]
fn what_is_no_backup_is_told() {
    let (mut world, ..) = asked();
    let good = world.phone.back_up(None, NOW.unix).unwrap();
    let mut later = good.to_vec();
    // The map's first entry is the version.
    assert_eq!(later[1..4], *b"av\x01");
    later[3] = 2;
    for (bytes, error) in [
        (later.as_slice(), BackupError::Later),
        (&good[..good.len() - 1], BackupError::Damaged),
        (&[&good[..], &[0]].concat(), BackupError::Damaged),
        (b"", BackupError::Damaged),
        (b"hello", BackupError::Damaged),
    ] {
        assert_eq!(restore(&mut world, bytes).err(), Some(PhoneError::Backup(error)));
    }
}

#[test]
fn a_right_that_is_taken_away_ends_the_request_that_waits_for_it() {
    let (mut world, mut exchange, _, _, _) = asked();
    let (pairing, seed) = (world.phone.pairings()[0].id, world.phone.seeds()[0].id);
    world.phone(|phone, _, ctx| phone.allow(&pairing, &seed, true, ctx)).unwrap();
    assert_eq!(world.phone.pending(world.now).len(), 1);
    world.phone(|phone, _, ctx| phone.allow(&pairing, &seed, false, ctx)).unwrap();
    assert!(world.phone.pending(world.now).is_empty());
    assert_eq!(world.run(&mut exchange).1, Some(Err(Failure::Policy)));
    assert_eq!(world.phone.history().last().unwrap().outcome, HistoryOutcome::Policy);
}

#[test]
fn a_seed_that_is_removed_serves_no_more_and_its_steps_stay_burnt() {
    let (mut world, mut exchange, _, sealed, kept) = asked();
    let seed = world.phone.seeds()[0].id;
    // One request waits; it is refused.
    world.phone(|phone, _, ctx| phone.remove_seed(&seed, ctx)).unwrap();
    assert_eq!(world.run(&mut exchange).1, Some(Err(Failure::Policy)));
    assert!(world.phone.seeds().is_empty() && world.phone.pending(world.now).is_empty());
    let refused = world.phone.history().last().unwrap();
    assert_eq!((refused.outcome, refused.label.as_str()), (HistoryOutcome::Policy, "ACME:release"));
    assert_eq!(world.phone.pairings()[0].seeds, []);
    assert_eq!(another(&mut world, &sealed, &kept), Err(Failure::UnknownSeed));
    assert_eq!(world.phone(|phone, _, ctx| phone.remove_seed(&seed, ctx)), Err(PhoneError::NoSuchSeed));
    // It comes back, serves, goes and comes back.
    world.phone(|phone, unlock, ctx| phone.import(sealed.clone(), unlock, ctx)).unwrap();
    let first = another(&mut world, &sealed, &kept).unwrap();
    let seed = world.phone.seeds()[0].id;
    world.phone(|phone, _, ctx| phone.remove_seed(&seed, ctx)).unwrap();
    let again = world.phone(|phone, unlock, ctx| phone.enroll(&parse_otpauth(URI).unwrap(), &[], unlock, ctx)).unwrap();
    assert!(first < another(&mut world, &again, &kept).unwrap());
}

#[test]
fn a_blocked_pairing_is_told_once_and_never_heard_again() {
    let (mut world, mut exchange, id, sealed, kept) = asked();
    world.phone(|phone, _, ctx| phone.block(&id, ctx)).unwrap();
    assert_eq!(world.run(&mut exchange).1, Some(Err(Failure::Denied { reason: "this pairing was blocked".into() })));
    assert!(world.phone.pairings().is_empty());
    assert_eq!(world.phone.history().last().unwrap().outcome, HistoryOutcome::Denied);
    assert!(another(&mut world, &sealed, &kept).is_err());
    assert_eq!(world.phone(|phone, _, ctx| phone.block(&id, ctx)), Err(PhoneError::NoSuchRequest));
}

#[test]
fn a_block_that_can_not_be_saved_leaves_the_request_waiting() {
    let (mut world, mut exchange, id, _, kept) = asked();
    world.disk.broken = true;
    assert!(matches!(world.phone(|phone, _, ctx| phone.block(&id, ctx)), Err(PhoneError::NotSaved(_))));
    assert_eq!(world.run(&mut exchange).1, None, "the job is told nothing");
    assert_eq!((world.phone.pending(world.now).len(), world.phone.pairings().len()), (1, 1));
    world.disk.broken = false;
    world.phone(|phone, _, ctx| phone.block(&id, ctx)).unwrap();
    assert_eq!(world.run(&mut exchange).1, Some(Err(Failure::Denied { reason: "this pairing was blocked".into() })));
    reopen(&mut world);
    assert!(world.phone.pairings().is_empty() && world.phone.has_paired(&kept.0.pairing_id));
}

#[test]
fn killed_while_it_begins_anew_it_issues_no_step_twice() {
    let period = 30;
    for writes in 0..=Part::ALL.len() {
        let (mut world, mut exchange, id, sealed, kept) = asked();
        world.phone(|phone, unlock, ctx| phone.approve(&id, unlock, None, ctx)).unwrap();
        let Some(Ok(Finished::Approved(first))) = world.run(&mut exchange).1 else { panic!("no code") };
        world.disk.saved.remove(Part::Seeds.name());
        reopen(&mut world);
        world.disk.writes = Some(writes);
        let _ = world.phone(|phone, unlock, ctx| phone.import(sealed.clone(), unlock, ctx));
        world.disk.writes = None;
        reopen(&mut world);
        world.phone(|phone, unlock, ctx| phone.import(sealed.clone(), unlock, ctx)).unwrap();
        let next = another(&mut world, &sealed, &kept).unwrap();
        assert!(next > first.codes[0].0 && next > NOW.unix / period, "after {writes} writes");
    }
}

#[test]
fn a_relay_is_told_of_pairings_taken_back_for_a_month() {
    const DAY: u64 = 24 * 3600;
    let mut world = World::new();
    let (pairing, _) = world.pair();
    world.phone(|phone, _, ctx| phone.revoke(&pairing.pairing_id, ctx)).unwrap();
    for (days, relays) in [(0, 1), (29, 1), (30, 0)] {
        world.now.unix = NOW.unix + days * DAY;
        reopen(&mut world);
        assert_eq!(world.phone.relays().len(), relays, "after {days} days");
    }
    // A phone that runs on learns it with the next end of a connection.
    world.now.unix = NOW.unix;
    reopen(&mut world);
    let relay = world.relay.clone();
    world.phone.connected(&relay, &[7; 32]);
    world.now.unix = NOW.unix + 30 * DAY;
    world.phone(|phone, _, ctx| phone.disconnected(&relay, ctx));
    assert!(world.phone.relays().is_empty() && world.phone.has_paired(&pairing.pairing_id));
    // While another pairing needs the relay anyway, it is told.
    world.now.unix = NOW.unix;
    reopen(&mut world);
    world.pair();
    world.now.unix = NOW.unix + 365 * DAY;
    reopen(&mut world);
    world.phone.connected(&relay, &[7; 32]);
    let proofs = std::iter::from_fn(|| world.phone.poll_output()).filter(|it| matches!(it, PhoneOutput::Send { .. })).count();
    assert_eq!(proofs, 2);
}

#[test]
fn another_device_is_told_once_and_has_the_mailbox() {
    let mut world = World::new();
    let mailboxes: Vec<_> =
        (0..2).map(|_| parse_ticket(&world.pair().0.ticket).unwrap().mailbox_public).map(|it| mailbox_address(&it)).collect();
    let relay = world.relay.clone();
    let evicted = |world: &mut World| {
        world.phone.connected(&relay, &[7; 32]);
        for mailbox in &mailboxes {
            world.deliver(&Frame::Evicted { mailbox: *mailbox }.encode());
        }
        let outputs: Vec<_> = std::iter::from_fn(|| world.phone.poll_output()).collect();
        let proofs = outputs.iter().filter(|it| matches!(it, PhoneOutput::Send { .. })).count();
        let told = outputs.iter().filter(|it| matches!(it, PhoneOutput::Event(PhoneEvent::Evicted(_)))).count();
        (proofs, told)
    };
    // It proves nothing again by itself: the two would fight for ever.
    assert_eq!(evicted(&mut world), (2, 1));
    assert_eq!(evicted(&mut world), (2, 1), "on the next connection it does");
}

#[test]
fn a_phone_that_ends_tells_what_it_no_longer_shows() {
    let (mut world, ..) = asked();
    world.phone.shut_down();
    let outputs: Vec<_> = std::iter::from_fn(|| world.phone.poll_output()).collect();
    assert!(outputs.iter().any(|it| matches!(it, PhoneOutput::Event(PhoneEvent::Withdrawn(_)))), "{outputs:?}");
    assert!(world.phone.pending(world.now).is_empty());
}

#[test]
fn a_job_with_a_wrong_clock_is_noticed() {
    let (mut world, _, _, sealed, (pairing, key)) = asked();
    let late = Now { unix: NOW.unix - 3600, mono: NOW.mono };
    let mut exchange = Exchange::new(pairing, key.parse().unwrap(), ask(&sealed, 1), late);
    let mut seen = Vec::new();
    while let Some(output) = exchange.poll_output() {
        if let countersign_core::ci::Output::Connect = output {
            exchange.connected([7; 32], late, &mut world.rng);
        } else if let countersign_core::ci::Output::Send(frame) = output {
            world.deliver(&frame);
        }
    }
    while let Some(output) = world.phone.poll_output() {
        if let countersign_core::phone::PhoneOutput::Event(countersign_core::phone::PhoneEvent::ClockApart(_, seconds)) = output {
            seen.push(seconds);
        }
    }
    assert_eq!(seen, [-3600]);
}
