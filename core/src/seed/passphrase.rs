//! The strict check of an age file with a passphrase, before a decryptor sees a byte. As [`super::grammar`], for the same reason: the age crate's parser is
//! quadratic in the number of stanzas, and a backup may be megabytes long.

use super::grammar::{MAC, is_base64_of, split_body, split_line};

/// Bytes of a salt.
const SALT: usize = 16;
/// Bytes of a wrapped file key.
const WRAPPED: usize = 32;

/// Why bytes are no age file with a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseHeaderError {
    /// Its first stanza is for a key.
    #[error("this age file is encrypted for a key, not with a passphrase")]
    ForAKey,
    /// Cut, damaged, armored, no age file at all, or with more than the one stanza that such a file may have.
    #[error("this is no binary age file with a passphrase, or it is damaged")]
    Header,
}

/// Checks the header of an age file: exactly one scrypt stanza, well formed. Gives the logarithm of the work that it asks for (`log2` of the rounds, 1-64),
/// which whoever opens it must bound. Looks at a few short lines, however long the file is.
///
/// # Errors
/// [`PassphraseHeaderError`].
pub fn check_passphrase_header(bytes: &[u8]) -> Result<u8, PassphraseHeaderError> {
    let header = PassphraseHeaderError::Header;
    let rest = bytes.strip_prefix(b"age-encryption.org/v1\n").ok_or(header)?;
    let (line, rest) = split_line(rest).ok_or(header)?;
    let arguments = line.strip_prefix(b"-> ").ok_or(header)?;
    let mut arguments = arguments.split(|&byte| byte == b' ');
    match arguments.next() {
        Some(b"scrypt") => {}
        Some(kind) if !kind.is_empty() && kind.iter().all(u8::is_ascii_graphic) => return Err(PassphraseHeaderError::ForAKey),
        _ => return Err(header),
    }
    let (Some(salt), Some(work), None) = (arguments.next(), arguments.next(), arguments.next()) else { return Err(header) };
    let (body, rest) = split_body(rest).map_err(|_| header)?;
    let mac = split_line(rest).and_then(|(line, _)| line.strip_prefix(b"--- ")).ok_or(header)?;
    if !is_base64_of(salt, SALT) || body != WRAPPED || !is_base64_of(mac, MAC) {
        return Err(header);
    }
    parse_work(work).ok_or(header)
}

/// Decimal without sign or leading zeros.
fn parse_work(text: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(text).ok()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|work| plain && (1..=64).contains(work))
}

#[cfg(test)]
mod tests {
    use super::{PassphraseHeaderError as E, *};

    const KEY: &str = "TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc";
    const SALT: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn check(stanzas: &str) -> Result<u8, E> {
        check_passphrase_header(format!("age-encryption.org/v1\n{stanzas}--- {KEY}\nanything").as_bytes())
    }

    #[test]
    fn takes_one_scrypt_stanza_and_nothing_else() {
        let one = format!("-> scrypt {SALT} 18\n{KEY}\n");
        assert_eq!(check(&one), Ok(18));
        assert_eq!(check(&format!("-> X25519 {KEY}\n{KEY}\n")), Err(E::ForAKey));
        for bad in [
            String::new(),
            one.repeat(2),
            format!("{one}-> X25519 {KEY}\n{KEY}\n"),
            format!("-> scrypt {SALT}\n{KEY}\n"),
            format!("-> scrypt {SALT} 18 1\n{KEY}\n"),
            format!("-> scrypt {KEY} 18\n{KEY}\n"),
            format!("-> scrypt {SALT} 18\n{SALT}\n"),
            format!("-> scrypt {SALT} 18\n{KEY}=\n"),
            "-> \n\n".into(),
            "->  scrypt\n\n".into(),
        ] {
            assert_eq!(check(&bad), Err(E::Header), "{bad}");
        }
        for work in ["0", "65", "018", "+18", "1 8", "", "-1", "999999999999"] {
            assert_eq!(check(&format!("-> scrypt {SALT} {work}\n{KEY}\n")), Err(E::Header), "{work}");
        }
        assert_eq!(check_passphrase_header(b"-----BEGIN AGE ENCRYPTED FILE-----\n"), Err(E::Header));
    }
}
