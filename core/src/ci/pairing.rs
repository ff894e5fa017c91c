//! What CI knows of one phone; all of it public.

use crate::{
    keys::{ChannelPublic, PairingId, PublicKey},
    relay::RelayUrl,
    seed::Recipient,
};

/// The public part of a pairing, as it stands in `countersign.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiPairing {
    /// Names the pairing.
    pub pairing_id: PairingId,
    /// What the phone calls itself.
    pub phone_name: String,
    /// Where its mailbox is.
    pub relay: RelayUrl,
    /// CI's own channel static: tells which `COUNTERSIGN_KEY` belongs to this pairing.
    pub ci_static: ChannelPublic,
    /// The phone's channel static.
    pub phone_static: ChannelPublic,
    /// The phone's key for receipts and records.
    pub signer: PublicKey,
    /// Seeds are sealed to this.
    pub recipient: Recipient,
    /// The signed ticket for the relay.
    pub ticket: Vec<u8>,
}
