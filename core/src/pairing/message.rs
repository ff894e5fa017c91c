//! The messages of a pairing and what both sides compute from it.

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use crate::{
    keys::{Secret32, decimal, derive_salted},
    labels,
};

/// Size of padded P2.
pub(super) const CI_HELLO_SIZES: &[usize] = &[256];
/// Sizes of padded P3; the larger one holds a ticket with a push address.
pub(super) const PHONE_HELLO_SIZES: &[usize] = &[1024, 2048];
/// Size of padded P4 and P5.
pub(super) const DONE_SIZES: &[usize] = &[64];

/// P2.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CiHello {
    pub(super) v: u8,
    pub(super) name: String,
    pub(super) sender: ByteArray<32>,
    pub(super) psk_share: ByteArray<32>,
}

/// P3.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhoneHello {
    pub(super) v: u8,
    pub(super) name: String,
    pub(super) recipient: String,
    pub(super) signer: ByteArray<32>,
    pub(super) ticket: ByteBuf,
    pub(super) psk_share: ByteArray<32>,
}

/// P4 and P5.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Done {
    Paired,
    Stored,
}

/// The pairing's long-term psk.
pub(super) fn derive_psk(hash: &[u8; 32], qr_psk: &Secret32, laptop_share: &[u8; 32], phone_share: &[u8; 32]) -> Secret32 {
    // Input of HKDF.
    let input = Zeroizing::new([qr_psk.expose().as_slice(), laptop_share, phone_share].concat());
    derive_salted(hash, &input, labels::PAIRING_PSK)
}

/// The six digits that the phone shows.
pub(super) fn derive_digits(hash: &[u8; 32]) -> String {
    decimal(hash, labels::PAIRING_CODE, 6)
}
