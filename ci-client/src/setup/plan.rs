//! What is there -> what to do next. Nothing is remembered between two runs but what the steps leave behind, so a set-up can be left at any
//! point and goes on from there.

/// Where the key of a phone of the configuration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Key {
    /// Not on this machine, as far as one can see.
    #[default]
    Nowhere,
    File,
    Environment,
}

/// What is there already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub(crate) phones: Vec<String>,
    pub(crate) seeds: Vec<String>,
    pub(crate) key: Key,
    /// The key file lies, or would lie, in a git work tree that does not ignore it.
    pub(crate) exposed: bool,
}

/// What was done, or left out by the human, in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    pub(crate) relay: bool,
    pub(crate) ignore: bool,
    pub(crate) seed: bool,
    pub(crate) store: bool,
    pub(crate) lines: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Choose a relay, and see whether it answers.
    Relay,
    /// Keep the key file out of the repository, before there is one.
    Ignore,
    /// Pair with a phone.
    Pair,
    /// Paired, but without the key no seed can be added, and nothing stored.
    KeyMissing,
    /// Enroll a seed.
    Seed,
    /// Put the key where the CI finds it.
    Store,
    /// Show what to write into the workflow.
    Lines,
    Done,
}

/// What was asked for in so many words, by options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked<'a> {
    /// The seed of this name.
    pub(crate) seed: Option<&'a str>,
    /// That the key is put somewhere.
    pub(crate) store: bool,
}

/// The next step.
pub(crate) fn next(found: &Found, asked: Asked<'_>, progress: Progress) -> Step {
    let ignore_due = found.exposed && !progress.ignore;
    if found.phones.is_empty() {
        return match (progress.relay, ignore_due) {
            (false, _) => Step::Relay,
            (true, true) => Step::Ignore,
            (true, false) => Step::Pair,
        };
    }
    if ignore_due && found.key == Key::File {
        return Step::Ignore;
    }
    let seed_due = asked.seed.map_or(found.seeds.is_empty(), |name| !found.seeds.iter().any(|other| other == name));
    if seed_due && !progress.seed {
        return if found.key == Key::Nowhere { Step::KeyMissing } else { Step::Seed };
    }
    if !progress.store {
        match (found.key, asked.store) {
            (Key::File, _) | (Key::Environment, true) => return Step::Store,
            (Key::Nowhere, true) => return Step::KeyMissing,
            // It is somewhere safe already.
            (Key::Environment | Key::Nowhere, false) => {}
        }
    }
    if progress.lines { Step::Done } else { Step::Lines }
}

/// The answers that options gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Given<'a> {
    pub(crate) yes: bool,
    pub(crate) relay: bool,
    pub(crate) seed: Option<&'a str>,
    /// Where the otpauth URI comes from.
    pub(crate) source: bool,
    pub(crate) store: bool,
    /// `--store` names a place.
    pub(crate) stores: bool,
    /// Or guessed.
    pub(crate) ci: bool,
}

/// The options that are missing if nobody can be asked: the steps are gone through without doing them.
pub(crate) fn missing(found: &Found, given: Given<'_>) -> Vec<&'static str> {
    let (mut found, mut progress) = (found.clone(), Progress::default());
    let mut missing = Vec::new();
    let mut need = |there: bool, option: &'static str| {
        if !there && !missing.contains(&option) {
            missing.push(option);
        }
    };
    loop {
        match next(&found, Asked { seed: given.seed, store: given.stores }, progress) {
            Step::Relay => {
                need(given.relay, "--relay URL");
                progress.relay = true;
            }
            Step::Ignore => {
                need(given.yes, "--yes");
                progress.ignore = true;
            }
            Step::Pair => {
                need(given.yes, "--yes");
                found.phones.push(String::new());
                found.key = Key::File;
            }
            Step::Seed => {
                need(given.seed.is_some(), "--seed NAME");
                need(given.source, "--scan, --uri-stdin or --qr-image FILE");
                need(given.yes, "--yes");
                progress.seed = true;
            }
            Step::Store => {
                need(given.store, "--store gh, glab, print or none");
                progress.store = true;
            }
            Step::Lines => {
                need(given.ci, "--ci github, gitlab, circleci or other");
                progress.lines = true;
            }
            // A problem of its own, which no option mends.
            Step::KeyMissing | Step::Done => return missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(seeds: &[&str], key: Key) -> Found {
        Found { phones: vec!["pixel".into()], seeds: seeds.iter().map(|&name| name.into()).collect(), key, exposed: false }
    }

    const NOTHING: Progress = Progress { relay: false, ignore: false, seed: false, store: false, lines: false };

    #[test]
    fn from_nothing_to_the_end() {
        let mut found = Found { exposed: true, ..Found::default() };
        let mut progress = NOTHING;
        assert_eq!(next(&found, Asked::default(), progress), Step::Relay);
        progress.relay = true;
        assert_eq!(next(&found, Asked::default(), progress), Step::Ignore);
        found.exposed = false;
        assert_eq!(next(&found, Asked::default(), progress), Step::Pair);
        (found.phones, found.key) = (vec!["pixel".into()], Key::File);
        assert_eq!(next(&found, Asked::default(), progress), Step::Seed);
        found.seeds.push("npm".into());
        assert_eq!(next(&found, Asked::default(), progress), Step::Store);
        progress.store = true;
        assert_eq!(next(&found, Asked::default(), progress), Step::Lines);
        progress.lines = true;
        assert_eq!(next(&found, Asked::default(), progress), Step::Done);
    }

    #[test]
    fn what_is_there_is_skipped() {
        assert_eq!(next(&paired(&[], Key::File), Asked::default(), NOTHING), Step::Seed);
        assert_eq!(next(&paired(&["npm"], Key::File), Asked::default(), NOTHING), Step::Store);
        assert_eq!(next(&paired(&["npm"], Key::File), seed("npm"), NOTHING), Step::Store);
        assert_eq!(next(&paired(&["npm"], Key::File), seed("gem"), NOTHING), Step::Seed);
        // What comes from the environment is somewhere safe already.
        assert_eq!(next(&paired(&["npm"], Key::Environment), Asked::default(), NOTHING), Step::Lines);
        // The key file was deleted, as it should be.
        assert_eq!(next(&paired(&["npm"], Key::Nowhere), Asked::default(), NOTHING), Step::Lines);
    }

    fn seed(name: &str) -> Asked<'_> {
        Asked { seed: Some(name), store: false }
    }

    #[test]
    fn what_is_to_be_stored_must_be_there() {
        let store = Asked { seed: None, store: true };
        assert_eq!(next(&paired(&["npm"], Key::Nowhere), store, NOTHING), Step::KeyMissing);
        assert_eq!(next(&paired(&["npm"], Key::Environment), store, NOTHING), Step::Store);
        assert_eq!(next(&paired(&["npm"], Key::Environment), store, Progress { store: true, ..NOTHING }), Step::Lines);
        assert_eq!(next(&paired(&["npm"], Key::File), store, NOTHING), Step::Store);
    }

    #[test]
    fn no_seed_without_a_key() {
        assert_eq!(next(&paired(&[], Key::Nowhere), Asked::default(), NOTHING), Step::KeyMissing);
        assert_eq!(next(&paired(&["npm"], Key::Nowhere), seed("gem"), NOTHING), Step::KeyMissing);
    }

    #[test]
    fn what_the_human_leaves_out_is_left_out() {
        assert_eq!(next(&paired(&[], Key::File), Asked::default(), Progress { seed: true, ..NOTHING }), Step::Store);
        let exposed = Found { exposed: true, ..paired(&["npm"], Key::File) };
        assert_eq!(next(&exposed, Asked::default(), NOTHING), Step::Ignore);
        assert_eq!(next(&exposed, Asked::default(), Progress { ignore: true, ..NOTHING }), Step::Store);
        // Nothing lies there.
        assert_eq!(next(&Found { key: Key::Nowhere, ..exposed }, Asked::default(), NOTHING), Step::Lines);
    }

    #[test]
    fn what_is_missing_depends_on_what_is_there() {
        let all = [
            "--relay URL",
            "--yes",
            "--seed NAME",
            "--scan, --uri-stdin or --qr-image FILE",
            "--store gh, glab, print or none",
            "--ci github, gitlab, circleci or other",
        ];
        assert_eq!(missing(&Found::default(), Given::default()), all);
        let given = Given { yes: true, relay: true, seed: Some("npm"), source: true, store: true, stores: true, ci: true };
        assert_eq!(missing(&Found::default(), given), Vec::<&str>::new());
        assert_eq!(missing(&paired(&["npm"], Key::Nowhere), Given { ci: true, ..Given::default() }), Vec::<&str>::new());
        assert_eq!(missing(&paired(&["npm"], Key::File), Given { ci: true, ..Given::default() }), [all[4]]);
        assert_eq!(
            missing(&Found { exposed: true, ..paired(&["npm"], Key::File) }, Given { store: true, ci: true, ..Given::default() }),
            ["--yes"]
        );
    }
}
