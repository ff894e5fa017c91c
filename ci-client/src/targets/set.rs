//! All targets there are: those of the program, and those of a config.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, LazyLock},
};

use serde::Deserialize;
use serde_spanned::Spanned;

use super::{
    profile::Profile,
    table::{Name, Table},
};
use crate::problem::Problem;

/// The target of a seed that names none.
pub const GENERIC: &str = "generic";
/// A name has one slip of the pen for so many letters, and at least one.
const SLIP: usize = 4;

/// Targets by name.
#[derive(Debug, Clone)]
pub struct Targets {
    builtin: BTreeMap<String, Arc<Profile>>,
    own: BTreeMap<String, Arc<Profile>>,
}

/// A target that can't be, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadTarget {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    target: BTreeMap<Name, Spanned<Table>>,
}

static BUILTIN: LazyLock<Targets> = LazyLock::new(|| parse(include_str!("builtin.toml")).unwrap_or_else(|_| Targets::none()));

fn parse(text: &str) -> Result<Targets, String> {
    let file: File = toml_edit::de::from_str(text).map_err(|error| error.to_string())?;
    let targets = Targets::none().with(file.target).map_err(|bad| bad.message)?;
    Ok(Targets { builtin: targets.own, own: BTreeMap::new() })
}

impl Targets {
    fn none() -> Self {
        Self { builtin: BTreeMap::new(), own: BTreeMap::new() }
    }

    /// Those of the program.
    #[must_use]
    pub fn builtin() -> Self {
        BUILTIN.clone()
    }

    /// And those of a config.
    pub(crate) fn with(mut self, tables: BTreeMap<Name, Spanned<Table>>) -> Result<Self, BadTarget> {
        let mut left: BTreeMap<String, Spanned<Table>> = tables.into_iter().map(|(name, table)| (name.0, table)).collect();
        for (name, table) in &left {
            let bad = |message, hint: &str| Err(BadTarget { span: table.span(), message, hint: hint.to_owned() });
            if self.builtin.contains_key(name) {
                return bad(
                    format!("the target {name} is built in"),
                    &format!("give yours another name; with `inherit = \"{name}\"` it begins as that one"),
                );
            }
            if table.get_ref().is_empty() {
                return bad(format!("the target {name} says nothing"), "say how the tool takes the code: inherit, env, args or stdin");
            }
        }
        // Whoever inherits comes after whom it inherits from; what is left when nobody can come next is a circle, or inherits from nobody.
        while !left.is_empty() {
            let ready = |table: &Spanned<Table>| table.get_ref().inherit.as_ref().is_none_or(|base| self.find(base.get_ref()).is_some());
            let (now, later): (BTreeMap<_, _>, BTreeMap<_, _>) = left.into_iter().partition(|(_, table)| ready(table));
            if now.is_empty() {
                return Err(self.stuck(&later));
            }
            for (name, table) in now {
                let table = table.into_inner();
                let base = table.inherit.as_ref().and_then(|base| self.find(base.get_ref()));
                let profile = table.over(&name, base.as_deref());
                self.own.insert(name, Arc::new(profile));
            }
            left = later;
        }
        Ok(self)
    }

    fn stuck(&self, left: &BTreeMap<String, Spanned<Table>>) -> BadTarget {
        let bases = || left.values().filter_map(|table| table.get_ref().inherit.as_ref());
        match bases().find(|base| !left.contains_key(base.get_ref())) {
            Some(base) => self.unknown(base.get_ref(), base.span()),
            None => BadTarget {
                span: bases().next().map(Spanned::span).unwrap_or_default(),
                message: format!("targets inherit from each other in a circle: {}", left.keys().cloned().collect::<Vec<_>>().join(", ")),
                hint: "let one of them stand alone, or inherit from one that is built in".to_owned(),
            },
        }
    }

    /// The target of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<Profile>> {
        self.own.get(name).or_else(|| self.builtin.get(name)).cloned()
    }

    /// The target that somebody named on the command line.
    ///
    /// # Errors
    /// [`Problem`] with the nearest name and all others.
    pub fn named(&self, name: &str) -> Result<Arc<Profile>, Problem> {
        self.find(name).ok_or_else(|| {
            let unknown = self.unknown(name, 0..0);
            Problem::config(unknown.message).hint(unknown.hint)
        })
    }

    /// That there is no such target.
    pub(crate) fn unknown(&self, name: &str, span: Range<usize>) -> BadTarget {
        let names: Vec<&str> = self.iter().map(|profile| profile.name.as_str()).collect();
        let distances = names.iter().map(|known| (strsim::osa_distance(name, known), *known));
        let nearest = distances.filter(|(distance, known)| *distance <= (known.len() / SLIP).max(1)).min_by_key(|(distance, _)| *distance);
        let slip = nearest.map(|(_, known)| format!("did you mean {known:?}? ")).unwrap_or_default();
        BadTarget {
            span,
            message: format!("there is no target {name:?}"),
            hint: format!("{slip}there are {}; a table [target.NAME] in the configuration adds one", names.join(", ")),
        }
    }

    /// Those of the program, then those of the config, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.builtin.values().chain(self.own.values())
    }

    /// What the issuer in a label (`npm:alice`, `hex.pm:team`) tells; the config's own targets come first.
    #[must_use]
    pub fn guess(&self, label: &str) -> Option<Arc<Profile>> {
        let issuer = label.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let is_word = |word: &String| issuer.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word);
        let mut all = self.own.values().chain(self.builtin.values());
        all.find(|profile| profile.issuer.iter().any(is_word)).cloned().or_else(|| self.find(GENERIC))
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self::builtin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_are_sound() {
        let targets = parse(include_str!("builtin.toml")).unwrap();
        let names: Vec<&str> = targets.iter().map(|profile| profile.name.as_str()).collect();
        let expected =
            ["aws", "changesets", "gem", "generic", "hex", "lerna", "npm", "pnpm", "semantic-release", "steam", "yarn", "yarn-berry"];
        assert_eq!(names, expected);
        let mut words: Vec<&String> = targets.iter().flat_map(|profile| &profile.issuer).collect();
        let count = words.len();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), count, "a word gives one target away");
        for profile in targets.iter() {
            assert!(!profile.about.is_empty(), "{}", profile.name);
            assert!(!profile.retry || !profile.wrong.is_empty(), "{}: run again for what?", profile.name);
        }
    }

    #[test]
    fn guesses_by_the_issuer() {
        for (label, target) in [
            ("npm:alice", "npm"),
            ("registry.npm.example:alice", "npm"),
            ("RubyGems.org:alice", "gem"),
            ("hex.pm:alice", "hex"),
            ("Amazon Web Services:alice@acme", "aws"),
            ("ACME:npm", "generic"),
            ("hexagon:alice", "generic"),
        ] {
            assert_eq!(Targets::builtin().guess(label).unwrap().name, target, "{label}");
        }
    }

    fn own(text: &str) -> Result<Targets, BadTarget> {
        let file: File = toml_edit::de::from_str(text).unwrap();
        Targets::builtin().with(file.target)
    }

    #[test]
    fn what_is_not_said_is_inherited() {
        let targets = own(
            "[target.b]\ninherit = \"a\"\nretry = false\n[target.a]\ninherit = \"npm\"\nenv = [\"MINE\"]\nissuer = [\"acme\"]\nwrong = []\n",
        );
        let targets = targets.unwrap();
        let (npm, a, b) = (targets.find("npm").unwrap(), targets.find("a").unwrap(), targets.find("b").unwrap());
        assert_eq!((a.env.as_slice(), a.min_life, a.retry, a.wrong.len()), (&["MINE".to_owned()][..], npm.min_life, true, 0));
        assert_eq!((b.env.as_slice(), b.retry, b.about.as_str()), (&["MINE".to_owned()][..], false, "as a"));
        assert_eq!(b.limited.len(), npm.limited.len());
        assert_eq!(targets.guess("Acme:x").unwrap().name, "a");
        assert_eq!(targets.guess("npm:x").unwrap().name, "npm");
    }

    #[test]
    fn circles_and_unknown_names_are_told() {
        let circle = own("[target.a]\ninherit = \"b\"\n[target.b]\ninherit = \"a\"\n").unwrap_err();
        assert_eq!(circle.message, "targets inherit from each other in a circle: a, b");
        let unknown = own("[target.a]\ninherit = \"nmp\"\n").unwrap_err();
        assert_eq!(unknown.message, "there is no target \"nmp\"");
        assert!(unknown.hint.starts_with("did you mean \"npm\"? there are aws, changesets, "), "{}", unknown.hint);
        assert!(Targets::builtin().unknown("zzz", 0..0).hint.starts_with("there are aws"));
        let taken = own("[target.npm]\nenv = [\"X\"]\n").unwrap_err();
        assert_eq!(taken.message, "the target npm is built in");
        assert_eq!(own("[target.a]\n").unwrap_err().message, "the target a says nothing");
    }
}
