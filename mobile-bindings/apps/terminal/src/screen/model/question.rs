//! What is asked, one line at the bottom of the screen.

use super::Deed;

/// What is being asked at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Grant,
    Number,
    Codes,
    Seed,
    Reason,
    Block,
    Passphrase,
    /// Whether to leave while requests wait.
    Quit,
    /// Whether this is to be done.
    Sure(Deed),
}

impl Question {
    /// Whether it ends with the request that is open. The engine says when nobody needs the passphrase any more.
    pub(super) fn is_of_a_request(&self) -> bool {
        !matches!(self, Self::Passphrase | Self::Quit | Self::Sure(_))
    }

    /// Whether an answer leads to an approval: none is taken from who does not see what that is.
    pub(crate) fn is_of_an_approval(&self) -> bool {
        matches!(self, Self::Grant | Self::Number | Self::Codes | Self::Seed | Self::Passphrase)
    }

    /// Whether what is typed stays hidden.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self, Self::Seed | Self::Passphrase)
    }
}
