//! Taking fixed-size fields off the front of a slice.

/// Takes `N` bytes.
pub(super) fn array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (field, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*field)
}

/// Takes `length` bytes.
pub(super) fn slice<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(field)
}

pub(super) fn u8(bytes: &mut &[u8]) -> Option<u8> {
    array::<1>(bytes).map(u8::from_be_bytes)
}

pub(super) fn u16(bytes: &mut &[u8]) -> Option<u16> {
    array(bytes).map(u16::from_be_bytes)
}

pub(super) fn u32(bytes: &mut &[u8]) -> Option<u32> {
    array(bytes).map(u32::from_be_bytes)
}

pub(super) fn u64(bytes: &mut &[u8]) -> Option<u64> {
    array(bytes).map(u64::from_be_bytes)
}

/// `Some` if nothing is left.
pub(super) fn end(bytes: &[u8]) -> Option<()> {
    bytes.is_empty().then_some(())
}
