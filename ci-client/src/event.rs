//! What `--json` writes on standard error: one object a line. docs/CLI.md has the same table.

use serde::{Serialize, Serializer};

use crate::{exit::Exit, redact::redact};

/// Something that happened. No variant holds a code or a key.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    Asking {
        seed: &'a str,
        label: Text<'a>,
        phones: &'a [String],
        codes: u8,
        reason: Text<'a>,
        command: Option<Text<'a>>,
        artifact: Option<ArtifactEvent<'a>>,
        timeout_s: u64,
    },
    Number {
        phone: &'a str,
        number: &'a str,
        again: bool,
    },
    Phone {
        phone: &'a str,
        state: PhoneState,
        text: Text<'a>,
    },
    Waiting {
        asked: bool,
        left_s: u64,
    },
    Step {
        seed: &'a str,
        left_s: u64,
    },
    Approved {
        phone: &'a str,
        seed: &'a str,
        codes: usize,
    },
    Running {
        seed: &'a str,
        command: Text<'a>,
    },
    Used {
        seed: &'a str,
        command: Option<Text<'a>>,
        exit: Option<u8>,
    },
    NotAgain {
        kind: Exit,
        message: Text<'a>,
        hint: Option<Text<'a>>,
    },
    Note {
        text: Text<'a>,
    },
    Failed {
        exit: u8,
        kind: Exit,
        message: Text<'a>,
        hint: Option<Text<'a>>,
    },
}

/// What is about to be published.
#[derive(Debug, Serialize)]
pub(crate) struct ArtifactEvent<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) version: Text<'a>,
    pub(crate) sha256: Option<String>,
}

/// How it stands with one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PhoneState {
    RelayLost,
    Away,
    Woken,
    NotWoken,
    Busy,
    Resumed,
    Failed,
}

/// Text that may hold what somebody typed in a wrong place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&redact(self.0))
    }
}

impl Event<'_> {
    /// One line, without its end.
    pub(crate) fn to_line(&self) -> String {
        // Nothing in an event has no JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An example of each, in the order of the table.
    fn examples() -> Vec<Event<'static>> {
        let artifact = ArtifactEvent { name: Text("widget"), version: Text("1.2.0"), sha256: Some("ab".into()) };
        vec![
            Event::Asking {
                seed: "npm",
                label: Text("npm:alice"),
                phones: &[],
                codes: 1,
                reason: Text(""),
                command: None,
                artifact: Some(artifact),
                timeout_s: 300,
            },
            Event::Number { phone: "pixel", number: "482913", again: false },
            Event::Phone { phone: "pixel", state: PhoneState::RelayLost, text: Text("") },
            Event::Waiting { asked: true, left_s: 280 },
            Event::Step { seed: "npm", left_s: 25 },
            Event::Approved { phone: "pixel", seed: "npm", codes: 1 },
            Event::Running { seed: "npm", command: Text("npm") },
            Event::Used { seed: "npm", command: Some(Text("npm")), exit: Some(0) },
            Event::NotAgain { kind: Exit::Denied, message: Text(""), hint: None },
            Event::Note { text: Text("") },
            Event::Failed { exit: 200, kind: Exit::Denied, message: Text(""), hint: None },
        ]
    }

    /// docs/CLI.md has a row `| event | fields | meaning |` for each, and no other.
    #[test]
    fn the_documentation_lists_the_same() {
        let text = include_str!("../../docs/CLI.md");
        let section = text.split("### Events").nth(1).unwrap().split("\n#").next().unwrap();
        let rows: Vec<(String, Vec<String>)> = section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| {
                let mut cells = line.trim_matches('|').split('|').map(str::trim);
                let event = cells.next().unwrap().trim_matches('`').to_owned();
                let fields = cells.next().unwrap().split(", ").map(|field| field.trim_matches('`').to_owned());
                (event, fields.collect())
            })
            .collect();
        let told: Vec<(String, Vec<String>)> = examples()
            .iter()
            .map(|event| {
                let line = event.to_line();
                let serde_json::Value::Object(object) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
                assert!(line.starts_with("{\"event\":"), "{line}");
                let mut fields: Vec<String> = object.keys().filter(|key| *key != "event").cloned().collect();
                // In the order in which they are written.
                fields.sort_by_key(|field| line.find(&format!("\"{field}\":")));
                (object["event"].as_str().unwrap().to_owned(), fields)
            })
            .collect();
        assert_eq!(rows, told);
    }

    #[test]
    fn secrets_in_a_wrong_place_are_left_out() {
        let message = "no seed \"COUNTERSIGN-KEY-1QQQQQQQ\"";
        let line = Event::Failed { exit: 207, kind: Exit::BadConfig, message: Text(message), hint: None }.to_line();
        assert_eq!(line, r#"{"event":"failed","exit":207,"kind":"bad_config","message":"no seed \"[a secret, left out]\"","hint":null}"#);
    }
}
