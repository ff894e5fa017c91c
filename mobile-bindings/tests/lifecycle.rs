//! What an app does to a phone: killed, cancelled, opened over what is left of another, on two devices at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, atomic::Ordering, mpsc},
    task::{Context, Poll, Waker},
};

use common::{App, Digits, Events, Laptop, PASSPHRASE, PATIENCE, URI, World, reopened, runtime, wait};
use countersign_core::{ci::Failure, pairing::AwaitP1};
use countersign_mobile::{
    Attention, Authenticator, AuthenticatorError, Connection, Event, Found, Gone, HistoryOutcome, LinkState, LostPart, Observer,
    ObserverError, SeedImport, Storage, StorageError, find_phone,
};
use rand_core::OsRng;
use tokio::time::timeout;

fn create(app: &Arc<App>) -> Result<Arc<Authenticator>, AuthenticatorError> {
    let (tell, _) = mpsc::channel();
    wait(Authenticator::create("pixel".into(), app.clone(), app.clone(), Arc::new(Events(tell))))
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn found(app: &Arc<App>) -> Found {
    wait(find_phone(app.clone(), app.clone())).unwrap()
}

fn is(state: LinkState) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::ConnectionChanged { connection: Connection { state: now, .. } } if *now == state)
}

#[test]
fn a_new_phone_takes_nothing_from_what_is_left_of_another() {
    let world = World::new();
    world.enroll();
    let app = world.app.clone();
    let root = app.secrets.lock().unwrap().remove("device-root").unwrap();
    let before = (app.blobs.lock().unwrap().clone(), app.protected.lock().unwrap().clone());
    let Err(AuthenticatorError::SetUp(why)) = create(&app) else { panic!("it began anew") };
    assert!(why.contains("device key is missing"), "{why}");
    let (tell, _) = mpsc::channel();
    let opened = wait(Authenticator::open(app.clone(), app.clone(), Arc::new(Events(tell))));
    let Some(AuthenticatorError::SetUp(why)) = opened.err() else { panic!("it opened") };
    assert!(why.contains("device key is missing") && !why.contains("set this phone up"), "{why}");
    assert_eq!((app.blobs.lock().unwrap().clone(), app.protected.lock().unwrap().clone()), before);
    // The key comes back, and so does the phone.
    app.secrets.lock().unwrap().insert("device-root".into(), root);
    assert_eq!(reopened(&world).0.seeds().unwrap().len(), 1);
    assert!(matches!(create(&app), Err(AuthenticatorError::SetUp(_))));
}

#[test]
fn an_attempt_to_set_up_that_was_not_finished_may_be_repeated() {
    let blobs = {
        let app = Arc::new(App::default());
        create(&app).unwrap();
        app.blobs.lock().unwrap().len()
    };
    for writes in 0..blobs {
        let app = Arc::new(App::default());
        assert_eq!(found(&app), Found::NoPhone);
        *app.writes.lock().unwrap() = Some(writes);
        assert!(matches!(create(&app), Err(AuthenticatorError::Storage(_))), "after {writes} writes");
        *app.writes.lock().unwrap() = None;
        assert_eq!(found(&app), Found::NoPhone, "after {writes} writes");
        create(&app).unwrap();
        assert_eq!(found(&app), Found::Phone);
    }
    // Killed between the key and the mark: it is a phone, and opening it completes it.
    let world = World::new();
    let complete = world.app.blobs.lock().unwrap().insert("complete".into(), vec![0]).unwrap();
    assert_eq!(found(&world.app), Found::Phone);
    reopened(&world);
    assert_eq!(world.app.blobs.lock().unwrap()["complete"], complete);
}

#[test]
fn what_is_left_of_a_phone_is_found_and_is_none() {
    let world = World::new();
    let app = &world.app;
    let remains = |app: &Arc<App>| matches!(found(app), Found::Remains { .. }) && matches!(create(app), Err(AuthenticatorError::SetUp(_)));
    let blobs = std::mem::take(&mut *app.blobs.lock().unwrap());
    assert!(remains(app), "keys alone");
    *app.blobs.lock().unwrap() = blobs;
    let root = app.secrets.lock().unwrap().remove("device-root").unwrap();
    assert!(remains(app), "blobs alone");
    // Nothing says any more that it was finished; nothing says that it was not, either.
    app.blobs.lock().unwrap().remove("complete").unwrap();
    assert!(remains(app), "blobs without the mark");
    app.secrets.lock().unwrap().insert("device-root".into(), root);
    assert_eq!(found(app), Found::Phone);
    reopened(&world);
}

#[test]
fn what_was_lost_is_known_until_somebody_accepts_it() {
    let world = World::new();
    world.enroll();
    world.pair();
    let damage = |part: &str| world.app.blobs.lock().unwrap().insert(part.into(), b"damaged".to_vec());
    let lost = |event: Event| matches!(event, Event::AttentionNeeded { attention: Attention::Lost { .. } });
    let enroll = |phone: &Authenticator| wait(phone.enroll(SeedImport::from_text(URI.into()).unwrap(), vec![0], vec![]));
    damage("seeds");
    damage("history");
    let (phone, events) = reopened(&world);
    assert_eq!(phone.lost().unwrap(), [LostPart::Seeds, LostPart::History]);
    for _ in 0..2 {
        assert!(lost(events.recv_timeout(PATIENCE).unwrap()));
    }
    // Nothing is written anew before it is remembered that it was lost.
    *world.app.writes.lock().unwrap() = Some(0);
    assert!(matches!(enroll(&phone), Err(AuthenticatorError::Storage(_))));
    *world.app.writes.lock().unwrap() = None;
    enroll(&phone).unwrap();
    drop(phone);
    let (phone, events) = reopened(&world);
    assert_eq!((phone.seeds().unwrap().len(), phone.lost().unwrap()), (1, vec![LostPart::Seeds]), "a history is missed by no backup");
    wait(phone.accept_loss()).unwrap();
    assert_eq!(phone.lost().unwrap(), []);
    drop(phone);
    // The channel is closed when everything has been told.
    assert_eq!(events.iter().filter(|event| lost(event.clone())).count(), 0, "once is enough");
    assert_eq!(reopened(&world).0.lost().unwrap(), []);
    // Also where nothing else has written the list anew.
    damage("pairings");
    wait(reopened(&world).0.accept_loss()).unwrap();
    assert_eq!(reopened(&world).0.lost().unwrap(), []);
    // What another phone has lost here is none of the next one's.
    let app = Arc::new(App::default());
    app.blobs.lock().unwrap().insert("lost".into(), b"seeds".to_vec());
    assert_eq!(create(&app).unwrap().lost().unwrap(), []);
}

#[test]
fn two_attempts_to_set_up_at_once_make_one_phone() {
    let app = Arc::new(App::default());
    let made: Vec<_> = std::thread::scope(|scope| {
        let attempts: Vec<_> = (0..4).map(|_| scope.spawn(|| create(&app).map(|phone| phone.identity().unwrap()))).collect();
        attempts.into_iter().filter_map(|attempt| attempt.join().unwrap().ok()).collect()
    });
    assert_eq!(made.len(), 1);
    let (tell, _events) = mpsc::channel();
    let phone = wait(Authenticator::open(app.clone(), app.clone(), Arc::new(Events(tell)))).unwrap();
    assert_eq!(phone.identity().unwrap(), made[0]);
    // The key that is protected is this phone's.
    wait(phone.enroll(SeedImport::from_text(URI.into()).unwrap(), vec![0], vec![])).unwrap();
}

#[test]
fn a_prompt_ends_when_it_is_taken_back_and_with_its_request() {
    let world = World::new();
    let (_ci, number) = world.asked();
    let pending = world.phone.pending().unwrap().remove(0);
    world.app.waits.store(true, Ordering::SeqCst);
    let mut prompts = world.app.prompts.subscribe();
    let mut open = |number| {
        let changed = prompts.wait_for(|open| *open == number);
        drop(wait(async { timeout(PATIENCE, changed).await }).unwrap().unwrap());
    };
    let mut ends = |end: &dyn Fn()| {
        let (phone, id, number, (say, heard)) = (world.phone.clone(), pending.id.clone(), number.clone(), mpsc::channel());
        std::thread::spawn(move || say.send(wait(phone.approve(id, number, None, true, None))));
        open(1);
        end();
        let answer = heard.recv_timeout(PATIENCE).unwrap();
        open(0);
        answer
    };
    // Taken back before it is there, it does not come.
    let mut approving = pin!(world.phone.approve(pending.id.clone(), number.clone(), None, true, None));
    assert!(poll_once(approving.as_mut()).is_pending());
    world.phone.cancel_unlock().unwrap();
    let answer = wait(approving);
    assert!(matches!(answer, Err(AuthenticatorError::Unlock(_))), "{answer:?}");
    // The person's app takes it back: nothing is decided.
    let answer = ends(&|| world.phone.cancel_unlock().unwrap());
    assert!(matches!(answer, Err(AuthenticatorError::Unlock(_))), "{answer:?}");
    assert_eq!(world.phone.pending().unwrap().len(), 1);
    let answer = ends(&|| wait(world.phone.revoke(pending.verified.pairing_id.clone())).unwrap());
    assert!(matches!(answer, Err(AuthenticatorError::Gone(_))), "{answer:?}");
}

#[test]
fn two_devices_with_one_backup_do_not_fight() {
    let world = World::new();
    world.pair();
    let backup = wait(world.phone.back_up(PASSPHRASE.into(), true)).unwrap();
    let (tell, events) = mpsc::channel();
    let app = Arc::new(App::default());
    let second = wait(Authenticator::restore(backup, PASSPHRASE.into(), app.clone(), app.clone(), Arc::new(Events(tell)))).unwrap();
    let until = |wanted: &dyn Fn(&Event) -> bool| while !wanted(&events.recv_timeout(PATIENCE).unwrap()) {};
    wait(world.phone.connect()).unwrap();
    world.until(is(LinkState::Connected));
    wait(second.connect()).unwrap();
    until(&is(LinkState::Connected));
    world.until(is(LinkState::Evicted));
    assert_eq!(world.phone.connections().unwrap()[0].state, LinkState::Evicted);
    // Whoever's owner opens the app has the requests.
    wait(world.phone.connect()).unwrap();
    world.until(is(LinkState::Connected));
    until(&is(LinkState::Evicted));
    wait(second.network_changed()).unwrap();
    until(&is(LinkState::Connected));
    world.until(is(LinkState::Evicted));
    // Nobody did anything by itself: each change was somebody's call.
    wait(world.phone.disconnect()).unwrap();
    world.until(is(LinkState::Disconnected));
    assert_eq!(second.connections().unwrap()[0].state, LinkState::Connected);
    assert!(events.try_recv().is_err());
}

#[test]
fn what_waits_is_gone_and_not_answered_when_the_phone_disconnects() {
    let world = World::new();
    let (_ci, _) = world.asked();
    wait(world.phone.disconnect()).unwrap();
    world.until(|event| matches!(event, Event::RequestGone { why: Gone::Withdrawn, .. }));
    world.until(is(LinkState::Disconnected));
}

#[test]
fn an_observer_may_wait_for_every_method() {
    struct Stops(Mutex<Option<Arc<Authenticator>>>, mpsc::Sender<()>);
    impl Observer for Stops {
        fn on_event(&self, event: Event) -> Result<(), ObserverError> {
            let phone = self.0.lock().unwrap().clone();
            if let Some(phone) = phone.filter(|_| is(LinkState::Connected)(&event)) {
                wait(phone.disconnect()).unwrap();
                self.1.send(()).map_err(|_| ObserverError::Failed)?;
            }
            Ok(())
        }
    }
    let world = World::new();
    world.pair();
    let (tell, told) = mpsc::channel();
    let observer = Arc::new(Stops(Mutex::new(None), tell));
    let phone = wait(Authenticator::open(world.app.clone(), world.app.clone(), observer.clone())).unwrap();
    *observer.0.lock().unwrap() = Some(phone.clone());
    wait(phone.connect()).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    *observer.0.lock().unwrap() = None;
}

/// Cancels the pairing in the moment in which it is stored.
struct Late(Arc<App>, Mutex<Option<Arc<Authenticator>>>);

impl Storage for Late {
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, StorageError> {
        Storage::load(&*self.0, name)
    }
    fn save(&self, name: String, bytes: Vec<u8>) -> Result<(), StorageError> {
        if let Some(phone) = &*self.1.lock().unwrap() {
            phone.cancel_pairing().unwrap();
        }
        self.0.save(name, bytes)
    }
}

#[test]
fn a_pairing_that_is_stored_is_not_cancelled_any_more() {
    let world = World::new();
    let app = Arc::new(App::default());
    let storage = Arc::new(Late(app.clone(), Mutex::default()));
    let (tell, _events) = mpsc::channel();
    let phone = wait(Authenticator::create("late".into(), storage.clone(), app, Arc::new(Events(tell)))).unwrap();
    *storage.1.lock().unwrap() = Some(phone.clone());
    let laptop = AwaitP1::make("acme/widget", world.relay.clone(), &mut OsRng);
    let (code, (show, digits)) = (laptop.code().to_text().to_string(), mpsc::channel());
    let pairing = phone.clone();
    let answer = std::thread::spawn(move || wait(pairing.pair(code, Arc::new(Digits(show)))));
    runtime().block_on(async {
        let mut link = Laptop::meet(&world.relay, &laptop).await;
        let (laptop, p2) = laptop.receive(&link.hear().await, &mut OsRng).unwrap();
        link.say(&p2).await;
        let laptop = laptop.receive(&link.hear().await).unwrap();
        let (laptop, p4) = laptop.check(&digits.recv_timeout(PATIENCE).unwrap()).unwrap();
        link.say(&p4).await;
        laptop.receive(&link.hear().await).unwrap();
    });
    assert_eq!(answer.join().unwrap().unwrap().name, "acme/widget");
    assert_eq!(phone.pairings().unwrap().len(), 1);
    *storage.1.lock().unwrap() = None;
}

#[test]
fn a_disconnect_that_is_cancelled_is_done_all_the_same() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let phone = world.phone.clone();
    runtime().block_on(async {
        // Begun, and given up at the first wait.
        tokio::select! {
            biased;
            _ = phone.disconnect() => panic!("done at once"),
            () = std::future::ready(()) => {}
        }
    });
    world.until(is(LinkState::Disconnected));
    assert_eq!(ci.run(|ci| ci.away), None, "the job was told");
}

#[test]
fn what_was_shut_down_changes_nothing_under_the_next() {
    let world = World::new();
    let (_ci, number) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    world.app.waits.store(true, Ordering::SeqCst);
    let mut approving = pin!(world.phone.approve(id, number, None, true, None));
    assert!(poll_once(approving.as_mut()).is_pending());
    wait(world.phone.shut_down()).unwrap();
    // Whatever waits for the person ends.
    assert!(wait(approving).is_err());
    world.app.waits.store(false, Ordering::SeqCst);
    world.until(|event| matches!(event, Event::RequestGone { why: Gone::Withdrawn, .. }));
    let (phone, _events) = reopened(&world);
    let before = world.app.blobs.lock().unwrap().clone();
    let seed = phone.seeds().unwrap()[0].id.clone();
    assert!(matches!(wait(world.phone.remove_seed(seed)), Err(AuthenticatorError::Storage(_))));
    assert!(matches!(wait(world.phone.connect()), Err(AuthenticatorError::TryAgain(_))));
    assert_eq!((world.app.blobs.lock().unwrap().clone(), phone.seeds().unwrap().len()), (before, 1));
}

#[test]
fn a_denial_that_can_not_be_saved_is_told_and_is_in_the_history_later() {
    let world = World::new();
    let (mut ci, _) = world.asked();
    let id = world.phone.pending().unwrap()[0].id.clone();
    *world.app.writes.lock().unwrap() = Some(0);
    wait(world.phone.deny(id.clone(), "not today".into())).unwrap();
    assert!(matches!(ci.run(|_| false), Some(Err(Failure::Denied { .. }))));
    world.until(|event| matches!(event, Event::AttentionNeeded { attention: Attention::StorageProblem { .. } }));
    *world.app.writes.lock().unwrap() = None;
    wait(world.phone.enroll(SeedImport::from_text(URI.into()).unwrap(), vec![0], vec![])).unwrap();
    let last = reopened(&world).0.history().unwrap().pop().unwrap();
    assert_eq!((last.request_id, last.outcome), (id, HistoryOutcome::Denied));
}
