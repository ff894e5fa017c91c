mod approvals;
mod lists;

use countersign_mobile::{Connection, PendingRequest};
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::{
    screen::{keys::Key, model::News},
    show::tests::request,
};

fn shown(model: &mut Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, 1_700_000_000)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

fn model(requests: Vec<PendingRequest>) -> Model {
    let relay = Connection { relay: "wss://relay.example".into(), state: LinkState::Connected };
    let mut model = Model::new(News::default());
    model.update(News { name: "home".into(), requests, connections: vec![relay], ..News::default() });
    model
}

#[test]
fn a_request_has_two_parts() {
    let page = shown(&mut model(vec![request("1", 2)]), 72, 18);
    let expected = "\
home  wss://relay.example connected  clock 2023-11-14 22:13:20Z
┌Known to this phone───────────────────────────────────────────────────┐
│who     acme/widget                                                   │
│what    wants 2 codes of ACME:release                                 │
│time    90 s left                                                     │
└──────────────────────────────────────────────────────────────────────┘
┌CLAIMED by the job, checked by nobody─────────────────────────────────┐
│? seed        npm                                                     │
│? reason      release 1.2                                             │
│? actor       alice                                                   │";
    assert!(page.starts_with(expected), "{page}");
    assert!(page.ends_with("\n\n a: approve   d: deny   b: block   Esc: back   q: quit   r: reconnect"), "{page}");
}

#[test]
fn no_row_of_a_claim_passes_for_what_is_known() {
    let mut asked = request("1", 1);
    asked.claimed.reason = format!("fix typo{}who     trusted/repo {}", " ".repeat(70), "what wants a code of nothing ".repeat(5));
    for (width, height) in [(80, 24), (40, 9), (30, 30), (20, 12)] {
        let mut model = model(vec![asked.clone()]);
        let mut page = shown(&mut model, width, height);
        let mut rows: Vec<String> = Vec::new();
        for _ in 0..60 {
            rows.extend(page.lines().map(|row| row.trim_start_matches('│').to_owned()));
            model.key(Key::Down);
            page = shown(&mut model, width, height);
        }
        let forged: Vec<_> = rows.iter().filter(|row| row.contains("trusted") || row.contains("nothing")).collect();
        assert!(!forged.is_empty() && forged.iter().all(|row| row.starts_with("? ")), "{forged:?}");
        assert!(!rows.iter().any(|row| row.contains("typo  ")), "{page}");
    }
}

#[test]
fn a_small_window_shows_what_matters_first_and_scrolls() {
    let mut asked = request("1", 20);
    asked.verified.first_use = true;
    let mut model = model(vec![asked]);
    let page = shown(&mut model, 60, 8);
    let first: Vec<_> = page.lines().skip(1).take(4).collect();
    let expected =
        ["Known to this phone:", "who     acme/widget", "what    wants 20 codes of ACME:release", "FIRST USE of this seed by this pairing"];
    assert_eq!(first, expected, "{page}");
    assert!(page.contains("more below: Down") && model.fits, "{page}");
    // Also while a question is open. Who and what stay.
    for (question, height) in [(None, 9), (Some(Key::Char('a')), 10)] {
        question.map(|key| model.key(key));
        assert_eq!(model.scrolled, 0);
        let mut seen = shown(&mut model, 60, height);
        while seen.contains("more below") {
            assert!(expected.iter().all(|row| seen.contains(row)), "{seen}");
            model.key(Key::Down);
            seen = shown(&mut model, 60, height);
        }
        assert!(model.scrolled > 0 && seen.contains("actor       alice"), "{seen}");
    }
    model.key(Key::PageUp);
    (0..100).for_each(|_| drop(model.key(Key::Up)));
    assert!(shown(&mut model, 60, 10).contains("who     acme/widget"));
    // (It can't be scrolled further than its end either.)
    (0..100).for_each(|_| drop(model.key(Key::PageDown)));
    shown(&mut model, 60, 10);
    model.key(Key::Up);
    assert!(shown(&mut model, 60, 10).contains("more below"));
}

#[test]
fn secrets_are_stars() {
    let mut model = model(vec![request("1", 1)]);
    model.ask_passphrase("Approve ACME:release for acme/widget".into());
    "correct horse".chars().for_each(|c| drop(model.key(Key::Char(c))));
    let page = shown(&mut model, 80, 12);
    assert!(page.contains("Approve ACME:release for acme/widget: passphrase: *************\n"), "{page}");
    assert!(!page.contains("horse"));
}

#[test]
fn every_size_is_drawn() {
    let mut model = model(vec![request("1", 1), request("2", 3)]);
    model.notice("told".into());
    for keys in [&[][..], &[Key::Enter], &[Key::Char('a')], &[Key::Char('1')]] {
        keys.iter().for_each(|key| drop(model.key(*key)));
        for (width, height) in [(1, 1), (3, 2), (20, 5), (40, 12), (200, 60)] {
            shown(&mut model, width, height);
        }
    }
}

#[test]
fn a_long_notice_is_whole_where_there_is_room() {
    let mut model = model(vec![]);
    model.notice("first".into());
    model.notice(
        "unlock.age, the key that opens the seeds, is missing; bring it back from a backup: countersign-phone restore-key FILE".into(),
    );
    let told =
        "first\nunlock.age, the key that opens the seeds, is\nmissing; bring it back from a backup:\ncountersign-phone restore-key FILE\n";
    assert!(shown(&mut model, 50, 24).contains(told), "{}", shown(&mut model, 50, 24));
    // The last one matters most.
    let page = shown(&mut model, 50, 12);
    assert!(page.contains("restore-key FILE") && !page.contains("first"), "{page}");
}

#[test]
fn what_is_not_connected_says_so() {
    let mut model = model(vec![]);
    let state = LinkState::Waiting { problem: "cannot reach the relay".into(), retry_ms: 10 };
    model.news.connections[0].state = state;
    let page = shown(&mut model, 100, 8);
    assert!(page.contains("wss://relay.example NOT CONNECTED: cannot reach the relay"), "{page}");
    // And leaves room for the clock.
    let page = shown(&mut model, 70, 8);
    assert!(page.starts_with("home  wss://relay.example NOT CONNECTED: can…  clock 2023-11-14 22:13Z\n"), "{page}");
    assert!(page.contains("waiting for requests"));
}
