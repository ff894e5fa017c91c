//! Pairing a laptop with a phone, as straight-line typestates on both sides (docs/PROTOCOL.md §6).
//!
//! Each step consumes its state and gives the next one and the message to send. Any failure ends the attempt; a new one needs a new pairing code.

mod code;
mod laptop;
mod message;
mod phone;

pub use code::{PairingCode, PairingCodeError, Rendezvous};
pub use laptop::{AwaitDigits, AwaitP1, AwaitP3, AwaitP5, LaptopPaired};
pub(crate) use phone::ticket_for;
pub use phone::{AwaitP2, AwaitP4, PhoneIdentity, PhonePaired};

/// How long a pairing code lives, milliseconds.
pub const PAIRING_TTL_MS: u64 = 300_000;

/// Why a pairing attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairingError {
    /// The peer does not hold what the pairing code promised, or the bytes were changed on the way.
    #[error("the other side could not be authenticated; start again with a new pairing code")]
    Peer,
    /// The six digits typed are not those that the phone shows.
    #[error("these are not the digits that the phone shows; nothing was stored, start again with a new pairing code")]
    WrongDigits,
}

impl From<crate::channel::ChannelError> for PairingError {
    fn from(_: crate::channel::ChannelError) -> Self {
        Self::Peer
    }
}
