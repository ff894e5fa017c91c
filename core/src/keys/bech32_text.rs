//! Bech32 (BIP-173 checksum) without its length limit, for secrets as text.

use bech32::{ByteIterExt as _, Fe32IterExt as _, Hrp, primitives::decode::CheckedHrpstring};
use zeroize::Zeroizing;

/// The BIP-173 checksum over texts longer than 90 characters, as age uses it.
enum LongBech32 {}

impl bech32::Checksum for LongBech32 {
    type MidstateRepr = u32;
    const CODE_LENGTH: usize = 1023;
    const CHECKSUM_LENGTH: usize = bech32::Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = bech32::Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = bech32::Bech32::TARGET_RESIDUE;
}

/// Writes `data` in capitals.
pub(crate) fn encode(hrp: Hrp, data: &[u8]) -> Zeroizing<String> {
    let chars = data.iter().copied().bytes_to_fes().with_checksum::<LongBech32>(&hrp).chars();
    let mut text = Zeroizing::new(String::with_capacity(hrp.len() + 8 + data.len() * 8 / 5));
    text.extend(chars.map(|c| c.to_ascii_uppercase()));
    text
}

/// Reads text in one case; `None` if prefix, case, alphabet, padding or checksum is wrong.
pub(crate) fn decode(hrp: Hrp, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let checked = CheckedHrpstring::new::<LongBech32>(text).ok()?;
    if checked.hrp() != hrp {
        return None;
    }
    checked.validate_segwit_padding().ok()?;
    Some(Zeroizing::new(checked.byte_iter().collect()))
}
