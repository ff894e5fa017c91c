//! `countersign setup`

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Command, FromArgMatches};
use countersign_core::relay::RelayUrl;
use countersign_link::Link;
use zeroize::Zeroizing;

use super::{enroll, listen, pair};
use crate::{
    cli::{ConfigArg, KeyArg},
    config::is_seed_name,
    driver::chain,
    exit::Exit,
    keys::KEY_VARIABLE,
    problem::Problem,
    setup::{
        git::{self, Standing, Taker},
        look::Places,
        place::Ci,
        plan::{Asked, Found, Given, Key, Progress, Step, missing, next},
        store::{Store, hand_over},
        talk::{Choice, Talk},
    },
    ui::Ui,
};

/// Walks through everything a project needs: relay, phone, first seed, key, workflow
///
/// Says what it is about to do and asks before anything is written or sent. What is there already is skipped, so it can be left at any point
/// (Ctrl-C) and run again. The key goes to a file for your eyes only, from there to your CI's secrets if you want that, and is shown only with
/// --store print, on standard output, where nothing else goes. Without a terminal, options must answer everything; the six digits of the pairing
/// are then read from standard input, and after them the otpauth URI with --uri-stdin.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign setup\n  countersign setup --relay wss://relay.example.org --seed npm --scan --ci github --store gh --yes"
)]
pub(crate) struct SetupArgs {
    /// The relay, like wss://relay.example.org
    #[arg(long, value_name = "URL")]
    relay: Option<RelayUrl>,
    /// What the phone will call this pairing; else the name of the current folder
    #[arg(long)]
    name: Option<String>,
    /// Show the pairing code as text only
    #[arg(long)]
    no_qr: bool,
    /// Name for the seed; another one than the configuration has is added
    #[arg(long, value_name = "NAME")]
    seed: Option<String>,
    /// Scan the seed's QR code on the phone, so that this machine never sees it
    #[arg(long, conflicts_with_all = ["uri_stdin", "qr_image"])]
    scan: bool,
    /// Read the otpauth URI from standard input
    #[arg(long, conflicts_with = "qr_image")]
    uri_stdin: bool,
    /// Read it from a picture of its QR code, PNG or JPEG
    #[arg(long, value_name = "FILE")]
    qr_image: Option<PathBuf>,
    /// The phone that seals; needed if there are several
    #[arg(long, value_name = "NAME")]
    phone: Option<String>,
    /// Where the key goes, besides its file: to the secrets of GitHub or GitLab by their own programs, to standard output, or nowhere
    #[arg(long, value_name = "PLACE")]
    store: Option<Store>,
    /// The CI to show lines for; else what the folder and its git remote tell
    #[arg(long)]
    ci: Option<Ci>,
    /// Do everything without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
}

pub(crate) async fn run(args: SetupArgs, ui: Ui) -> Result<u8, Problem> {
    let places = Places::new(args.config.path(), args.key.key_file.as_deref());
    if let Some(name) = args.seed.as_deref().filter(|name| !is_seed_name(name)) {
        return Err(bad_seed_name(name));
    }
    let talk = Talk::new(ui, listen()?, args.yes);
    let (found, standing) = places.look()?;
    if !talk.human {
        check_answers(&args, &places, &found)?;
    }
    if args.store == Some(Store::Print) {
        ui.check_stdout()?;
    }
    report(ui, &places, &found);
    let mut setup = Setup { args, ui, places, talk, progress: Progress::default(), relay: None };
    let before = found.clone();
    let end = setup.walk(found, standing).await;
    if end.is_err() && setup.places.look().is_ok_and(|(now, _)| now != before) {
        ui.say("what was done stays; `countersign setup` goes on from there");
    }
    end
}

/// Without a terminal every answer must be there before anything is done.
fn check_answers(args: &SetupArgs, places: &Places, found: &Found) -> Result<(), Problem> {
    let given = Given {
        yes: args.yes,
        relay: args.relay.is_some(),
        seed: args.seed.as_deref(),
        source: args.scan || args.uri_stdin || args.qr_image.is_some(),
        store: args.store.is_some(),
        stores: stores(args),
        ci: args.ci.or_else(|| places.ci()).is_some(),
    };
    let missing = missing(found, given);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Problem::config(format!("standard input is no terminal, so nobody can be asked; missing: {}", missing.join("; ")))
        .hint("give these options, or run `countersign setup` in a terminal; nothing was changed"))
}

/// Whether the key is to go somewhere, as an option says.
fn stores(args: &SetupArgs) -> bool {
    args.store.is_some_and(|store| store != Store::None)
}

fn bad_seed_name(name: &str) -> Problem {
    Problem::config(format!("{name:?} can't be the name of a seed")).hint("write 1 to 64 of a-z, 0-9, - and _")
}

/// What is there, and so is not done again.
fn report(ui: Ui, places: &Places, found: &Found) {
    if found.phones.is_empty() {
        ui.say(&format!("{}: no phone is paired yet", places.config.display()));
        return;
    }
    ui.say(&format!("paired already: {}", found.phones.join(", ")));
    if !found.seeds.is_empty() {
        ui.say(&format!("seeds already there: {}", found.seeds.join(", ")));
    }
    match found.key {
        Key::File => ui.say(&format!("the key is in {}", places.key_file.display())),
        Key::Environment => ui.say(&format!("the key is in {KEY_VARIABLE}")),
        Key::Nowhere => ui.say("the key is not on this machine; if it is in your CI's secrets, that is where it belongs"),
    }
}

/// Where an otpauth URI comes from.
enum Source {
    /// It is scanned there.
    Phone,
    /// As this option of `enroll` says.
    Option(OsString),
    /// It was pasted already.
    Uri(Zeroizing<String>),
}

struct Setup {
    args: SetupArgs,
    ui: Ui,
    places: Places,
    talk: Talk,
    progress: Progress,
    relay: Option<RelayUrl>,
}

impl Setup {
    async fn walk(&mut self, mut found: Found, mut standing: Standing) -> Result<u8, Problem> {
        loop {
            if standing == Standing::Tracked {
                return Err(Problem::config(format!("{} is in the git repository", self.places.key_file.display()))
                    .hint("whoever can read the repository has the key: `git rm --cached` it, `countersign unpair` the phone, revoke the pairing there and pair again"));
            }
            let asked = Asked { seed: self.args.seed.as_deref(), store: stores(&self.args) };
            match next(&found, asked, self.progress) {
                Step::Relay => self.relay().await?,
                Step::Ignore => self.ignore(&standing).await?,
                Step::Pair => self.pair().await?,
                Step::KeyMissing => return Err(self.key_missing(&found)),
                Step::Seed => self.seed(&found).await?,
                Step::Store => self.store().await?,
                Step::Lines => self.lines().await?,
                Step::Done => break,
            }
            (found, standing) = self.places.look()?;
        }
        self.ui.say("all is set up; `countersign doctor` checks it, and `countersign setup --seed NAME` adds another seed");
        Ok(0)
    }

    async fn relay(&mut self) -> Result<(), Problem> {
        loop {
            let relay = match self.args.relay.take() {
                Some(relay) => relay,
                None => match self.talk.line("the relay's URL, like wss://relay.example.org:").await?.parse() {
                    Ok(relay) => relay,
                    Err(error) => {
                        self.ui.say(&format!("{error}"));
                        continue;
                    }
                },
            };
            match self.talk.until_interrupted(answers(&relay)).await {
                Ok(()) => {
                    self.ui.say(&format!("relay {relay} answers"));
                    self.relay = Some(relay);
                    self.progress.relay = true;
                    return Ok(());
                }
                // Another one may.
                Err(problem) if self.talk.human && problem.exit == Exit::RelayNotReached => self.ui.problem(&problem),
                Err(problem) => return Err(problem),
            }
        }
    }

    async fn ignore(&mut self, standing: &Standing) -> Result<(), Problem> {
        self.progress.ignore = true;
        let Standing::Exposed(exposed) = standing else { return Ok(()) };
        let key_file = self.places.key_file.display().to_string();
        for it in exposed {
            let ignore_file = it.ignore_file.display();
            let (place, done, taken) = match it.taker {
                Taker::Git => ("a git work tree", "git ignores", ("`git add .`", "the repository")),
                Taker::Npm => ("an npm package", "npm leaves out", ("`npm publish`", "the package")),
            };
            let Some(line) = &it.line else {
                self.ui.say(&format!("warning: {key_file} lies in {place} that does not ignore it; add it to {ignore_file}"));
                continue;
            };
            if self.talk.confirm(&format!("the key file {key_file} lies in {place}: add {line} to {ignore_file}")).await? {
                git::ignore(it)?;
                self.ui.say(&format!("{done} {key_file} from now on"));
            } else {
                self.ui.say(&format!("warning: {} would take {key_file} into {}", taken.0, taken.1));
            }
        }
        Ok(())
    }

    async fn pair(&mut self) -> Result<(), Problem> {
        let Some(relay) = self.relay.clone() else { return Err(Problem::config("no relay was chosen")) };
        let (config, key_file) = (&self.places.config, &self.places.key_file);
        let intent = format!(
            "pair a phone over {relay}: the public part goes to {}, the key to {}, for your eyes only",
            config.display(),
            key_file.display()
        );
        if !self.talk.confirm(&intent).await? {
            return Err(Problem::new(Exit::Interrupted, "stopped before the pairing"));
        }
        let mut words = vec![option("--relay", relay.origin()), option("--key-file", key_file), option("--config", config)];
        words.extend(self.args.name.as_ref().map(|name| option("--name", name)));
        words.extend(self.args.no_qr.then(|| "--no-qr".into()));
        pair::run_within(parsed(words)?, self.ui).await
    }

    fn key_missing(&self, found: &Found) -> Problem {
        let file = self.places.key_file.display();
        let stored = if stores(&self.args) { "leave out --store if the key is in your CI's secrets already; else " } else { "" };
        Problem::config(format!("paired with {}, but its key is neither in {file} nor in {KEY_VARIABLE}", found.phones.join(", ")))
            .hint(format!("{stored}name its file with --key-file; if the key is lost, `countersign unpair` the phone and run this again"))
    }

    async fn seed(&mut self, found: &Found) -> Result<(), Problem> {
        self.progress.seed = true;
        let name = loop {
            match self.args.seed.take() {
                Some(name) => break name,
                None => {
                    let name = self.talk.line("a short name for the seed, like npm (empty: no seed now):").await?;
                    match name.as_str() {
                        "" => return Ok(()),
                        name if is_seed_name(name) => self.args.seed = Some(name.to_owned()),
                        name => self.ui.problem(&bad_seed_name(name)),
                    }
                }
            }
        };
        // Asked for by name: not again after this.
        self.args.seed = Some(name.clone());
        let phone = match (&self.args.phone, found.phones.as_slice()) {
            (Some(phone), _) => Some(phone.clone()),
            (None, [_] | []) => None,
            (None, phones) if self.talk.human => {
                let chosen = self.talk.choose("which phone seals it?", phones, None).await?;
                phones.get(chosen).cloned()
            }
            (None, _) => None,
        };
        let intent = format!("have the phone seal the seed {name}, and write it to {}", self.places.config.display());
        if !self.talk.confirm_unseen(&intent).await? {
            self.ui.say("no seed was added");
            return Ok(());
        }
        // The last question: what comes after it may be the seed itself.
        let source = self.source().await?;
        let mut words: Vec<OsString> = vec![name.into(), option("--config", &self.places.config)];
        let uri = match source {
            Source::Phone => None,
            Source::Option(option) => {
                words.push(option);
                None
            }
            Source::Uri(uri) => Some(uri),
        };
        words.extend(phone.map(|phone| option("--phone", phone)));
        if found.key == Key::File {
            words.push(option("--key-file", &self.places.key_file));
        }
        enroll::run_with(parsed(words)?, uri, self.ui).await.map(drop)
    }

    /// Where the otpauth URI comes from.
    async fn source(&mut self) -> Result<Source, Problem> {
        if self.args.scan {
            return Ok(Source::Phone);
        }
        if self.args.uri_stdin {
            return Ok(Source::Option("--uri-stdin".into()));
        }
        if let Some(file) = &self.args.qr_image {
            return Ok(Source::Option(option("--qr-image", file)));
        }
        let options = [
            "scan its QR code on the phone; this machine never sees it".to_owned(),
            "paste the otpauth URI here; it is not shown".to_owned(),
            "read a picture of the QR code".to_owned(),
        ];
        Ok(match self.talk.choose_or_secret("where does the seed come from?", &options, 0).await? {
            Choice::Secret(uri) => Source::Uri(uri),
            Choice::Number(1) => Source::Option("--uri-stdin".into()),
            Choice::Number(2) => Source::Option(option("--qr-image", self.talk.line("the picture, PNG or JPEG:").await?)),
            Choice::Number(_) => Source::Phone,
        })
    }

    async fn store(&mut self) -> Result<(), Problem> {
        self.progress.store = true;
        let key_file = self.places.key_file.display().to_string();
        let folder = self.places.folder().to_owned();
        let ci = self.args.ci.or_else(|| self.places.ci());
        let remote = git::remote(&folder).map_or_else(|| "no git remote".to_owned(), |url| git::without_password(&url));
        let (keys, count) = self.places.keys()?;
        let store = match self.args.store {
            Some(store) => store,
            None => self.ask_store(count, ci).await?,
        };
        let by_hand = || {
            let place = ci.map_or_else(|| "your CI's secrets".to_owned(), |ci| format!("{} ({})", ci.name(), ci.secrets()));
            self.ui.say(&format!("put the key into {place} as {KEY_VARIABLE}"));
        };
        match store.command(count) {
            Some(command) => {
                let intent = format!("run `{}` in {} ({remote}), with the key on its standard input", command.join(" "), folder.display());
                if self.talk.confirm(&intent).await? {
                    self.talk.until_interrupted(hand_over(command, &folder, &keys)).await?;
                    self.ui.say(&format!("the key is stored as {KEY_VARIABLE}"));
                } else {
                    by_hand();
                }
            }
            None if store == Store::Print => {
                // Asked for in so many words.
                self.ui.print(&keys)?;
                by_hand();
            }
            None => by_hand(),
        }
        self.ui.hint(&format!(
            "delete {key_file} once the key is in your CI's secrets, or keep it as safe as a password: more seeds can be enrolled only with it"
        ));
        Ok(())
    }

    async fn ask_store(&mut self, keys: usize, ci: Option<Ci>) -> Result<Store, Problem> {
        let offered: Vec<Store> = Store::ALL.into_iter().filter(|store| store.is_there()).collect();
        let shown: Vec<String> = offered
            .iter()
            .map(|store| match (store.command(keys), store) {
                (Some(command), _) => format!("`{}`", command.join(" ")),
                (None, Store::Print) => "print it on standard output".to_owned(),
                (None, _) => format!("nowhere: I copy it from {} myself", self.places.key_file.display()),
            })
            .collect();
        let fits = |store: &Store| matches!((store, ci), (Store::Gh, Some(Ci::GitHub)) | (Store::Glab, Some(Ci::GitLab)));
        let default = offered.iter().position(fits).or(offered.len().checked_sub(1));
        let chosen = self.talk.choose("where shall the key go?", &shown, default).await?;
        Ok(offered.get(chosen).copied().unwrap_or(Store::None))
    }

    async fn lines(&mut self) -> Result<(), Problem> {
        self.progress.lines = true;
        let config = self.places.config()?;
        let asked = self.args.seed.as_ref().and_then(|name| config.seeds.get_key_value(name));
        let seed = asked.or_else(|| config.seeds.first_key_value());
        let (name, target) = seed.map_or(("SEED", None), |(name, seed)| (name, Some(&*seed.target)));
        let ci = match self.args.ci.or_else(|| self.places.ci()) {
            Some(ci) => ci,
            None => {
                let names: Vec<String> = Ci::ALL.iter().map(|ci| ci.name().to_owned()).collect();
                let chosen = self.talk.choose("which CI runs the release?", &names, None).await?;
                Ci::ALL.get(chosen).copied().unwrap_or(Ci::Other)
            }
        };
        self.ui.say(&format!("commit {}; then, for {}, these lines in the release job:", self.places.config.display(), ci.name()));
        self.ui.raw(&format!("\n{}", ci.lines(name, target)));
        Ok(())
    }
}

/// Whether a relay is there.
async fn answers(relay: &RelayUrl) -> Result<(), Problem> {
    match Link::connect(relay).await {
        Ok((link, _)) => {
            link.close().await;
            Ok(())
        }
        Err(error) => Err(Problem::new(Exit::RelayNotReached, format!("relay {relay}: {}", chain(&error)))
            .hint("check the URL and this machine's network, and whether the relay runs")),
    }
}

/// `--name=value`, whatever the value begins with.
fn option(name: &str, value: impl Into<OsString>) -> OsString {
    let mut option = OsString::from(name);
    option.push("=");
    option.push(value.into());
    option
}

/// The arguments of another command, checked as if they had been typed.
fn parsed<A: Args + FromArgMatches>(words: Vec<OsString>) -> Result<A, Problem> {
    let command = A::augment_args(Command::new("countersign").no_binary_name(true));
    let matches = command.try_get_matches_from(words);
    matches.and_then(|matches| A::from_arg_matches(&matches)).map_err(|error| Problem::config(error.to_string().trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn what_is_handed_to_pair_and_enroll_is_understood() {
        let words =
            vec![option("--relay", "wss://relay.example.org"), option("--name", "--odd"), option("--key-file", "-k"), "--no-qr".into()];
        parsed::<pair::PairArgs>(words).unwrap();
        parsed::<enroll::EnrollArgs>(vec!["npm".into(), option("--phone", "-p"), "--uri-stdin".into()]).unwrap();
        assert!(parsed::<enroll::EnrollArgs>(vec!["NPM".into()]).unwrap_err().message.contains("write 1 to 64"));
    }

    #[test]
    fn every_choice_has_its_word() {
        let words = |values: &[&str]| values.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let stores: Vec<String> =
            Store::value_variants().iter().filter_map(|it| Some(it.to_possible_value()?.get_name().to_owned())).collect();
        assert_eq!(stores, words(&["gh", "glab", "print", "none"]));
        let cis: Vec<String> = Ci::value_variants().iter().filter_map(|it| Some(it.to_possible_value()?.get_name().to_owned())).collect();
        assert_eq!(cis, words(&["github", "gitlab", "circleci", "other"]));
    }
}
