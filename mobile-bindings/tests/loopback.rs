//! The engine over a real relay on this machine: pairing, approving, what is withdrawn, stopped or revoked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::{
    sync::{Arc, Mutex, atomic::Ordering, mpsc},
    time::Duration,
};

use common::{App, Digits, Events, Laptop, PASSPHRASE, PATIENCE, URI, World, reopened, runtime, wait};
use countersign_core::{
    ci::{Failure, Finished},
    otp::{compute, parse_otpauth},
    pairing::AwaitP1,
    request::Outcome,
};
use countersign_mobile::{
    Attention, Authenticator, AuthenticatorError, Connection, Event, Gone, HistoryOutcome, KeychainError, LinkState, LostPart, Observer,
    ObserverError, SeedImport,
};
use rand_core::OsRng;
use tokio::time::timeout;

#[test]
fn a_whole_approval() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let pending = world.phone.pending().unwrap();
    let (verified, claimed) = (&pending[0].verified, &pending[0].claimed);
    assert_eq!((verified.pairing.as_str(), verified.seed.as_deref()), ("acme/widget", Some("ACME:release")));
    assert_eq!((claimed.seed_name.as_str(), claimed.reason.as_str(), &claimed.new_seed), ("npm", "release 1.2", &None));
    let approve = || wait(world.phone.approve(pending[0].id.clone(), number.clone(), None, true, None));
    // Whatever comes in between, the request waits on.
    for (problem, expected) in [
        (KeychainError::Cancelled, "unlocking was cancelled"),
        (KeychainError::LockedOut, "too many attempts"),
        (KeychainError::Invalidated, "the system has destroyed the key"),
    ] {
        *world.app.problem.lock().unwrap() = Some(problem.clone());
        let error = approve().unwrap_err();
        assert_eq!(matches!(error, AuthenticatorError::SetUp(_)), problem == KeychainError::Invalidated, "{error:?}");
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(world.phone.pending().unwrap().len(), 1);
    }
    *world.app.problem.lock().unwrap() = None;
    // As well if the app gives up while the person is being asked.
    world.app.waits.store(true, Ordering::SeqCst);
    let given_up = world.phone.approve(pending[0].id.clone(), number.clone(), None, true, None);
    assert!(wait(async { timeout(Duration::from_millis(200), given_up).await }).is_err());
    world.app.waits.store(false, Ordering::SeqCst);
    assert_eq!(world.phone.pending().unwrap().len(), 1);
    approve().unwrap();
    world.until(|event| matches!(event, Event::RequestGone { why: Gone::Answered, .. }));
    let Some(Ok(Finished::Approved(approval))) = ci.run(|_| false) else { panic!("no codes") };
    let code = &approval.codes[0];
    assert_eq!(code.1.expose(), compute(&parse_otpauth(URI).unwrap(), code.0).expose());
    ci.exchange.report(Outcome::Used);
    ci.run(|_| true);
    world.until(|event| matches!(event, Event::Settled { .. }));
    let history = world.phone.history().unwrap();
    assert_eq!(history.last().unwrap().outcome, HistoryOutcome::Used);
    assert!(matches!(approve(), Err(AuthenticatorError::Gone(_))));
}

#[test]
fn a_wrong_number_ends_it() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    let wrong = if number == "000000" { "000001" } else { "000000" };
    assert!(matches!(wait(world.phone.approve(id, wrong.into(), None, true, None)), Err(AuthenticatorError::WrongNumber(_))));
    assert_eq!(ci.run(|_| false), Some(Err(Failure::WrongNumber)));
}

#[test]
fn the_job_hears_that_the_phone_stops() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let started = std::time::Instant::now();
    wait(world.phone.disconnect()).unwrap();
    // Nothing was approved: the job asks afresh and waits for the phone to come back.
    assert_eq!(ci.run(|ci| ci.away), None);
    assert!(world.phone.pending().unwrap().is_empty());
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn a_revoked_pairing_is_turned_away_at_once() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let id = world.phone.pairings().unwrap()[0].id.clone();
    wait(world.phone.revoke(id)).unwrap();
    world.until(|event| matches!(event, Event::RequestGone { why: Gone::Withdrawn, .. }));
    assert!(world.phone.pending().unwrap().is_empty());
    assert_eq!(ci.run(|_| false), Some(Err(Failure::TicketRefused)));
}

#[test]
fn a_pairing_made_while_running_is_served() {
    let world = World::new();
    wait(world.phone.connect()).unwrap();
    world.asked();
}

#[test]
fn a_second_pairing_at_the_same_relay_is_served() {
    let world = World::new();
    world.pair();
    wait(world.phone.connect()).unwrap();
    world.asked();
}

#[test]
fn starting_and_stopping_from_several_threads() {
    let world = World::new();
    world.pair();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    wait(world.phone.connect()).unwrap();
                    wait(world.phone.disconnect()).unwrap();
                }
            });
        }
    });
    world.events.try_iter().for_each(drop);
    world.asked();
}

#[test]
fn pairings_that_come_to_nothing() {
    let world = World::new();
    // The laptop gives up after the digits.
    let laptop = AwaitP1::make("acme/widget", world.relay.clone(), &mut OsRng);
    let (answer, digits) = world.phone_pairs(laptop.code().to_text().to_string());
    runtime().block_on(async {
        let mut link = Laptop::meet(&world.relay, &laptop).await;
        let (laptop, p2) = laptop.receive(&link.hear().await, &mut OsRng).unwrap();
        link.say(&p2).await;
        laptop.receive(&link.hear().await).unwrap().check("not the digits").err().unwrap();
        assert_eq!(digits.recv_timeout(PATIENCE).unwrap().len(), 6);
    });
    assert!(matches!(answer.recv_timeout(PATIENCE).unwrap(), Err(AuthenticatorError::StartAgain(_))));
    // The person gives up before the laptop has come.
    let laptop = AwaitP1::make("acme/widget", world.relay.clone(), &mut OsRng);
    let (show, _digits) = mpsc::channel();
    let given_up = world.phone.pair(laptop.code().to_text().to_string(), Arc::new(Digits(show)));
    assert!(wait(async { timeout(Duration::from_millis(300), given_up).await }).is_err());
    // The same by a call, for languages whose cancelling does not reach this far.
    let (answer, _digits) = world.phone_pairs(AwaitP1::make("acme/widget", world.relay.clone(), &mut OsRng).code().to_text().to_string());
    let cancelled = loop {
        world.phone.cancel_pairing().unwrap();
        if let Ok(answer) = answer.recv_timeout(Duration::from_millis(20)) {
            break answer;
        }
    };
    assert!(matches!(cancelled, Err(AuthenticatorError::StartAgain(_))));
    // Nobody listens there.
    let laptop = AwaitP1::make("acme/widget", "ws://127.0.0.1:9".parse().unwrap(), &mut OsRng);
    let (answer, _digits) = world.phone_pairs(laptop.code().to_text().to_string());
    assert!(matches!(answer.recv_timeout(PATIENCE).unwrap(), Err(AuthenticatorError::TryAgain(_))));
    assert!(world.phone.pairings().unwrap().is_empty());
}

#[test]
fn a_bad_blob_is_told_and_the_rest_is_there() {
    let world = World::new();
    world.pair();
    world.enroll();
    world.app.blobs.lock().unwrap().insert("seeds".into(), b"not what it was".to_vec());
    let (phone, events) = reopened(&world);
    wait(phone.connect()).unwrap();
    let told = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told, Event::AttentionNeeded { attention: Attention::Lost { what: LostPart::Seeds } });
    assert_eq!((phone.seeds().unwrap().len(), phone.pairings().unwrap().len()), (0, 1));
    assert_eq!((phone.lost().unwrap(), world.phone.lost().unwrap()), (vec![LostPart::Seeds], vec![]));
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    let approve = || wait(world.phone.approve(id.clone(), number.clone(), None, true, None));
    // The third write fails, and then all of them.
    *world.app.writes.lock().unwrap() = Some(2);
    assert!(matches!(approve(), Err(AuthenticatorError::Storage(_))));
    assert!(matches!(approve(), Err(AuthenticatorError::Storage(_))));
    assert_eq!(world.phone.pending().unwrap().len(), 1);
    *world.app.writes.lock().unwrap() = None;
    approve().unwrap();
    assert!(matches!(ci.run(|_| false), Some(Ok(Finished::Approved(_)))));
}

#[test]
fn another_phone_takes_its_place_by_a_backup() {
    let world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enroll();
    let short = wait(world.phone.back_up("too short".into(), true));
    assert!(matches!(short, Err(AuthenticatorError::BadInput(_))));
    let backup = wait(world.phone.back_up(PASSPHRASE.into(), true)).unwrap();
    let (tell, events) = mpsc::channel();
    let observer: Arc<dyn Observer> = Arc::new(Events(tell));
    let app = Arc::new(App::default());
    let restore = |backup: Vec<u8>, passphrase: &str| {
        wait(Authenticator::restore(backup, passphrase.into(), app.clone(), app.clone(), observer.clone()))
    };
    for (bytes, passphrase) in
        [(backup.clone(), "wrong horse battery"), (backup[..backup.len() - 1].to_vec(), PASSPHRASE), (b"hello".to_vec(), PASSPHRASE)]
    {
        assert!(matches!(restore(bytes, passphrase), Err(AuthenticatorError::BadInput(_))));
        assert!(app.blobs.lock().unwrap().is_empty() && app.secrets.lock().unwrap().is_empty(), "nothing is begun");
    }
    wait(world.phone.disconnect()).unwrap();
    let phone = restore(backup, PASSPHRASE).unwrap();
    assert_eq!((phone.identity().unwrap(), phone.seeds().unwrap()), (world.phone.identity().unwrap(), world.phone.seeds().unwrap()));
    // It answers in the place of the other.
    let world = World { phone, app: app.clone(), events, ..world };
    let (mut ci, number) = world.asks(pairing, key, sealed);
    let id = world.phone.pending().unwrap()[0].id.clone();
    wait(world.phone.approve(id, number, None, true, None)).unwrap();
    assert!(matches!(ci.run(|_| false), Some(Ok(Finished::Approved(_)))));
    assert!(matches!(restore(vec![], PASSPHRASE), Err(AuthenticatorError::SetUp(_))), "not over a phone that is there");
}

#[test]
fn an_unlock_key_comes_back_from_a_backup() {
    let world = World::new();
    world.enroll();
    let with = wait(world.phone.back_up(PASSPHRASE.into(), true)).unwrap();
    *world.app.problem.lock().unwrap() = Some(KeychainError::Cancelled);
    // Nobody is asked for what a backup does not hold.
    let without = wait(world.phone.back_up(PASSPHRASE.into(), false)).unwrap();
    assert!(matches!(wait(world.phone.back_up(PASSPHRASE.into(), true)), Err(AuthenticatorError::Unlock(_))));
    *world.app.problem.lock().unwrap() = None;
    // A new fingerprint.
    world.app.protected.lock().unwrap().clear();
    let bring_back = |backup: &[u8]| wait(world.phone.restore_unlock_key(backup.to_vec(), PASSPHRASE.into()));
    assert!(matches!(bring_back(&without), Err(AuthenticatorError::BadInput(_))));
    let stranger = wait(World::new().phone.back_up(PASSPHRASE.into(), true)).unwrap();
    assert!(matches!(bring_back(&stranger), Err(AuthenticatorError::SetUp(_))));
    bring_back(&with).unwrap();
    world.enroll();
}

#[test]
fn a_new_network_is_used_at_once() {
    let world = World::new();
    let (mut ci, number) = world.asked();
    let connected =
        |event: &Event| matches!(event, Event::ConnectionChanged { connection: Connection { state: LinkState::Connected, .. } });
    wait(world.phone.network_changed()).unwrap();
    world.until(connected);
    // The request is still there, and its job finds the way to the new connection.
    let id = world.phone.pending().unwrap()[0].id.clone();
    wait(world.phone.approve(id, number, None, true, None)).unwrap();
    assert!(matches!(ci.run(|_| false), Some(Ok(Finished::Approved(_)))));
}

#[test]
fn a_blocked_pairing_is_gone() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    wait(world.phone.block(id)).unwrap();
    assert!(world.phone.pairings().unwrap().is_empty());
    assert!(matches!(ci.run(|_| false), Some(Err(Failure::Denied { .. }))));
}

#[test]
fn nobody_waits_for_an_observer_that_calls_back() {
    struct Calls(Mutex<Option<Arc<Authenticator>>>, mpsc::Sender<usize>);
    impl Observer for Calls {
        fn on_event(&self, _: Event) -> Result<(), ObserverError> {
            let phone = self.0.lock().unwrap().clone();
            let connections = phone.map_or(0, |phone| phone.connections().unwrap().len());
            self.1.send(connections).map_err(|_| ObserverError::Failed)
        }
    }
    let world = World::new();
    world.pair();
    let (tell, told) = mpsc::channel();
    let observer = Arc::new(Calls(Mutex::new(None), tell));
    let phone = wait(Authenticator::open(world.app.clone(), world.app.clone(), observer.clone())).unwrap();
    *observer.0.lock().unwrap() = Some(phone.clone());
    wait(phone.connect()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 1);
    wait(phone.disconnect()).unwrap();
    *observer.0.lock().unwrap() = None;
}

#[test]
fn seeds_come_in_as_pictures_and_exports() {
    let world = World::new();
    let export = "otpauth-migration://offline?data=CjUKFDEyMzQ1Njc4OTAxMjM0NTY3ODkwEhFhbGljZUBleGFtcGxlLm9yZxoEQUNNRSABKAEwAgo2CiAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMhIHbnBtOmJvYhoDbnBtIAIoAjACEAEYASjHn%2F%2F%2F%2F%2F%2F%2F%2F%2F8B";
    let seeds = SeedImport::from_text(export.into()).unwrap();
    let labels: Vec<String> = seeds.entries().unwrap().into_iter().map(|entry| entry.label).collect();
    assert_eq!(labels, ["ACME:alice@example.org", "npm:bob"]);
    let enrolled = wait(world.phone.enroll(seeds.clone(), vec![0, 1], vec![])).unwrap();
    assert_eq!(enrolled.len(), 2);
    assert_eq!(world.phone.seeds().unwrap().len(), 2);
    for indices in [vec![], vec![2]] {
        assert!(matches!(wait(world.phone.enroll(seeds.clone(), indices, vec![])), Err(AuthenticatorError::BadInput(_))));
    }
    for bad in [&b"no picture"[..], &[0xff, 0xd8, 0xff, 0xe0]] {
        assert!(matches!(wait(SeedImport::from_picture(bad.to_vec())), Err(AuthenticatorError::BadInput(_))));
    }
    let id = world.phone.seeds().unwrap()[0].id.clone();
    wait(world.phone.remove_seed(id.clone())).unwrap();
    assert!(matches!(wait(world.phone.remove_seed(id)), Err(AuthenticatorError::Gone(_))));
}
