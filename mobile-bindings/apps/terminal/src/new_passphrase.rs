//! A passphrase that is chosen: typed twice on a terminal, and not too short.

use countersign_mobile::MIN_PASSPHRASE;
use zeroize::Zeroizing;

use crate::console::{Console, NoAnswer};

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotChosen {
    /// This is wrong with it.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// Asks for one, on a terminal until it will do. `too_short`: what to say of one that is.
pub(crate) fn new_passphrase(console: &std::sync::Arc<Console>, question: &str, too_short: &str) -> Result<Zeroizing<String>, NotChosen> {
    let is_slip = |why: &NotChosen| matches!(why, NotChosen::Refused(_));
    console.until_right(is_slip, || {
        let passphrase = match console.ask(question, true) {
            Err(why @ NoAnswer::NotText) => return Err(NotChosen::Refused(format!("the passphrase: {why}"))),
            answer => answer?,
        };
        if passphrase.chars().count() < MIN_PASSPHRASE {
            return Err(NotChosen::Refused(too_short.to_owned()));
        }
        if console.is_terminal() && console.ask("the same again", true)? != passphrase {
            return Err(NotChosen::Refused("the two passphrases differ; type it again".into()));
        }
        Ok(passphrase)
    })
}
