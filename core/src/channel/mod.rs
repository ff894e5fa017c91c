//! The Noise channel: suites, handshakes, padded messages (docs/PROTOCOL.md §5.1, §6).

mod cbor;
mod handshake;
mod padding;
mod resolver;
#[cfg(test)]
mod vectors;

pub(crate) use cbor::{decode, encode, encode_into};
pub(crate) use handshake::{Handshake, MAX_SKIPPED, Side, Suite, Transport};
pub(crate) use padding::{pad, unpad};

/// Why a message was not accepted. The peer never learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// Wrong key, changed bytes, a message out of order: one indistinct failure.
    #[error("the message could not be decrypted")]
    Decrypt,
    /// Decrypted, but not of the form that docs/PROTOCOL.md prescribes.
    #[error("the message is malformed")]
    Malformed,
    /// Our own message does not fit into its largest size.
    #[error("the message is too long")]
    TooLong,
}
