//! A `[target.NAME]` table as it is written: every field may be left out, or inherited.

use countersign_core::text::is_clean;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_spanned::Spanned;

use super::{
    profile::{Profile, is_code_variable},
    sign::{Sign, list, signs},
    template::Template,
};

/// Longest `about`, characters.
const MAX_ABOUT: usize = 120;
/// Largest `min_life`, seconds: twice the period of most seeds. More would make every code too old.
const MAX_MIN_LIFE: u64 = 60;

/// The name of a target: 1 to 64 of `a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) String);

/// The fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub(super) inherit: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "about")]
    about: Option<String>,
    #[serde(default, deserialize_with = "words")]
    issuer: Option<Vec<String>>,
    #[serde(default, deserialize_with = "env")]
    env: Option<Vec<String>>,
    #[serde(default, deserialize_with = "args")]
    args: Option<Vec<Template>>,
    #[serde(default, deserialize_with = "stdin")]
    stdin: Option<Template>,
    #[serde(default, deserialize_with = "min_life")]
    min_life: Option<u64>,
    reuse: Option<bool>,
    retry: Option<bool>,
    #[serde(default, deserialize_with = "signs")]
    wrong: Option<Vec<Sign>>,
    #[serde(default, deserialize_with = "signs")]
    missing: Option<Vec<Sign>>,
    #[serde(default, deserialize_with = "signs")]
    limited: Option<Vec<Sign>>,
}

impl Table {
    /// Whether it says nothing about a tool.
    pub(super) fn is_empty(&self) -> bool {
        let delivery = self.inherit.is_none() && self.env.is_none() && self.args.is_none() && self.stdin.is_none();
        delivery && self.wrong.is_none() && self.missing.is_none() && self.limited.is_none() && self.min_life.is_none()
    }

    /// The profile: what is not given here comes from `base`, except `about` and `issuer`, which belong to it alone.
    pub(super) fn over(self, name: &str, base: Option<&Profile>) -> Profile {
        let blank = Profile {
            name: String::new(),
            about: String::new(),
            issuer: Vec::new(),
            env: Vec::new(),
            args: Vec::new(),
            stdin: None,
            min_life: 0,
            reuse: false,
            retry: false,
            wrong: Vec::new(),
            missing: Vec::new(),
            limited: Vec::new(),
        };
        let about = base.map(|base| format!("as {}", base.name)).unwrap_or_default();
        let base = base.cloned().unwrap_or(blank);
        Profile {
            name: name.to_owned(),
            about: self.about.unwrap_or(about),
            issuer: self.issuer.unwrap_or_default(),
            env: self.env.unwrap_or(base.env),
            args: self.args.unwrap_or(base.args),
            stdin: self.stdin.or(base.stdin),
            min_life: self.min_life.unwrap_or(base.min_life),
            reuse: self.reuse.unwrap_or(base.reuse),
            retry: self.retry.unwrap_or(base.retry),
            wrong: self.wrong.unwrap_or(base.wrong),
            missing: self.missing.unwrap_or(base.missing),
            limited: self.limited.unwrap_or(base.limited),
        }
    }
}

fn about<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let about = String::deserialize(from)?;
    let fine = !about.is_empty() && is_clean(&about, MAX_ABOUT);
    if fine { Ok(Some(about)) } else { Err(D::Error::custom(format!("1 to {MAX_ABOUT} ordinary characters, in one line"))) }
}

fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let words: Vec<String> = list(from)?;
    let is_word = |word: &String| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if words.iter().all(is_word) { Ok(Some(words)) } else { Err(D::Error::custom("words of the issuer: a-z and 0-9 only")) }
}

fn env<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let names: Vec<String> = list(from)?;
    match names.iter().find(|name| !is_code_variable(name)) {
        Some(name) => Err(D::Error::custom(format!("{name:?} is no name for an environment variable that holds a code"))),
        None => Ok(Some(names)),
    }
}

fn args<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Template>>, D::Error> {
    let args: Vec<Template> = list(from)?;
    let fine = args.is_empty() || args.iter().any(Template::has_code);
    if fine { Ok(Some(args)) } else { Err(D::Error::custom("none of the arguments has the code in it: write {code} for it")) }
}

fn stdin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Template>, D::Error> {
    let template = Template::deserialize(from)?;
    if template.has_code() { Ok(Some(template)) } else { Err(D::Error::custom("the code is not in it: write {code} for it")) }
}

fn min_life<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let seconds = u64::try_from(i64::deserialize(from)?).ok().filter(|seconds| *seconds <= MAX_MIN_LIFE);
    seconds.map(Some).ok_or_else(|| D::Error::custom(format!("must be 0 to {MAX_MIN_LIFE} seconds")))
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let fine = crate::config::is_seed_name(&name);
        if fine { Ok(Self(name)) } else { Err(D::Error::custom("the name of a target has 1 to 64 of a-z, 0-9, - and _")) }
    }
}
