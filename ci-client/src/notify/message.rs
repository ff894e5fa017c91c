//! What is said: that an approval waits, the number, the link to the job. Nothing secret, and nothing that a stranger could have written: no reason,
//! no branch, no title.

use countersign_core::request::Hints;
use serde_json::{Value, json};

use super::target::{Form, Target};

/// What is known before anybody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    seed: String,
    repository: Option<String>,
    run_url: Option<String>,
}

impl Facts {
    pub(crate) fn new(seed: &str, hints: &Hints) -> Self {
        let repository = hints.repository.as_deref().map(words).filter(|text| !text.is_empty());
        Self { seed: seed.to_owned(), repository, run_url: hints.run_url.as_deref().and_then(link) }
    }
}

/// What the approval waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits<'a> {
    /// For this number to be typed on this phone.
    Number { phone: &'a str, digits: &'a str },
    /// For this phone to connect.
    Phone { phone: &'a str },
}

/// The message in the target's form.
pub(super) fn body(target: &Target, facts: &Facts, waits: &Waits<'_>) -> String {
    let text = text(facts, waits);
    let value = match target.form {
        Form::Slack => json!({ "text": text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;") }),
        Form::Mattermost | Form::Hookshot => json!({ "text": text }),
        Form::Discord => json!({ "content": text, "allowed_mentions": { "parse": [] } }),
        Form::Ntfy => ntfy(target, facts, &text),
        Form::Json => plain(facts, waits, &text),
    };
    value.to_string()
}

fn ntfy(target: &Target, facts: &Facts, text: &str) -> Value {
    let mut value = json!({ "topic": target.topic, "title": "Countersign", "message": text, "tags": ["key"], "priority": 4 });
    if let (Some(url), Value::Object(object)) = (&facts.run_url, &mut value) {
        object.insert("click".to_owned(), json!(url));
    }
    value
}

fn plain(facts: &Facts, waits: &Waits<'_>, text: &str) -> Value {
    let (event, phone, number) = match *waits {
        Waits::Number { phone, digits } => ("number", phone, Some(digits)),
        Waits::Phone { phone } => ("away", phone, None),
    };
    json!({
        "event": event,
        "seed": facts.seed,
        "phone": phone,
        "number": number,
        "repository": facts.repository,
        "run_url": facts.run_url,
        "text": text,
    })
}

fn text(facts: &Facts, waits: &Waits<'_>) -> String {
    let of = facts.repository.as_ref().map(|it| format!(" for {it}")).unwrap_or_default();
    let what = match *waits {
        Waits::Number { phone, digits } => {
            format!("Countersign: a code of {}{of} waits for approval on {}. Match number: {digits}", facts.seed, words(phone))
        }
        Waits::Phone { phone } => {
            format!("Countersign: a code of {}{of} waits for {}, which is not connected: open the app", facts.seed, words(phone))
        }
    };
    facts.run_url.as_ref().map_or_else(|| what.clone(), |url| format!("{what}\n{url}"))
}

/// Outside text without anything that a chat could take for markup, a mention or a link.
fn words(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '/') { c } else { ' ' })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A link that ends where it should, and is nothing but one.
fn link(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let mut out = url.get(..url.len() - rest.len())?.to_owned();
    for c in rest.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || "-._~:/?#&=%+,;".contains(c) => out.push(c),
            c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}"))),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Waits<'_> = Waits::Number { phone: "pixel", digits: "482 913" };
    const TEXT: &str =
        "Countersign: a code of npm for acme/widget waits for approval on pixel. Match number: 482 913\nhttps://ci.example/7?a=b&c";

    fn facts() -> Facts {
        let hints =
            Hints { repository: Some("acme/widget".into()), run_url: Some("https://ci.example/7?a=b&c".into()), ..Hints::default() };
        Facts::new("npm", &hints)
    }

    fn told(url: &str, waits: &Waits<'_>) -> Value {
        serde_json::from_str(&body(&url.parse().unwrap(), &facts(), waits)).unwrap()
    }

    #[test]
    fn each_service_gets_its_form() {
        let slack = TEXT.replace('&', "&amp;");
        assert_eq!(told("slack+https://a.example/b", &NUMBER), json!({ "text": slack }));
        assert_eq!(told("mattermost+https://a.example/b", &NUMBER), json!({ "text": TEXT }));
        assert_eq!(told("hookshot+https://a.example/b", &NUMBER), json!({ "text": TEXT }));
        assert_eq!(told("discord+https://a.example/b", &NUMBER), json!({ "content": TEXT, "allowed_mentions": { "parse": [] } }));
        assert_eq!(
            told("https://ntfy.sh/topic", &NUMBER),
            json!({
                "topic": "topic", "title": "Countersign", "message": TEXT, "tags": ["key"], "priority": 4,
                "click": "https://ci.example/7?a=b&c",
            })
        );
        assert_eq!(
            told("https://a.example/b", &NUMBER),
            json!({
                "event": "number", "seed": "npm", "phone": "pixel", "number": "482 913", "repository": "acme/widget",
                "run_url": "https://ci.example/7?a=b&c", "text": TEXT,
            })
        );
    }

    #[test]
    fn a_phone_that_is_away_is_told_of() {
        let told = told("https://a.example/b", &Waits::Phone { phone: "pixel" });
        assert_eq!((&told["event"], &told["number"]), (&json!("away"), &Value::Null));
        let text =
            "Countersign: a code of npm for acme/widget waits for pixel, which is not connected: open the app\nhttps://ci.example/7?a=b&c";
        assert_eq!(told["text"], text);
    }

    #[test]
    fn outside_text_can_not_steer_a_channel() {
        assert_eq!(words("@all <!channel> [x](https://evil)\n`*"), "all   channel   x  https //evil");
        assert_eq!(link("https://ci.example/a b/(c)@all<!here>").unwrap(), "https://ci.example/a%20b/%28c%29%40all%3C%21here%3E");
        assert_eq!((link("javascript:alert(1)"), link("")), (None, None));
    }
}
