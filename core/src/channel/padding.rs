//! `length (u16) | body | zeros`, up to one of a few sizes, so that lengths tell nothing.

use zeroize::Zeroizing;

use super::ChannelError;

/// Pads `body` to the smallest of `sizes` (ascending) that holds it.
pub(crate) fn pad(body: &[u8], sizes: &[usize]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
    let length = u16::try_from(body.len()).map_err(|_| ChannelError::TooLong)?;
    let size = sizes.iter().copied().find(|size| body.len() + 2 <= *size).ok_or(ChannelError::TooLong)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(size));
    plain.extend_from_slice(&length.to_be_bytes());
    plain.extend_from_slice(body);
    plain.resize(size, 0);
    Ok(plain)
}

/// The body inside `plain`, whose length must be one of `sizes` and whose padding must be zeros.
pub(crate) fn unpad<'a>(plain: &'a [u8], sizes: &[usize]) -> Result<&'a [u8], ChannelError> {
    if !sizes.contains(&plain.len()) {
        return Err(ChannelError::Malformed);
    }
    let (length, rest) = plain.split_first_chunk::<2>().ok_or(ChannelError::Malformed)?;
    let (body, padding) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(ChannelError::Malformed)?;
    if padding.iter().all(|byte| *byte == 0) { Ok(body) } else { Err(ChannelError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_to_the_smallest_size_and_back() {
        let plain = pad(&[1; 62], &[64, 256]).unwrap();
        assert_eq!(plain.len(), 64);
        assert_eq!(unpad(&plain, &[64, 256]).unwrap(), [1; 62]);
        assert_eq!(pad(&[1; 63], &[64, 256]).unwrap().len(), 256);
        assert_eq!(pad(&[1; 255], &[64, 256]), Err(ChannelError::TooLong));
    }

    #[test]
    fn refuses_other_forms() {
        assert_eq!(unpad(&[0; 63], &[64]), Err(ChannelError::Malformed));
        let mut plain = [0; 64];
        plain[63] = 1;
        assert_eq!(unpad(&plain, &[64]), Err(ChannelError::Malformed));
        plain[..2].copy_from_slice(&[0, 63]);
        assert_eq!(unpad(&plain, &[64]), Err(ChannelError::Malformed));
    }
}
