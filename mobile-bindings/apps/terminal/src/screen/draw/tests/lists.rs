//! Seeds, pairings and history as pages.

use countersign_mobile::{HistoryEntry, HistoryOutcome, LostPart};

use super::*;
use crate::screen::{model::Action, samples::news};

fn pressed(requests: Vec<PendingRequest>, keys: &[Key]) -> Model {
    let mut model = Model::new(news(requests));
    keys.iter().for_each(|key| drop(model.key(*key)));
    model
}

#[test]
fn one_seed_says_who_may_use_it() {
    let page = shown(&mut pressed(vec![], &[Key::Char('s'), Key::Enter]), 80, 16);
    let expected = "\
home  wss://relay.example connected  clock 2023-11-14 22:13Z
┌Seed──────────────────────────────────────────────────────────────────────────┐
│  seed       ACME:release                                                     │
│  sealed     2023-11-14 22:13:20Z                                             │
│  last used  2024-03-09 16:00:00Z                                             │
│  id         5eed01                                                           │
│  Which pairings may use it:                                                  │
│> allowed      acme/widget                                                    │
│  DENIED       acme/site                                                      │
│                                                                              │";
    assert!(page.starts_with(expected), "{page}");
    assert!(page.ends_with("\n a: allow   d: deny   x: remove   Esc: back   Enter: open   q: quit\n Up/Down: choose"), "{page}");
}

#[test]
fn one_pairing_says_what_it_may_use() {
    let page = shown(&mut pressed(vec![], &[Key::Char('p'), Key::Down, Key::Enter]), 80, 24);
    for text in ["relay      wss://relay.example", "since      2023-07-22 04:26:40Z", "wake-ups   after `countersign renew`"] {
        assert!(page.contains(text), "{page}");
    }
    assert!(page.contains("> DENIED       ACME:release") && page.contains("  not decided  ACME:backup"), "{page}");
    assert!(page.contains("x: revoke") && page.contains("q: quit"), "{page}");
}

#[test]
fn lists_say_the_most_important_of_each() {
    let page = shown(&mut pressed(vec![], &[Key::Char('s')]), 100, 12);
    assert!(page.contains("> ACME:release          sealed 2023-11-14 22:13Z  used 2024-03-09 16:00Z  by acme/widget"), "{page}");
    assert!(page.contains("  ACME:backup           sealed 2023-11-14 22:13Z  used never  by nobody"), "{page}");
    let page = shown(&mut pressed(vec![], &[Key::Char('p')]), 100, 12);
    assert!(page.contains("> acme/widget           since 2023-07-22 04:26Z  1 allowed  wss://relay.example"), "{page}");
    assert!(page.contains("  acme/site             since 2023-07-22 04:26Z  0 allowed, 1 denied  wss://relay.example"), "{page}");
    let nothing = shown(&mut Model::new(News::default()), 80, 12);
    assert!(nothing.contains("│waiting for requests "), "{nothing}");
}

#[test]
fn what_was_lost_is_said_where_it_is_missed() {
    let mut model = pressed(vec![], &[]);
    model.news.lost = vec![LostPart::Seeds];
    model.news.seeds.clear();
    assert!(shown(&mut model, 40, 10).contains("SEEDS WERE LOST: s says what to do"));
    model.key(Key::Char('s'));
    let page = shown(&mut model, 80, 16);
    assert!(page.contains("warning: the list of seeds was damaged or missing") && page.contains("no seed; "), "{page}");
    model.key(Key::Char('p'));
    assert!(!shown(&mut model, 80, 16).contains("damaged"));
}

#[test]
fn that_no_seed_can_be_opened_is_said_before_a_request_waits() {
    let mut model = pressed(vec![], &[]);
    let says = "THE KEY THAT OPENS SEEDS IS MISSING: s says what to do";
    assert!(!shown(&mut model, 60, 10).contains(says));
    model.news.no_unlock_key = true;
    assert!(shown(&mut model, 60, 10).contains(says));
    model.key(Key::Char('s'));
    let page = shown(&mut model, 200, 16);
    assert!(page.contains("warning: unlock.age, the key") && page.contains("countersign-phone restore-key FILE"), "{page}");
}

#[test]
fn the_chosen_row_is_seen_in_every_window() {
    let mut model = pressed(vec![], &[]);
    let entry = |at: u64| HistoryEntry {
        request_id: "r".into(),
        at: 1_700_000_000 + at,
        pairing: "acme/widget".into(),
        label: "ACME:release".into(),
        reason: "release 1.2 of the widget that everybody waits for".into(),
        codes: 1,
        outcome: HistoryOutcome::Used,
    };
    model.news.history = (0..40).map(entry).collect();
    for (width, height) in [(80, 24), (40, 12), (30, 7)] {
        model.key(Key::Char('h'));
        let newest = shown(&mut model, width, height);
        assert!(
            newest.contains("> 2023-11-14 22:13:59Z") && newest.contains(if width > 30 { "more below: Down" } else { " Down\n" }),
            "{newest}"
        );
        (0..39).for_each(|_| drop(model.key(Key::Down)));
        let oldest = shown(&mut model, width, height);
        assert!(oldest.contains("> 2023-11-14 22:13:20Z"), "{oldest}");
        // What is too long for a row goes on in the next; of what is too long for the page the beginning is seen.
        assert!(height < 10 || (oldest.contains("waits for") && !oldest.contains("more below")), "{oldest}");
    }
}

#[test]
fn a_reason_in_the_history_is_no_entry_of_its_own() {
    let mut model = pressed(vec![], &[]);
    let entry = |reason: &str| HistoryEntry {
        request_id: "r".into(),
        at: 1_700_000_000,
        pairing: "acme/widget".into(),
        label: format!("{} 2023-11-14 22:13:22Z", "x".repeat(21)),
        reason: reason.into(),
        codes: 1,
        outcome: HistoryOutcome::Used,
    };
    let forged = format!("typo{}2023-11-14 22:13:21Z  used  trusted/repo {}", " ".repeat(50), "y".repeat(60));
    model.news.history = vec![entry(&forged), entry("release 1.2"), entry("")];
    model.key(Key::Char('h'));
    for width in [110, 80, 40] {
        let page = shown(&mut model, width, 24);
        let rows: Vec<_> = page.lines().map(|row| row.trim_matches('│').trim_end()).collect();
        assert!(rows.iter().any(|row| row.ends_with("? release 1.2")), "{page}");
        // Nor is a label.
        let label = rows.iter().find(|row| row.contains("22:13:22Z")).unwrap();
        assert!(!label.trim_start_matches('>').trim_start().starts_with("2023-11-14 22:13:22Z") || label.starts_with("    "), "{page}");
        let forged: Vec<_> =
            rows.iter().filter(|row| row.contains("22:13:21Z") || row.contains("trusted") || row.contains("yyy")).collect();
        assert!(!forged.is_empty() && forged.iter().all(|row| row.starts_with("    ? ")), "{page}");
    }
}

#[test]
fn what_is_about_to_be_done_is_read_before_it_is_confirmed() {
    for (width, height) in [(80, 24), (40, 12), (24, 20)] {
        let mut model = pressed(vec![request("1", 1)], &[Key::Escape, Key::Char('p'), Key::Enter, Key::Char('x')]);
        model.notice("an older notice that is long enough to want several rows of a window that is narrow".into());
        let page = shown(&mut model, width, height);
        let text = page.replace('\n', " ");
        assert!(text.contains("acme/widget is revoked for good: its requests are refused, and it must be paired anew."), "{page}");
        assert!(page.contains("A REQUEST WAITS") && !page.contains("w shows"), "{page}");
        "yes".chars().for_each(|c| drop(model.key(Key::Char(c))));
        shown(&mut model, width, height);
        assert!(matches!(model.key(Key::Enter), Some(Action::Do(_))));
    }
    // Where it can't be read, it is not done.
    let mut model = pressed(vec![], &[Key::Char('p'), Key::Enter, Key::Char('x')]);
    "yes".chars().for_each(|c| drop(model.key(Key::Char(c))));
    shown(&mut model, 20, 6);
    assert_eq!(model.key(Key::Enter), None);
    assert!(model.question.is_some() && model.slip.as_deref().unwrap().contains("too small"));
    shown(&mut model, 80, 24);
    "yes".chars().for_each(|c| drop(model.key(Key::Char(c))));
    assert!(matches!(model.key(Key::Enter), Some(Action::Do(_))));
}

#[test]
fn requests_that_wait_are_seen_on_every_page() {
    let two = || vec![request("1", 1), request("2", 1)];
    for keys in [&[Key::Char('s')][..], &[Key::Char('s'), Key::Enter], &[Key::Char('p')], &[Key::Char('p'), Key::Enter], &[Key::Char('h')]]
    {
        for (width, height) in [(80, 24), (40, 8)] {
            let page = shown(&mut pressed(two(), keys), width, height);
            assert!(page.contains("2 REQUESTS WAIT: w shows them"), "{page}");
        }
    }
    let mut open = pressed(two(), &[Key::Enter]);
    assert!(shown(&mut open, 80, 24).contains("ANOTHER REQUEST WAITS"));
    assert!(!shown(&mut pressed(two(), &[]), 80, 24).contains("WAIT"));
}

#[test]
fn every_size_of_these_is_drawn() {
    let mut model = pressed(vec![request("1", 1), request("2", 1)], &[]);
    for key in "spsh".chars() {
        for keys in
            [&[Key::Char(key)][..], &[Key::Enter], &[Key::Char('x')], &[Key::Escape, Key::Escape, Key::Down, Key::Enter, Key::Char('d')]]
        {
            keys.iter().for_each(|key| drop(model.key(*key)));
            for (width, height) in [(1, 1), (2, 3), (3, 2), (9, 30), (20, 5), (40, 12), (200, 60)] {
                shown(&mut model, width, height);
            }
        }
        model.key(Key::Escape);
    }
}
