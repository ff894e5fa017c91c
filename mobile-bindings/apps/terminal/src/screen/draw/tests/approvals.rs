//! Nothing is approved unseen.

use super::*;

#[test]
fn nobody_approves_what_a_window_can_not_show() {
    let mut model = model(vec![request("1", 20)]);
    shown(&mut model, 20, 5);
    model.key(Key::Char('a'));
    assert_eq!(model.question, None);
    assert!(model.told().next().unwrap().contains("too small"));
    shown(&mut model, 60, 12);
    model.key(Key::Char('a'));
    assert_eq!(model.question, Some(Question::Number));
    // What is typed is seen where there is little room.
    "123".chars().for_each(|c| drop(model.key(Key::Char(c))));
    assert!(shown(&mut model, 30, 12).contains("number in the job's log:\n123\n"), "{}", shown(&mut model, 30, 12));
}

#[test]
fn the_sign_that_there_is_more_covers_no_name() {
    for (width, height, sign) in [(30, 6, "v"), (38, 6, " Down"), (60, 6, " more below: Down")] {
        let mut asked = request("1", 1);
        asked.verified.pairing = "acme/the-widget".into();
        asked.verified.seed = Some("A:r".into());
        let mut model = model(vec![asked]);
        let page = shown(&mut model, width, height);
        assert!(page.contains("who     acme/the-widget") && page.contains("wants a code of A:r"), "{page}");
        assert!(page.lines().any(|row| row.contains("what") && row.ends_with(sign)), "{page}");
    }
}

fn type_text(model: &mut Model, text: &str) {
    text.chars().for_each(|c| drop(model.key(Key::Char(c))));
}

#[test]
fn no_answer_of_an_approval_counts_where_who_and_what_are_not_seen() {
    let mut asked = request("1", 3);
    asked.verified.first_use = true;
    asked.needs_seed = true;
    let mut model = model(vec![asked]);
    shown(&mut model, 80, 24);
    model.key(Key::Char('a'));
    for (question, answer) in [
        (Question::Grant, "yes"),
        (Question::Number, "123456"),
        (Question::Codes, "2"),
        (Question::Seed, "otpauth://x"),
        (Question::Passphrase, "horse"),
    ] {
        if question == Question::Passphrase {
            model.ask_passphrase("Approve ACME:release for acme/widget".into());
        }
        // A window that became smaller.
        for (width, height) in [(20, 4), (80, 3), (9, 40), (1, 1)] {
            shown(&mut model, 80, 24);
            type_text(&mut model, answer);
            let page = shown(&mut model, width, height);
            assert!(width < 20 || page.contains("too small"), "{page}");
            assert_eq!((model.key(Key::Enter), model.question.as_ref(), model.input.as_str()), (None, Some(&question), answer), "{page}");
            assert!(model.slip.as_deref().unwrap().contains("too small"));
            assert!(width < 20 || shown(&mut model, width, height).contains("too small"));
            let large = shown(&mut model, 80, 24);
            assert!(!large.contains("too small"), "{large}");
            answer.chars().for_each(|_| drop(model.key(Key::Backspace)));
        }
        type_text(&mut model, answer);
        shown(&mut model, 80, 24);
        let done = model.key(Key::Enter);
        assert_eq!(done.is_some(), matches!(question, Question::Seed | Question::Passphrase), "{question:?}");
    }
}

#[test]
fn who_and_what_and_the_whole_question_are_seen_where_it_is_answered() {
    let mut asked = request("1", 1);
    asked.claimed.reason = "release 1.2 of the widget ".repeat(7);
    for (width, height) in [(80, 24), (80, 6), (60, 9), (40, 12), (40, 9), (30, 8), (24, 12), (20, 30)] {
        let mut model = model(vec![asked.clone()]);
        model.notice("an older notice that is long enough to want several rows of a window that is narrow".into());
        shown(&mut model, width, height);
        // Whatever was scrolled away is there again.
        (0..9).for_each(|_| drop(model.key(Key::PageDown)));
        shown(&mut model, width, height);
        model.key(Key::Char('a'));
        for (key, question) in
            [(Key::Char('1'), "number in the job's log:"), (Key::PageDown, "Approve ACME:release for acme/widget: passphrase:")]
        {
            if key == Key::PageDown {
                model.ask_passphrase("Approve ACME:release for acme/widget".into());
            }
            shown(&mut model, width, height);
            (0..3).for_each(|_| drop(model.key(key)));
            let page = shown(&mut model, width, height);
            let words: Vec<_> = page.split(|c: char| c.is_whitespace() || c == '│').filter(|word| !word.is_empty()).collect();
            let words = words.join(" ");
            for text in ["who acme/widget what wants a code of ACME:release", question] {
                assert!(words.contains(text), "{page}");
            }
            assert!(model.fits, "{page}");
        }
    }
}
