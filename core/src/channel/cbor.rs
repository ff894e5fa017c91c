//! CBOR in one canonical form.

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::ChannelError;

/// Room for what is encoded, so that a secret is not left behind in a buffer that had to grow.
const ROOM: usize = 16 * 1024;

/// Encodes in the canonical form: definite lengths, shortest integers, keys in the order of docs/PROTOCOL.md.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    let mut serializer = minicbor_serde::Serializer::new(&mut *bytes);
    value.serialize(&mut serializer).map_err(|_| ChannelError::TooLong)?;
    Ok(bytes)
}

/// Decodes what [`encode`] would have written, and nothing else: any other spelling of the same value is refused.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, ChannelError> {
    let value: T = minicbor_serde::from_slice(bytes).map_err(|_| ChannelError::Malformed)?;
    if *encode(&value)? == bytes { Ok(value) } else { Err(ChannelError::Malformed) }
}
