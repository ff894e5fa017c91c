//! The configuration file: TOML, one level, the names of the command line.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use toml_edit::{Document, Item, Key, TomlError, de};

use super::{
    names::{hint, names},
    options::Options,
};
use crate::files::{self, line_of, unread};

/// Why a configuration file can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum FileError {
    /// It can't be read.
    #[error("cannot read {}: {}", file.display(), unread(source))]
    Read { file: PathBuf, source: std::io::Error },
    /// It is no TOML.
    #[error("{}, line {line}: this is no TOML: {message}", file.display())]
    Syntax { file: PathBuf, line: usize, message: String },
    /// A value is not of its kind.
    #[error("{}, line {line}: {message}; `{name}` is: {help}", file.display())]
    Value { file: PathBuf, line: usize, message: String, name: String, help: String },
    /// It names something that is no option.
    #[error("{}, line {line}: there is no option `{key}`: {hint}", file.display())]
    Unknown { file: PathBuf, line: usize, key: String, hint: String },
}

/// Reads the options of a file. Everything that is wrong with it is told at once; only what is no TOML at all ends at the first fault.
pub(super) fn read(file: &Path) -> Result<Options, Vec<FileError>> {
    let unread = |source| vec![FileError::Read { file: file.to_owned(), source }];
    let bytes = files::read(file).map_err(unread)?;
    parse(file, files::text(&bytes).map_err(unread)?)
}

fn parse(file: &Path, text: &str) -> Result<Options, Vec<FileError>> {
    // Not the line itself, as the parser would show it: a password may stand there where none should.
    let line_of = |span| line_of(text, span);
    let message = |text: &str| text.trim_end().replace('\n', "; ");
    let syntax =
        |error: TomlError| FileError::Syntax { file: file.to_owned(), line: line_of(error.span()), message: message(error.message()) };
    let document = Document::parse(text).map_err(|error| vec![syntax(error)])?;
    let names = names();
    let mut options = Options::default();
    let mut errors = Vec::new();
    for (key, item) in document.as_table() {
        let span = span(document.as_table().key(key), item);
        let Some(name) = names.iter().find(|option| option.name == key) else {
            errors.push(FileError::Unknown { file: file.to_owned(), line: line_of(span), key: key.to_owned(), hint: hint(key, &names) });
            continue;
        };
        match de::from_str::<Options>(&span.map_or_else(|| text.to_owned(), |span| alone(text, &span))) {
            Ok(one) => options = options.or(one),
            Err(error) => errors.push(FileError::Value {
                file: file.to_owned(),
                line: line_of(error.span()),
                message: message(error.message()),
                name: name.name.clone(),
                help: name.help.clone(),
            }),
        }
    }
    if errors.is_empty() { Ok(options) } else { Err(errors) }
}

/// Where a key and its value stand.
fn span(key: Option<&Key>, item: &Item) -> Option<Range<usize>> {
    let key = key?.span()?;
    match item {
        Item::Value(value) => Some(key.start..value.span().map_or(key.end, |value| value.end)),
        // A section: the whole of it is in the way.
        _ => Some(item.span().map_or(key.start, |item| item.start.min(key.start))..item.span().map_or(key.end, |item| item.end)),
    }
}

/// The text with nothing but this part, at the same place.
fn alone(text: &str, part: &Range<usize>) -> String {
    let mut alone = String::with_capacity(text.len());
    for (place, char) in text.char_indices() {
        if char == '\n' || part.contains(&place) {
            alone.push(char);
        } else {
            alone.extend(std::iter::repeat_n(' ', char.len_utf8()));
        }
    }
    alone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let errors = parse(Path::new("relay.toml"), text).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest_one() {
        let text = refused("# ours\nlisten = '127.0.0.1:1'\nmax_conections = 7\n");
        assert_eq!(text, "relay.toml, line 3: there is no option `max_conections`: did you mean `max-connections`?");
        assert!(refused("tls_cert = 'x'").contains("`tls-cert`"));
        assert!(refused("[server]\nlisten = '127.0.0.1:1'").contains("--help"));
        assert!(refused("config = 'other.toml'").contains("no option `config`"));
    }

    #[test]
    fn values_of_the_wrong_kind_say_where() {
        assert!(refused("listen = 7").contains("line 1"));
        assert!(refused("\nlisten = 'here'").contains("line 2"));
        assert!(refused("origin = 'http://relay.example.org'").contains("starts with wss://"));
        assert!(refused("trusted-proxy = ['10.0.0.0/8', 'x']").contains('x'));
        assert!(refused("drain = '20 parsecs'").contains("20s"));
        assert!(refused("log-level = 'loud'").contains("debug"));
        assert!(refused("listen = ").contains("line 1"));
        assert!(
            refused("max-waiting = '7'")
                .ends_with("`max-waiting` is: Most requests that wait for phones that are away, at most 65536 [default: 4096]")
        );
        assert!(refused("[listen]\nport = 7").contains("`listen` is: Address and port"));
        assert!(refused("listen.port = 7").contains("`listen` is: Address and port"));
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let text = refused(
            "listen = 'here' # \u{e9}\nlog-level = 'info'\nmax_waiting = 1\norigin = [\n 'wss://a.example',\n 'http://b.example',\n]\n",
        );
        for wrong in ["line 1: ", "line 3: there is no option `max_waiting`", "`http://b.example`: "] {
            assert!(text.contains(wrong), "{wrong} is not in\n{text}");
        }
        assert!(!text.contains("log-level"), "{text}");
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        assert!(
            parse(Path::new("relay.toml"), "nats = ['nats://relay:secret@nats.internal']")
                .unwrap()
                .nats()
                .unwrap()
                .unwrap()
                .options()
                .is_err()
        );
        assert!(!refused("nats = ['nats://relay:secret@nats.internal', 7]").contains("secret"));
    }

    /// What every option is called on the command line, it is called in a file.
    #[test]
    fn a_file_may_name_every_option() {
        for super::super::names::Name { name, .. } in names() {
            // Wrong for each of them: what is refused is the value, not the name.
            let text = refused(&format!("{name} = {{ no = 'table' }}"));
            assert!(text.contains("expected") && !text.contains("no option") && !text.contains("unknown field"), "{name}: {text}");
        }
    }
}
