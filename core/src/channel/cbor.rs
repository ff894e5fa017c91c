//! CBOR in one canonical form.

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::ChannelError;

/// Encodes in the canonical form: definite lengths, shortest integers, keys in the order of docs/PROTOCOL.md.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
    minicbor_serde::to_vec(value).map(Zeroizing::new).map_err(|_| ChannelError::TooLong)
}

/// Decodes what [`encode`] would have written, and nothing else: any other spelling of the same value is refused.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, ChannelError> {
    let value: T = minicbor_serde::from_slice(bytes).map_err(|_| ChannelError::Malformed)?;
    if *encode(&value)? == bytes { Ok(value) } else { Err(ChannelError::Malformed) }
}
