//! What is there: configuration, key, signs of a CI.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{
    git::{self, Standing},
    place::{Ci, SIGNS},
    plan::{Found, Key},
};
use crate::{
    config::Config,
    keys::{self, KEY_VARIABLE},
    problem::Problem,
};

/// The key file of a new set-up, beside the configuration.
const KEY_FILE: &str = "countersign.key";

/// Where everything is.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) config: PathBuf,
    pub(crate) key_file: PathBuf,
}

impl Places {
    pub(crate) fn new(config: PathBuf, key_file: Option<&Path>) -> Self {
        let key_file = keys::key_file(key_file).unwrap_or_else(|| config.with_file_name(KEY_FILE));
        Self { config, key_file }
    }

    /// The folder of the project: that of the configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.config.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    pub(crate) fn config(&self) -> Result<Config, Problem> {
        if self.config.exists() { Config::load(&self.config) } else { Ok(Config::default()) }
    }

    pub(crate) fn look(&self) -> Result<(Found, Standing), Problem> {
        let config = self.config()?;
        let in_environment = std::env::var_os(KEY_VARIABLE).is_some_and(|text| !text.is_empty());
        if in_environment && config.phones.is_empty() {
            return Err(Problem::config(format!(
                "{KEY_VARIABLE} is set, but {} has no phone that it could belong to",
                self.config.display()
            ))
            .hint(format!("unset {KEY_VARIABLE} to set up a new project, or name the configuration with --config")));
        }
        let key = match (self.key_file.exists(), in_environment) {
            (false, false) => Key::Nowhere,
            // Both is an error, which `load` tells.
            (true, _) => self.of_this_config(&config, Some(&self.key_file), Key::File)?,
            (false, true) => self.of_this_config(&config, None, Key::Environment)?,
        };
        let standing = git::standing(&self.key_file);
        let found = Found {
            phones: config.phones.into_iter().map(|phone| phone.phone_name).collect(),
            seeds: config.seeds.into_keys().collect(),
            key,
            exposed: matches!(standing, Standing::Exposed(_)),
        };
        Ok((found, standing))
    }

    fn of_this_config(&self, config: &Config, file: Option<&Path>, key: Key) -> Result<Key, Problem> {
        let keys = keys::load(file)?;
        Ok(if keys::phones(config, keys, None).is_ok() { key } else { Key::Nowhere })
    }

    /// The keys of the configuration's phones, one a line, and how many. Other keys of the file are none of this project's business.
    pub(crate) fn keys(&self) -> Result<(Zeroizing<String>, usize), Problem> {
        let config = self.config()?;
        let file = self.key_file.exists().then_some(self.key_file.as_path());
        let phones = keys::phones(&config, keys::load(file)?, None)?;
        // Where the human wants them is where they go.
        let texts: Vec<Zeroizing<String>> = phones.iter().map(|phone| phone.key.to_text()).collect();
        let mut all = Zeroizing::new(String::with_capacity(texts.iter().map(|text| text.len() + 1).sum()));
        for text in &texts {
            if !all.is_empty() {
                all.push('\n');
            }
            all.push_str(text);
        }
        Ok((all, texts.len()))
    }

    pub(crate) fn ci(&self) -> Option<Ci> {
        let folder = self.folder();
        let signs: Vec<Ci> = SIGNS.iter().filter(|(path, _)| folder.join(path).exists()).map(|(_, ci)| *ci).collect();
        Ci::guess(&signs, git::remote(folder).as_deref())
    }
}
