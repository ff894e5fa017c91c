//! The strict check before a decryptor sees a byte (docs/PROTOCOL.md §3).
//!
//! The age crate's parser is quadratic in the number of stanzas and takes two legacy forms; this one is linear and takes neither.

use data_encoding::BASE64_NOPAD;
use sha2::{Digest as _, Sha256};

/// Longest sealed seed, in bytes.
pub const MAX_SEALED: usize = 2048;
/// Most stanzas, those of unknown type included.
pub const MAX_STANZAS: usize = 8;

/// Bytes of nonce before the payload's one chunk.
const NONCE: usize = 16;
/// A chunk's tag, and the longest chunk: tag and the larger of the record sizes.
const CHUNK: std::ops::RangeInclusive<usize> = 16..=1040;
/// Characters of a full line of a stanza's body.
const LINE: usize = 64;
/// Bytes of an X25519 share, and of a wrapped file key.
const X25519: usize = 32;
/// Bytes of the header's MAC.
pub(super) const MAC: usize = 32;

/// An age file that has passed the check. Public: it opens for nobody without an identity.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSeed(Vec<u8>);

/// Why bytes are no sealed seed, by the first rule that they break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// More than [`MAX_SEALED`] bytes.
    #[error("the sealed seed is longer than {MAX_SEALED} bytes")]
    TooLong,
    /// Does not start with the version line; an armored file does not either.
    #[error("not a sealed seed: it must be a binary age v1 file")]
    Version,
    /// The header breaks the grammar or is cut.
    #[error("the sealed seed is damaged (its header breaks the age grammar)")]
    Header,
    /// More than [`MAX_STANZAS`].
    #[error("the sealed seed has more than {MAX_STANZAS} stanzas")]
    TooManyStanzas,
    /// An X25519 stanza with other than one share and a wrapped key of 32 bytes each.
    #[error("the sealed seed is damaged (a recipient stanza is not well formed)")]
    X25519,
    /// A passphrase stanza.
    #[error("the sealed seed is for a passphrase; it must be for age1... recipients")]
    Scrypt,
    /// No X25519 stanza.
    #[error("the sealed seed is for no age1... recipient")]
    NoRecipient,
    /// No nonce, no chunk, or more than one record.
    #[error("the sealed seed is damaged (its payload has the wrong size)")]
    Payload,
}

impl SealedSeed {
    /// Checks `bytes` and takes them over. Linear in their number.
    ///
    /// # Errors
    /// The first rule of docs/PROTOCOL.md §3 that is broken, in the order of [`SealedError`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, SealedError> {
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// The age file, at most [`MAX_SEALED`] bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the file: its key in the phone's index.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl std::fmt::Debug for SealedSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedSeed({} bytes)", self.0.len())
    }
}

fn check(bytes: &[u8]) -> Result<(), SealedError> {
    if bytes.len() > MAX_SEALED {
        return Err(SealedError::TooLong);
    }
    let mut rest = bytes.strip_prefix(b"age-encryption.org/v1\n").ok_or(SealedError::Version)?;
    let (mut stanzas, mut recipients, mut malformed, mut scrypt) = (0, 0, false, false);
    let payload = loop {
        let (line, after) = split_line(rest).ok_or(SealedError::Header)?;
        if let Some(mac) = line.strip_prefix(b"--- ") {
            is_base64_of(mac, MAC).then_some(()).ok_or(SealedError::Header)?;
            break after;
        }
        let arguments = line.strip_prefix(b"-> ").ok_or(SealedError::Header)?;
        let (body, after) = split_body(after)?;
        rest = after;
        stanzas += 1;
        if stanzas > MAX_STANZAS {
            return Err(SealedError::TooManyStanzas);
        }
        match read_arguments(arguments)? {
            ("X25519", share) => {
                recipients += 1;
                malformed |= !share.is_some_and(|share| is_base64_of(share, X25519)) || body != X25519;
            }
            ("scrypt", _) => scrypt = true,
            _ => {}
        }
    };
    if stanzas == 0 {
        return Err(SealedError::Header);
    }
    // The grammar of the whole header comes first, then what the stanzas mean.
    if malformed {
        return Err(SealedError::X25519);
    }
    if scrypt {
        return Err(SealedError::Scrypt);
    }
    if recipients == 0 {
        return Err(SealedError::NoRecipient);
    }
    let chunk = payload.len().checked_sub(NONCE).ok_or(SealedError::Payload)?;
    if CHUNK.contains(&chunk) { Ok(()) } else { Err(SealedError::Payload) }
}

/// A line without its LF, and what follows it.
pub(super) fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}

/// A stanza's type and, if it has exactly one more argument, that one.
fn read_arguments(line: &[u8]) -> Result<(&str, Option<&[u8]>), SealedError> {
    let mut arguments = line.split(|&byte| byte == b' ');
    if !arguments.clone().all(|argument| !argument.is_empty() && argument.iter().all(u8::is_ascii_graphic)) {
        return Err(SealedError::Header);
    }
    let kind = arguments.next().and_then(|kind| std::str::from_utf8(kind).ok()).ok_or(SealedError::Header)?;
    Ok((kind, arguments.next().filter(|_| arguments.next().is_none())))
}

/// How many bytes a stanza's body decodes to, and what follows it.
pub(super) fn split_body(mut rest: &[u8]) -> Result<(usize, &[u8]), SealedError> {
    let mut length = 0;
    loop {
        let (line, after) = split_line(rest).ok_or(SealedError::Header)?;
        rest = after;
        if line.len() > LINE {
            return Err(SealedError::Header);
        }
        // Full lines hold whole groups of four characters, so each line can be decoded alone.
        length += BASE64_NOPAD.decode(line).map_err(|_| SealedError::Header)?.len();
        if line.len() < LINE {
            return Ok((length, rest));
        }
    }
}

/// Whether `text` is the canonical unpadded base64 of `length` bytes.
pub(super) fn is_base64_of(text: &[u8], length: usize) -> bool {
    BASE64_NOPAD.decode(text).is_ok_and(|bytes| bytes.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: &str = "TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc";
    const MAC_LINE: &str = "--- QIfAOEMt1fGOf2FP2m3+TwFQtfy2H3sX3YqUAQRApkM\n";

    fn file(stanzas: &str, payload: usize) -> Vec<u8> {
        let mut file = format!("age-encryption.org/v1\n{stanzas}{MAC_LINE}").into_bytes();
        file.extend(vec![0xff; payload]);
        file
    }

    fn x25519() -> String {
        format!("-> X25519 {SHARE}\n{SHARE}\n")
    }

    fn error(stanzas: &str) -> SealedError {
        SealedSeed::parse(file(stanzas, 32)).expect_err(stanzas)
    }

    #[test]
    fn takes_what_the_grammar_allows() {
        let full = "A".repeat(64);
        for stanzas in
            [x25519(), format!("-> a\n\n{}", x25519()), format!("{}-> !~ b c\n{full}\n{full}\nAA\n", x25519()), x25519().repeat(8)]
        {
            assert!(SealedSeed::parse(file(&stanzas, 32)).is_ok(), "{stanzas}");
        }
        let sealed = SealedSeed::parse(file(&x25519(), 32)).unwrap();
        assert_eq!(sealed.as_bytes(), file(&x25519(), 32));
        assert_eq!(format!("{sealed:?}"), "SealedSeed(200 bytes)");
    }

    #[test]
    fn refuses_everything_else() {
        let full = "A".repeat(64);
        for bad in [
            String::new(),
            "-> \n\n".into(),
            "->\n\n".into(),
            "-> a  b\n\n".into(),
            "-> a \n\n".into(),
            "->  a\n\n".into(),
            "-> \u{e9}\n\n".into(),
            "-> a\tb\n\n".into(),
            "-> a\n".into(),
            format!("-> a\n{full}\n"),
            format!("-> a\n{full}A\n\n"),
            "-> a\nAAA=\n".into(),
            "-> a\nAB\n".into(),
            "-> a\nA\n".into(),
            "-> a\nAA\nAA\n".into(),
            "-> a\r\n\r\n".into(),
            "x\n".into(),
        ] {
            assert_eq!(error(&format!("{}{bad}", if bad.is_empty() { String::new() } else { x25519() })), SealedError::Header, "{bad:?}");
        }
        assert_eq!(error(&x25519().repeat(9)), SealedError::TooManyStanzas);
        assert_eq!(error("-> a\n\n"), SealedError::NoRecipient);
        assert_eq!(error("-> x25519 a\n\n"), SealedError::NoRecipient);
        assert_eq!(error(&format!("{}-> scrypt a 1\n\n", x25519())), SealedError::Scrypt);
        for bad in [
            format!("-> X25519\n{SHARE}\n"),
            format!("-> X25519 {SHARE} a\n{SHARE}\n"),
            format!("-> X25519 AAAA\n{SHARE}\n"),
            format!("-> X25519 {SHARE}\nAAAA\n"),
            format!("-> X25519 {}d\n{SHARE}\n", SHARE.split_at(42).0),
        ] {
            assert_eq!(error(&bad), SealedError::X25519, "{bad}");
        }
    }

    #[test]
    fn sizes() {
        for (payload, good) in [(0, false), (16, false), (31, false), (32, true), (1056, true), (1057, false)] {
            assert_eq!(SealedSeed::parse(file(&x25519(), payload)).is_ok(), good, "{payload}");
        }
        assert_eq!(SealedSeed::parse(vec![b'a'; 2049]), Err(SealedError::TooLong));
        assert_eq!(SealedSeed::parse(vec![b'a'; 2048]), Err(SealedError::Version));
        assert_eq!(SealedSeed::parse(Vec::new()), Err(SealedError::Version));
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = file(&x25519(), 32);
        for length in 0..whole.len() {
            assert!(SealedSeed::parse(whole[..length].to_vec()).is_err(), "{length}");
        }
    }
}
