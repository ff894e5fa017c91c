//! Percent-encoding (RFC 3986) into and out of buffers that are wiped.

use data_encoding::HEXUPPER_PERMISSIVE;
use zeroize::Zeroizing;

/// Decodes `%XX`; everything else, `+` too, stands for itself. `None` for a broken escape or what is then no UTF-8.
pub(super) fn decode(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let mut decoded = [0];
            HEXUPPER_PERMISSIVE.decode_mut(digits, &mut decoded).ok()?;
            bytes.extend_from_slice(&decoded);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    // Checked in place and then copied into a buffer of its final size: no copy is left behind unwiped.
    let text = std::str::from_utf8(&bytes).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

/// Appends `text`, with everything but `A-Z a-z 0-9 - . _ ~` as `%XX`.
pub(super) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            HEXUPPER_PERMISSIVE.encode_append(&[byte], out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back() {
        let mut out = String::new();
        encode("a b/ü~%", &mut out);
        assert_eq!(out, "a%20b%2F%C3%BC~%25");
        assert_eq!(*decode(&out).unwrap(), "a b/ü~%");
        assert_eq!(*decode("a+b%2b").unwrap(), "a+b+");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for bad in ["%", "a%", "%1", "%zz", "%+1", "% 1", "%ff", "%c3", "%C3%28"] {
            assert!(decode(bad).is_none(), "{bad}");
        }
    }
}
