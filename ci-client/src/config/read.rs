//! From TOML to [`Config`], with the line and field in every error.

use std::{collections::BTreeMap, ops::Range};

use countersign_core::{
    ci::CiPairing,
    relay::{RelayUrl, parse_ticket},
    request::MAX_CODES,
    seed::{Recipient, SealedSeed},
    text::{MAX_LABEL, MAX_NAME, is_clean},
};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_spanned::Spanned;
use toml_edit::de;

use super::{Config, Seed, is_seed_name};
use crate::{
    problem::Problem,
    targets::{BadTarget, GENERIC, Name, Table, Targets},
};

/// The schema that this program reads.
pub(super) const VERSION: i64 = 1;

/// What is said of another.
const OTHER_VERSION: &str = "this program reads version";

#[derive(Deserialize)]
struct Versioned {
    #[serde(rename = "version", deserialize_with = "version")]
    _version: (),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version", deserialize_with = "version")]
    _version: (),
    #[serde(default)]
    phone: Vec<PhoneTable>,
    #[serde(default)]
    target: BTreeMap<Name, Spanned<Table>>,
    #[serde(default)]
    seed: BTreeMap<SeedName, SeedTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhoneTable {
    #[serde(deserialize_with = "name")]
    name: String,
    #[serde(deserialize_with = "from_text")]
    relay: RelayUrl,
    #[serde(deserialize_with = "bytes")]
    pairing: [u8; 16],
    #[serde(deserialize_with = "bytes")]
    ci: [u8; 32],
    #[serde(deserialize_with = "bytes")]
    phone: [u8; 32],
    #[serde(deserialize_with = "bytes")]
    signer: [u8; 32],
    #[serde(deserialize_with = "from_text")]
    recipient: Recipient,
    #[serde(deserialize_with = "ticket")]
    ticket: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedTable {
    #[serde(deserialize_with = "sealed")]
    sealed: SealedSeed,
    #[serde(default, deserialize_with = "label")]
    label: String,
    target: Option<Spanned<String>>,
    #[serde(default = "one", deserialize_with = "codes")]
    codes: u8,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SeedName(String);

pub(super) fn parse(origin: &str, text: &str) -> Result<Config, Problem> {
    // A later version may have other fields: its number comes first.
    de::from_str::<Versioned>(text).map_err(|error| problem(origin, text, &error))?;
    let file: File = de::from_str(text).map_err(|error| problem(origin, text, &error))?;
    let bad = |bad: BadTarget| Problem::config(format!("{origin}{}: {}", place(text, &bad.span), bad.message)).hint(bad.hint);
    let mut config = Config { targets: Targets::builtin().with(file.target).map_err(bad)?, ..Config::default() };
    for it in file.phone {
        if config.phones.iter().any(|phone| phone.phone_name == it.name) {
            return Err(Problem::config(format!("{origin}: two phones are named {:?}", it.name)).hint("rename one of them"));
        }
        config.phones.push(CiPairing {
            pairing_id: it.pairing,
            phone_name: it.name,
            relay: it.relay,
            ci_static: it.ci,
            phone_static: it.phone,
            signer: it.signer,
            recipient: it.recipient,
            ticket: it.ticket,
        });
    }
    for (name, it) in file.seed {
        let target = it.target.unwrap_or_else(|| Spanned::new(0..0, GENERIC.to_owned()));
        let target = config.targets.find(target.get_ref()).ok_or_else(|| bad(config.targets.unknown(target.get_ref(), target.span())))?;
        config.seeds.insert(name.0, Seed { sealed: it.sealed, label: it.label, target, codes: it.codes });
    }
    Ok(config)
}

/// `countersign.toml, line 7 (ticket): the ticket is damaged`
fn problem(origin: &str, text: &str, error: &de::Error) -> Problem {
    let place = error.span().map(|span| place(text, &span)).unwrap_or_default();
    let message = error.message().replace('\n', "; ");
    let hint = if message.starts_with(OTHER_VERSION) {
        "install the countersign that wrote it, or one that is newer; don't change the number by hand"
    } else {
        "correct the line (docs/CLI.md has examples); phones and seeds are written again by `countersign pair` and `countersign enroll`"
    };
    Problem::config(format!("{origin}{place}: {message}")).hint(hint)
}

/// `, line 7 (ticket)`
fn place(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    // An empty file has no lines to name.
    let Some(line) = text.lines().nth(number - 1) else { return String::new() };
    let field = line.split_once('=').map(|(field, _)| field.trim_start_matches(['{', '[', ' ', '\t']).trim_end());
    // The line of a longer list has no field of its own, whatever its text looks like.
    let is_field =
        |field: &&str| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    field.filter(is_field).map_or_else(|| format!(", line {number}"), |field| format!(", line {number} ({field})"))
}

fn version<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    match i64::deserialize(from)? {
        VERSION => Ok(()),
        other => Err(D::Error::custom(format!("{OTHER_VERSION} {VERSION} of the configuration, not {other}"))),
    }
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    if !name.is_empty() && is_clean(&name, MAX_NAME) { Ok(name) } else { Err(D::Error::custom("a name has 1 to 64 ordinary characters")) }
}

fn label<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let label = String::deserialize(from)?;
    if is_clean(&label, MAX_LABEL) { Ok(label) } else { Err(D::Error::custom("a label has at most 128 ordinary characters")) }
}

fn from_text<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

fn base64<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| D::Error::custom("not base64url without padding, or cut"))
}

fn bytes<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
    base64(from)?.try_into().map_err(|bytes: Vec<u8>| D::Error::custom(format!("must be {N} bytes, not {}", bytes.len())))
}

fn ticket<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let bytes = base64(from)?;
    parse_ticket(&bytes).map_err(D::Error::custom)?;
    Ok(bytes)
}

fn sealed<'de, D: Deserializer<'de>>(from: D) -> Result<SealedSeed, D::Error> {
    SealedSeed::parse(base64(from)?).map_err(D::Error::custom)
}

fn codes<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    let codes = i64::deserialize(from)?;
    u8::try_from(codes).ok().filter(|codes| (1..=MAX_CODES).contains(codes)).ok_or_else(|| D::Error::custom("must be 1 to 20"))
}

fn one() -> u8 {
    1
}

impl<'de> Deserialize<'de> for SeedName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        if is_seed_name(&name) { Ok(Self(name)) } else { Err(D::Error::custom("the name of a seed has 1 to 64 of a-z, 0-9, - and _")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse("c.toml", text).unwrap_err().message
    }

    #[test]
    fn an_unknown_version_is_told_before_its_unknown_fields() {
        assert_eq!(refused("new = 1\nversion = 2\n"), "c.toml, line 2 (version): this program reads version 1 of the configuration, not 2");
        assert_eq!(refused(""), "c.toml: missing field `version`");
    }

    #[test]
    fn errors_name_line_and_field() {
        assert!(refused("version = 1\ncolour = 3\n").starts_with("c.toml, line 2 (colour): unknown field `colour`"));
        assert!(refused("version = 1\n[seed.npm]\nsealed = \"YWdl\"\n").starts_with("c.toml, line 3 (sealed): not a sealed seed"));
        assert_eq!(refused("version = 1\n[seed.npm]\nsealed = \"*\"\n"), "c.toml, line 3 (sealed): not base64url without padding, or cut");
        assert!(refused("version = 1\n[seed.NPM]\nsealed = \"YWdl\"\n").contains("the name of a seed has"));
        assert!(refused("version = 1\n[seed").starts_with("c.toml, line 2"));
    }
}
