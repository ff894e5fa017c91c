//! Secrets that were given in a wrong place must not be repeated in an error message.

/// What secrets of this field begin with.
const BEGINNINGS: &[&str] = &["countersign-key-1", "age-secret-key-", "otpauth://", "otpauth-migration://"];
const INSTEAD: &str = "[a secret, left out]";

/// `text` without anything that looks like a CI key, an age identity or an otpauth URI.
#[must_use]
pub(crate) fn redact(text: &str) -> String {
    let small = text.to_ascii_lowercase();
    let mut kept = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some((at, beginning)) = BEGINNINGS.iter().filter_map(|it| small.get(rest..)?.find(it).map(|at| (rest + at, it))).min() {
        kept.push_str(text.get(rest..at).unwrap_or_default());
        let secret = text.get(at..).unwrap_or_default();
        // A path or a word: it ends where a message goes on.
        let length = secret.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`')).unwrap_or(secret.len());
        let end = at + length;
        let word = text.get(at..end).unwrap_or_default();
        // The bare beginning is no secret, nor is a URI without one: our own messages name both.
        let is_secret = if beginning.contains("://") { word.contains('=') } else { length > beginning.len() + 4 };
        kept.push_str(if is_secret { INSTEAD } else { word });
        rest = end;
    }
    kept.push_str(text.get(rest..).unwrap_or_default());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        assert_eq!(redact("cannot read COUNTERSIGN-KEY-1QQQQQ: no such file"), "cannot read [a secret, left out] no such file");
        assert_eq!(redact("'otpauth://totp/a?secret=B' and AGE-SECRET-KEY-1XYZUV"), "'[a secret, left out]' and [a secret, left out]");
        assert_eq!(redact("must start with COUNTERSIGN-KEY-1"), "must start with COUNTERSIGN-KEY-1");
        assert_eq!(redact("one line, otpauth://totp/..."), "one line, otpauth://totp/...");
        assert_eq!(redact("häuser, nothing here"), "häuser, nothing here");
    }
}
