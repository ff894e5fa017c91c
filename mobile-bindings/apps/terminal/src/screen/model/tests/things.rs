//! The pages of seeds and pairings.

use super::*;
use crate::screen::samples::{BACKUP, RELEASE, news};

/// On the page of the first seed (`s`) or pairing (`p`), at the first right there.
fn on(list: char) -> Model {
    let mut model = Model::new(news(vec![]));
    model.key(Key::Char(list));
    model.key(Key::Enter);
    model
}

fn right(pairing: (&str, &str), seed: (&str, &str)) -> Right {
    Right { pairing: Thing::new(pairing.0, pairing.1), seed: Thing::new(seed.0, seed.1) }
}

#[test]
fn pages_lead_to_each_other_and_back() {
    let mut model = on('s');
    assert_eq!(model.page, Page::Seed("5eed01".into()));
    // The rights come first, what there is to read is above them.
    model.key(Key::Down);
    model.key(Key::Enter);
    assert_eq!(model.page, Page::Pairing("9a12".into()));
    model.key(Key::Escape);
    assert_eq!((&model.page, model.selected), (&Page::Pairings, 1), "where one came from");
    model.key(Key::Char('h'));
    assert_eq!(model.page, Page::History);
    model.key(Key::Escape);
    assert_eq!(model.page, Page::Requests);
    model.key(Key::Escape);
    model.key(Key::Char('p'));
    for (key, selected) in [(Key::Up, 0), (Key::PageDown, 1), (Key::Char('k'), 0), (Key::Char('j'), 1), (Key::PageUp, 0)] {
        model.key(key);
        assert_eq!(model.selected, selected, "{key:?}");
    }
}

#[test]
fn each_deed_is_asked_about_by_name_and_done_after_a_typed_yes() {
    let widget = ("9a11", "acme/widget");
    let deeds = [
        ('s', 'a', Deed::Allow(right(widget, ("5eed01", RELEASE)))),
        ('s', 'd', Deed::Deny(right(widget, ("5eed01", RELEASE)))),
        ('s', 'x', Deed::Remove(Thing::new("5eed01", RELEASE))),
        ('p', 'a', Deed::Allow(right(widget, ("5eed01", RELEASE)))),
        ('p', 'd', Deed::Deny(right(widget, ("5eed01", RELEASE)))),
        ('p', 'x', Deed::Revoke(Thing::new("9a11", "acme/widget"))),
    ];
    for (list, key, deed) in deeds {
        let mut model = on(list);
        assert_eq!(model.key(Key::Char(key)), None);
        assert_eq!(model.question, Some(Question::Sure(deed.clone())));
        let names = deed.means();
        assert!(names.contains("acme/widget") || names.contains(RELEASE), "{names}");
        // The same key again, or nothing at all, is no yes.
        for slip in [key.to_string(), String::new()] {
            assert_eq!(type_line(&mut model, &slip), None);
            assert_eq!(model.slip.as_deref(), Some("answer yes or no"));
        }
        assert_eq!(type_line(&mut model, "no"), None);
        assert_eq!((&model.question, model.busy), (&None, false));
        model.key(Key::Char(key));
        assert_eq!(model.key(Key::Escape), None);
        assert_eq!(model.question, None);
        model.key(Key::Char(key));
        assert_eq!(type_line(&mut model, "y"), Some(Action::Do(deed)));
        assert!(model.busy && model.key(Key::Char(key)).is_none() && model.question.is_none(), "keys wait for the answer");
    }
}

#[test]
fn on_other_pages_these_keys_do_nothing() {
    let mut model = Model::new(news(vec![]));
    for page in ['s', 'p', 'h'] {
        model.key(Key::Char(page));
        for key in ['a', 'd', 'x', 'b'] {
            assert_eq!((model.key(Key::Char(key)), &model.question), (None, &None), "{page} {key}");
        }
    }
    // Where no right is chosen, neither.
    let mut model = on('s');
    model.key(Key::PageUp);
    model.key(Key::Char('d'));
    assert_eq!(model.question, None);
    assert!(model.told().next().unwrap().contains("choose"));
}

#[test]
fn a_failure_is_told_and_the_page_stays() {
    let mut model = on('p');
    model.key(Key::Down);
    model.key(Key::Char('a'));
    let expected = Deed::Allow(right(("9a11", "acme/widget"), ("5eed02", BACKUP)));
    assert_eq!(type_line(&mut model, "yes"), Some(Action::Do(expected)));
    let selected = model.selected;
    model.done(None, "cannot write state-pairings: no room".into());
    model.update(news(vec![]));
    assert_eq!((&model.page, model.selected), (&Page::Pairing("9a11".into()), selected));
    assert_eq!(model.told().next().unwrap(), "cannot write state-pairings: no room");
}

#[test]
fn what_is_gone_takes_its_page_and_its_question_with_it() {
    for (list, parent) in [('s', Page::Seeds), ('p', Page::Pairings)] {
        let mut model = on(list);
        model.key(Key::Char('x'));
        model.key(Key::Char('y'));
        let mut rest = news(vec![]);
        rest.seeds.remove(0);
        rest.pairings.remove(0);
        model.update(rest);
        assert_eq!((&model.page, &model.question, model.input.as_str()), (&parent, &None, ""));
        // Typed on, it confirms and commands nothing.
        for key in [Key::Char('q'), Key::Enter] {
            assert_eq!((model.key(key), &model.question), (None, &None));
        }
    }
    // A right ends with either of the two, also where the page stays.
    let mut model = on('s');
    model.key(Key::Char('d'));
    let mut rest = news(vec![]);
    rest.pairings.remove(0);
    model.update(rest);
    assert_eq!((&model.page, &model.question), (&Page::Seed("5eed01".into()), &None));
}

#[test]
fn requests_that_come_meanwhile_are_reached_with_one_key() {
    for (requests, page) in [(vec![request("1", 1)], Page::Request("1".into())), (vec![request("1", 1), request("2", 1)], Page::Requests)] {
        let mut model = on('p');
        model.key(Key::Char('x'));
        let waiting = requests.len();
        model.update(news(requests));
        // They take neither the page nor what is typed away.
        assert!(model.page == Page::Pairing("9a11".into()) && model.question.is_some());
        assert_eq!(model.out_of_sight(), waiting);
        model.key(Key::Escape);
        model.key(Key::Char('w'));
        assert_eq!((&model.page, model.out_of_sight()), (&page, 0));
    }
}
