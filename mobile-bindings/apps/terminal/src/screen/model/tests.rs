mod things;

use super::*;
use crate::show::tests::request;

fn model(requests: Vec<PendingRequest>) -> Model {
    let mut model = Model::new(News::default());
    model.update(News { name: "home".into(), requests, ..News::default() });
    model
}

fn type_line(model: &mut Model, line: &str) -> Option<Action> {
    for c in line.chars() {
        assert_eq!(model.key(Key::Char(c)), None);
    }
    model.key(Key::Enter)
}

#[test]
fn the_only_request_opens_by_itself_and_is_approved() {
    let mut model = model(vec![request("1", 1)]);
    assert_eq!(model.page, Page::Request("1".into()));
    assert_eq!(model.key(Key::Char('a')), None);
    assert_eq!(type_line(&mut model, "12 34"), None);
    assert_eq!(model.slip.as_deref(), Some("type the 6 digits that the job's log shows"));
    let expected = Action::Approve { id: "1".into(), number: "123456".into(), codes: None, grant: false, seed: None };
    assert_eq!(type_line(&mut model, "123 456"), Some(expected));
    assert_eq!(model.slip, None, "said of an older answer");
    assert!(model.busy && model.key(Key::Char('d')).is_none() && model.question.is_none(), "keys wait for the answer");
}

#[test]
fn fewer_codes_a_grant_and_a_seed_are_asked_for_where_they_apply() {
    let mut asked = request("1", 3);
    asked.verified.first_use = true;
    asked.needs_seed = true;
    let mut model = model(vec![asked]);
    model.key(Key::Char('a'));
    assert_eq!(type_line(&mut model, "perhaps"), None);
    assert_eq!(model.question, Some(Question::Grant));
    assert_eq!(type_line(&mut model, "yes"), None);
    assert_eq!(type_line(&mut model, "123456"), None);
    assert_eq!(type_line(&mut model, "4"), None);
    assert_eq!(model.question, Some(Question::Codes));
    assert_eq!(type_line(&mut model, "2"), None);
    assert_eq!(model.question, Some(Question::Seed));
    let Some(Action::Approve { codes: Some(2), grant: true, seed: Some(seed), .. }) = type_line(&mut model, "otpauth://x") else {
        panic!("no approval")
    };
    assert_eq!(seed.0.as_str(), "otpauth://x");
    assert!(model.input.is_empty() && model.input.capacity() >= MAX_INPUT);
}

#[test]
fn denying_and_blocking() {
    let mut model = model(vec![request("1", 1), request("2", 1)]);
    assert_eq!(model.page, Page::Requests);
    model.key(Key::Down);
    model.key(Key::Enter);
    model.key(Key::Char('d'));
    assert_eq!(type_line(&mut model, "not ours"), Some(Action::Deny { id: "2".into(), reason: "not ours".into() }));
    model.done(None, "denied".into());
    model.key(Key::Char('b'));
    assert_eq!(type_line(&mut model, "no"), None);
    model.key(Key::Char('b'));
    assert_eq!(type_line(&mut model, "yes"), Some(Action::Block { id: "2".into() }));
}

#[test]
fn a_request_that_goes_takes_its_question_with_it() {
    let mut model = model(vec![request("1", 1)]);
    model.key(Key::Char('a'));
    model.key(Key::Char('1'));
    model.update(News::default());
    assert_eq!((&model.page, &model.question, model.input.as_str()), (&Page::Requests, &None, ""));
    // One that comes is not answered by what was typed for another.
    model.update(News { requests: vec![request("2", 1)], ..News::default() });
    assert_eq!(model.question, None);
}

/// The model when the keychain asks for request 1, with request 2 beside it if `several`.
fn approving(several: bool) -> Model {
    let mut model = model(if several { vec![request("1", 1), request("2", 1)] } else { vec![request("1", 1)] });
    if several {
        model.key(Key::Enter);
    }
    model.key(Key::Char('a'));
    assert!(matches!(type_line(&mut model, "123456"), Some(Action::Approve { .. })));
    model
}

#[test]
fn the_passphrase_question_ends_when_nobody_needs_it() {
    let mut model = approving(true);
    model.ask_passphrase("Approve".into());
    model.key(Key::Char('x'));
    // Another request that goes leaves it alone, and so does its own: the engine says when it is over.
    model.update(News { requests: vec![request("1", 1)], ..News::default() });
    assert_eq!((&model.question, model.input.as_str()), (&Some(Question::Passphrase), "x"));
    model.drop_passphrase();
    assert_eq!((&model.question, model.input.as_str()), (&None, ""));
    model.done(None, "this request is no longer waiting".into());
    assert!(!model.busy && model.stray);
}

#[test]
fn pasted_text_is_no_command_and_answers_nothing() {
    let mut model = model(vec![request("1", 1)]);
    model.paste("quit\nabd");
    assert_eq!((&model.question, model.input.as_str()), (&None, ""));
    model.key(Key::Char('a'));
    model.paste(" 123\r\n456\n");
    assert_eq!((&model.question, model.input.as_str()), (&Some(Question::Number), " 123456"));
    model.paste(&"7".repeat(2 * MAX_INPUT));
    assert_eq!((model.input.len(), model.input.capacity()), (MAX_INPUT, MAX_INPUT));
}

#[test]
fn the_passphrase_is_given_or_refused() {
    let mut model = model(vec![request("1", 1)]);
    model.ask_passphrase("Approve".into());
    let Some(Action::Passphrase(Some(secret))) = type_line(&mut model, " correct horse ") else { panic!("no passphrase") };
    assert_eq!(secret.0.as_str(), " correct horse ", "as it was typed");
    model.ask_passphrase("Approve".into());
    assert_eq!(model.key(Key::Escape), Some(Action::Passphrase(None)));
    assert_eq!(format!("{:?}", Action::Passphrase(Some(secret))), "Passphrase(Some(Secret(..)))");
}

/// Letters that stand for a denial, a block and the end among others.
const TYPED_ON: &str = "dbqar quiet meadow";

#[test]
fn what_is_typed_for_a_question_that_went_away_commands_nothing() {
    for asked_for_passphrase in [false, true] {
        let mut model = approving(false);
        if asked_for_passphrase {
            model.ask_passphrase("Approve".into());
        } else {
            model.done(None, "a wrong number".into());
            model.key(Key::Char('a'));
        }
        model.key(Key::Char('x'));
        // Withdrawn, and another one comes and opens by itself.
        model.update(News::default());
        model.drop_passphrase();
        model.done(None, "this request is no longer waiting".into());
        model.update(News { requests: vec![request("2", 1)], ..News::default() });
        assert_eq!(model.page, Page::Request("2".into()));
        for c in TYPED_ON.chars() {
            assert_eq!((model.key(Key::Char(c)), &model.question), (None, &None));
        }
        assert!(model.stray);
        assert_eq!((model.key(Key::Enter), &model.question), (None, &None));
        model.key(Key::Char('d'));
        assert_eq!(model.question, Some(Question::Reason));
    }
}

#[test]
fn what_is_typed_ahead_commands_nothing() {
    let mut model = approving(false);
    for c in TYPED_ON.chars() {
        assert_eq!(model.key(Key::Char(c)), None);
    }
    model.done(None, "the number was wrong".into());
    for c in TYPED_ON.chars() {
        assert_eq!((model.key(Key::Char(c)), &model.question), (None, &None));
    }
    model.key(Key::Escape);
    model.key(Key::Char('b'));
    assert_eq!(model.question, Some(Question::Block));
    // Nothing was typed ahead: the next key counts.
    let mut model = approving(false);
    model.done(None, "the number was wrong".into());
    model.key(Key::Char('d'));
    assert_eq!(model.question, Some(Question::Reason));
}

#[test]
fn leaving_is_asked_for_while_requests_wait() {
    let mut waits = model(vec![request("1", 1)]);
    assert_eq!(waits.key(Key::Char('q')), None);
    assert_eq!(type_line(&mut waits, "no"), None);
    assert_eq!(waits.question, None);
    waits.key(Key::Char('q'));
    // The request may go meanwhile.
    waits.update(News::default());
    assert_eq!(type_line(&mut waits, "yes"), Some(Action::Quit));
    assert_eq!(model(vec![]).key(Key::Char('q')), Some(Action::Quit));
}

#[test]
fn what_is_typed_has_a_limit() {
    let mut model = model(vec![request("1", 1)]);
    model.key(Key::Char('d'));
    (0..5000).for_each(|_| drop(model.key(Key::Char('x'))));
    assert_eq!((model.input.len(), model.input.capacity()), (MAX_INPUT, MAX_INPUT));
}

fn told(model: &Model) -> Vec<&str> {
    model.told().map(String::as_str).collect()
}

#[test]
fn what_is_told_of_a_request_is_not_told_on_the_page_of_another() {
    let mut model = approving(false);
    model.notice("connecting anew".into());
    model.notice_about(Some("1".into()), "the request was withdrawn or has expired".into());
    assert_eq!(told(&model).len(), 2);
    // The list says what became of it.
    model.update(News::default());
    assert_eq!((&model.page, told(&model).len()), (&Page::Requests, 2));
    model.update(News { requests: vec![request("2", 1)], ..News::default() });
    assert_eq!((&model.page, told(&model)), (&Page::Request("2".into()), vec!["connecting anew"]));
    // Also what comes late.
    model.done(Some("1".into()), "acme/widget: approved".into());
    assert_eq!(told(&model), ["connecting anew"]);
    model.key(Key::Escape);
    assert_eq!(told(&model), ["acme/widget: approved", "connecting anew"]);
    // What is told of this one stays.
    model.key(Key::Enter);
    model.done(Some("2".into()), "the number was wrong".into());
    assert_eq!(told(&model), ["the number was wrong", "connecting anew"]);
    model.key(Key::Escape);
    model.key(Key::Char('h'));
    assert_eq!(told(&model), ["connecting anew"], "nor on other pages");
}
