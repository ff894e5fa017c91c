//! The configuration file: TOML, one level, the names of the command line.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use toml_edit::{Document, de};

use super::{Cli, options::Options};

/// Names more alike than this are offered for one another.
const ALIKE: f64 = 0.75;

/// Why a configuration file can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum FileError {
    /// It can't be read.
    #[error("cannot read {}: {source}", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    /// It is no TOML, or a value is not of its kind.
    #[error("{}: {message}", file.display())]
    Value { file: PathBuf, message: String },
    /// It names something that is no option.
    #[error("{}, line {line}: there is no option `{key}`: {hint}", file.display())]
    Unknown { file: PathBuf, line: usize, key: String, hint: String },
}

/// Reads the options of a file.
pub(super) fn read(file: &Path) -> Result<Options, FileError> {
    let text = std::fs::read_to_string(file).map_err(|source| FileError::Read { file: file.to_owned(), source })?;
    parse(file, &text)
}

fn parse(file: &Path, text: &str) -> Result<Options, FileError> {
    let wrong = |message: String| FileError::Value { file: file.to_owned(), message: message.trim_end().to_owned() };
    let document = Document::parse(text).map_err(|error| wrong(error.to_string()))?;
    let names = names();
    for (key, _) in document.as_table() {
        if !names.iter().any(|name| name == key) {
            let at = document.as_table().key(key).and_then(toml_edit::Key::span).map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
            return Err(FileError::Unknown { file: file.to_owned(), line, key: key.to_owned(), hint: hint(key, &names) });
        }
    }
    de::from_str(text).map_err(|error| wrong(error.to_string()))
}

/// What a file may name: every option of the command line, except the file itself.
fn names() -> Vec<String> {
    let command = Cli::command();
    let longs = command.get_arguments().filter_map(clap::Arg::get_long);
    longs.filter(|long| !["config", "help", "version"].contains(long)).map(str::to_owned).collect()
}

fn hint(key: &str, names: &[String]) -> String {
    let alike = names.iter().map(|name| (strsim::jaro_winkler(key, name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match alike {
        Some((likeness, name)) if likeness > ALIKE => format!("did you mean `{name}`?"),
        _ => "`countersign-relay --help` lists them, and a file has the same names without `--`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(Path::new("relay.toml"), text).unwrap_err().to_string()
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
    }

    /// What every option is called on the command line, it is called in a file.
    #[test]
    fn a_file_may_name_every_option() {
        for name in names() {
            // Wrong for each of them: what is refused is the value, not the name.
            let text = refused(&format!("{name} = {{ no = 'table' }}"));
            assert!(text.contains("expected") && !text.contains("no option") && !text.contains("unknown field"), "{name}: {text}");
        }
    }
}
