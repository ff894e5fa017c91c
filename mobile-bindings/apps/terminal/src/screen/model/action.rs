//! What comes out of the screen, for the engine.

use zeroize::Zeroizing;

use super::Deed;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    Reconnect,
    Approve {
        id: String,
        number: String,
        codes: Option<u8>,
        grant: bool,
        seed: Option<Secret>,
    },
    Deny {
        id: String,
        reason: String,
    },
    Block {
        id: String,
    },
    Do(Deed),
    /// The passphrase that was asked for; nothing: not now.
    Passphrase(Option<Secret>),
}

impl Action {
    /// The request that it answers.
    pub(crate) fn request(&self) -> Option<&str> {
        match self {
            Self::Approve { id, .. } | Self::Deny { id, .. } | Self::Block { id } => Some(id),
            Self::Quit | Self::Reconnect | Self::Do(_) | Self::Passphrase(_) => None,
        }
    }
}

/// What was typed and is wiped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}
