//! Whose codes a holder has, where it is, and its end.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::{sleep, timeout};

use super::super::{
    endpoint::Taker,
    place::{self, Found, HELD, Place},
    token::Token,
    wire::{self, VERSION},
};
use crate::{exit::Exit, files, problem::Problem};

/// A holder that was told to end is gone within this time, looked at this often.
const END: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Whose codes a holder has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    v: u8,
    /// Of its folder.
    pub(super) name: String,
    pub(super) seed: String,
}

/// How to reach a holder, in its folder.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    v: u8,
    socket: PathBuf,
    token: Token,
}

impl Address {
    pub(super) fn of(taker: Taker) -> Self {
        Self { v: VERSION, socket: taker.address, token: taker.token }
    }
}

/// What there is for a seed.
pub(crate) enum Holding {
    Nothing,
    /// It was killed.
    Dead,
    /// Its approval has not come yet.
    Waiting,
    Here(Taker),
}

impl Key {
    /// One for each configuration and seed. Another user has other folders.
    pub(crate) fn new(config: &Path, seed: &str) -> Self {
        let config = std::fs::canonicalize(config).unwrap_or_else(|_| config.to_owned());
        let mut hash = Sha256::new();
        hash.update(config.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(seed);
        let name = HEXLOWER.encode(hash.finalize().get(..8).unwrap_or_default());
        Self { v: VERSION, name: format!("{HELD}{name}"), seed: seed.to_owned() }
    }

    /// What `approve` sent; `None` if it is of another version, or names something else than a holder's folder.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let is_name = |name: &str| name.strip_prefix(HELD).is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        wire::parse::<Self>(line).filter(|key| key.v == VERSION && is_name(&key.name))
    }

    /// Looks for the holder.
    pub(crate) fn find(&self) -> Result<Holding, Problem> {
        Ok(match place::look(&self.name)? {
            Found::Nothing => Holding::Nothing,
            Found::Dead => Holding::Dead,
            Found::Alive => match self.address() {
                Some(address) => Holding::Here(Taker { address: address.socket, token: address.token }),
                None => Holding::Waiting,
            },
        })
    }

    fn address(&self) -> Option<Address> {
        let file = File::open(place::address_of(&self.name)).ok()?;
        let bytes = files::read_limited(file, wire::MAX_MESSAGE).ok()??;
        wire::parse::<Address>(&bytes).filter(|address| address.v == VERSION)
    }

    /// Ends the holder and waits until it is gone; whether there was one.
    pub(crate) async fn close(&self) -> Result<bool, Problem> {
        match self.find()? {
            Holding::Nothing => return Ok(false),
            Holding::Dead => {
                // Removes what it left.
                drop(Place::claim(&self.name));
                return Ok(false);
            }
            Holding::Waiting => {
                return Err(Problem::new(Exit::InUse, format!("a `countersign approve {}` is still waiting for the phone", self.seed))
                    .hint("end it (Ctrl-C, or a signal), or deny its request on the phone"));
            }
            Holding::Here(taker) => match taker.close(&self.seed).await {
                Ok(()) => {}
                // It ended by itself just now, or does not answer: then it does not end either.
                Err(problem) if problem.exit == Exit::Spent => {}
                Err(problem) => return Err(problem),
            },
        }
        let gone = async {
            while matches!(place::look(&self.name)?, Found::Alive) {
                sleep(LOOK_EVERY).await;
            }
            Ok(true)
        };
        timeout(END, gone).await.unwrap_or_else(|_| {
            Err(Problem::new(Exit::InUse, format!("the holder of {} does not end", self.seed))
                .hint("kill its process, whose command line ends with `countersign hold`; its codes go with it"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_configuration_and_seed_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("countersign.toml");
        let name = |config: &Path, seed| Key::new(config, seed).name;
        std::fs::write(&config, "").unwrap();
        assert_eq!(name(&config, "npm"), name(&folder.path().join("./countersign.toml"), "npm"));
        assert_ne!(name(&config, "npm"), name(&config, "npm2"));
        assert_ne!(name(&config, "npm"), name(&folder.path().join("other.toml"), "npm"));
        assert_eq!(name(&config, "npm").len(), 18);
    }
}
