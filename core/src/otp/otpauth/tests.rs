use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

use super::*;

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn error(uri: &str) -> OtpAuthError {
    parse_otpauth(uri).expect_err(uri)
}

fn with(query: &str) -> String {
    format!("otpauth://totp/ACME:alice?secret={SECRET}&{query}")
}

#[test]
fn reads_the_usual_uri() {
    let otpauth = parse_otpauth(&with("issuer=ACME%20Co&algorithm=sha256&digits=8&period=60&image=x&")).unwrap();
    assert_eq!(otpauth.label(), "ACME Co:alice");
    assert_eq!((otpauth.issuer(), otpauth.account()), (Some("ACME Co"), "alice"));
    assert_eq!((otpauth.algorithm(), otpauth.digits(), otpauth.period()), (Algorithm::Sha256, 8, 60));
    assert_eq!(otpauth.expose_secret(), b"12345678901234567890");
    assert!(otpauth.warnings().is_empty());
    let normal =
        "otpauth://totp/ACME%20Co:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME%20Co&algorithm=SHA256&digits=8&period=60";
    assert_eq!(*otpauth.to_uri(), normal);
}

#[test]
fn debug_reveals_nothing() {
    assert_eq!(format!("{:?}", parse_otpauth(&with("")).unwrap()), "OtpAuth(..)");
}

#[test]
fn defaults_and_case() {
    let otpauth = parse_otpauth(&format!("OTPAUTH://Totp/bob?SECRET={}", SECRET.to_ascii_lowercase())).unwrap();
    assert_eq!((otpauth.issuer(), otpauth.label().as_str()), (None, "bob"));
    assert_eq!((otpauth.algorithm(), otpauth.digits(), otpauth.period()), (Algorithm::Sha1, 6, 30));
    assert_eq!(*otpauth.to_uri(), format!("otpauth://totp/bob?secret={SECRET}&algorithm=SHA1&digits=6&period=30"));
}

#[test]
fn issuer_and_account() {
    for (label, issuer, want) in [
        ("A:b", "C", "C:b"),
        ("A:b", "", "A:b"),
        ("b", "C", "C:b"),
        ("A%3Ab", "", "A:b"),
        ("A:%20%20b", "", "A:b"),
        (":b", "", "b"),
        ("A:b:c", "", "A:b:c"),
        ("A/x:b@c.d+e", "", "A/x:b@c.d+e"),
        ("A+x:b", "C+D", "C+D:b"),
        ("Z%C3%BCrich:b", "", "Zürich:b"),
    ] {
        let uri = format!("otpauth://totp/{label}?secret={SECRET}&issuer={issuer}");
        let otpauth = parse_otpauth(&uri).expect(&uri);
        assert_eq!(otpauth.label(), want, "{uri}");
        // The normal form is a fixed point.
        assert_eq!(parse_otpauth(&otpauth.to_uri()).unwrap().to_uri(), otpauth.to_uri());
    }
    assert_eq!(error(&with("issuer=a:b")), OtpAuthError::Issuer);
    assert_eq!(error(&with("issuer=a%00")), OtpAuthError::Issuer);
    assert_eq!(error(&with("issuer=%E2%80%AEa")), OtpAuthError::Issuer);
}

#[test]
fn labels_that_are_refused() {
    for label in ["", "A:", ":", "A:%20", "%20", "::b", "b%00", "a%0Ab", "%E2%80%AEevil:b", "A:%E2%80%8Bb", &"x".repeat(129)] {
        let uri = format!("otpauth://totp/{label}?secret={SECRET}");
        assert_eq!(error(&uri), OtpAuthError::Label, "{label}");
    }
    assert_eq!(error(&format!("otpauth://totp?secret={SECRET}")), OtpAuthError::Label);
    // What is overridden or dropped does not count.
    let uri = format!("otpauth://totp/{}:%20b?secret={SECRET}&issuer=A", "x".repeat(130));
    assert_eq!(parse_otpauth(&uri).unwrap().label(), "A:b");
    assert_eq!(error(&format!("otpauth://totp/%E2%80%AEx:b?secret={SECRET}&issuer=A")), OtpAuthError::Label);
    // Each fits, but not both together.
    let uri = format!("otpauth://totp/{}?secret={SECRET}&issuer={}", "x".repeat(100), "y".repeat(30));
    assert_eq!(error(&uri), OtpAuthError::Label);
}

#[test]
fn secrets() {
    let secret = |text: &str| parse_otpauth(&format!("otpauth://totp/b?secret={text}"));
    for same in ["gezd gnbv gy3t qojq gezd gnbv gy3t qojq", "GEZDGNBV%20GY3TQOJQ-GEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ===="]
    {
        assert_eq!(secret(same).unwrap().expose_secret(), b"12345678901234567890");
    }
    let short = secret("GEZDGNBVGY3TQOJQ").unwrap();
    assert_eq!(short.expose_secret().len(), 10);
    assert_eq!(short.warnings(), [Warning::ShortSecret]);
    // 26 characters are 16 bytes and two bits, which are dropped.
    let odd = secret("GEZDGNBVGY3TQOJQGEZDGNBVGZ").unwrap();
    assert_eq!((odd.expose_secret().len(), odd.warnings().len()), (16, 0));
    assert!(odd.to_uri().contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY&"));
    assert!(secret(&BASE32_NOPAD.encode(&[7; 64])).is_ok());
    for (bad, why) in [
        ("", OtpAuthError::NoSecret),
        ("==", OtpAuthError::NoSecret),
        ("GEZDGNBVGY3TQOI", OtpAuthError::SecretLength),
        (&BASE32_NOPAD.encode(&[7; 65]), OtpAuthError::SecretLength),
        ("GEZDGNBVGY3TQOJQG", OtpAuthError::Secret),
        ("GEZDGNBVGY3TQOJ1", OtpAuthError::Secret),
        ("GEZDGNBV+GY3TQOJQ", OtpAuthError::Secret),
        ("GEZDGNBVGY3TQOJ%00", OtpAuthError::Secret),
        ("GEZDGNBVGY3TQOJ%C3%9F", OtpAuthError::Secret),
        ("GEZDGNBVGY3TQOJQ%", OtpAuthError::Percent),
    ] {
        assert_eq!(secret(bad).unwrap_err(), why, "{bad}");
        assert!(bad.is_empty() || !why.to_string().contains(bad));
    }
    assert_eq!(error("otpauth://totp/b"), OtpAuthError::NoSecret);
    assert_eq!(error("otpauth://totp/b?issuer=x"), OtpAuthError::NoSecret);
}

#[test]
fn parameters_that_are_refused() {
    for (query, why) in [
        (format!("secret={SECRET}"), OtpAuthError::Repeated),
        (format!("SECRET={SECRET}"), OtpAuthError::Repeated),
        ("issuer=a&Issuer=a".into(), OtpAuthError::Repeated),
        ("digits=6&digits=6".into(), OtpAuthError::Repeated),
        ("period=30&period=30".into(), OtpAuthError::Repeated),
        ("algorithm=SHA1&algorithm=SHA1".into(), OtpAuthError::Repeated),
        ("algorithm=MD5".into(), OtpAuthError::Algorithm),
        ("algorithm=SHA-1".into(), OtpAuthError::Algorithm),
        ("algorithm".into(), OtpAuthError::Algorithm),
        ("digits=10".into(), OtpAuthError::Digits),
        ("digits=5".into(), OtpAuthError::Digits),
        ("digits=06".into(), OtpAuthError::Digits),
        ("digits=".into(), OtpAuthError::Digits),
        ("period=0".into(), OtpAuthError::Period),
        ("period=14".into(), OtpAuthError::Period),
        ("period=121".into(), OtpAuthError::Period),
        ("period=030".into(), OtpAuthError::Period),
        ("period=%2B30".into(), OtpAuthError::Period),
        ("period=+30".into(), OtpAuthError::Period),
        ("period=18446744073709551616".into(), OtpAuthError::Period),
        ("issuer=%".into(), OtpAuthError::Percent),
        ("issuer=%zz".into(), OtpAuthError::Percent),
        ("issuer=%4".into(), OtpAuthError::Percent),
        ("issuer=%ff".into(), OtpAuthError::Percent),
    ] {
        assert_eq!(error(&with(&query)), why, "{query}");
    }
}

#[test]
fn other_uris_are_refused() {
    let query = format!("alice?secret={SECRET}");
    assert_eq!(error(&format!("otpauth://hotp/{query}&counter=1")), OtpAuthError::Hotp);
    assert_eq!(error(&format!("otpauth://steam/{query}")), OtpAuthError::Type);
    assert_eq!(error(&format!("otpauth:///totp/{query}")), OtpAuthError::Type);
    assert_eq!(error("otpauth-migration://offline?data=CjEKCkhl"), OtpAuthError::Migration);
    assert_eq!(error(&format!("https://totp/{query}")), OtpAuthError::Scheme);
    assert_eq!(error(&format!(" otpauth://totp/{query}")), OtpAuthError::Scheme);
    assert_eq!(error(""), OtpAuthError::Scheme);
    assert_eq!(error(&format!("otpauth://totp/ü{query}")), OtpAuthError::NotAscii);
    assert_eq!(error(&format!("otpauth://totp/{query}\n")), OtpAuthError::NotAscii);
    assert_eq!(error(&with("issuer=a#b")), OtpAuthError::NotAscii);
    assert_eq!(error(&with(&"x".repeat(512))), OtpAuthError::TooLong);
    // Short enough as given, but not once encoded.
    let many = "@".repeat(63);
    assert_eq!(error(&format!("otpauth://totp/{many}?secret={SECRET}&issuer={many}")), OtpAuthError::TooLong);
}

/// Anything at all is either refused or has a normal form that is a fixed point and within the limits.
#[test]
fn mutated_uris_never_panic() {
    let seeds =
        [with("issuer=ACME%20Co&algorithm=SHA512&digits=7&period=15"), format!("otpauth://totp/%C3%BC:b%3Ac?secret={SECRET}&image=%41")];
    let pool: Vec<char> = "%:/?&=+#- 0aZ\u{0}\u{7f}ü\u{202e}３".chars().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut pick = |max: usize| rng.next_u32() as usize % max;
    let mut accepted = 0;
    for round in 0..6000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=pick(4) {
            let (at, other) = (pick(text.len()), pick(text.len()));
            match pick(5) {
                0 => text[at] = pool[pick(pool.len())],
                1 => text.insert(at, pool[pick(pool.len())]),
                2 => drop(text.remove(at)),
                3 => text.swap(at, other),
                _ => text.truncate(at.max(15)),
            }
        }
        let text: String = text.into_iter().collect();
        if let Ok(otpauth) = parse_otpauth(&text) {
            let normal = otpauth.to_uri();
            assert!(normal.len() <= MAX_URI && text::is_clean(&otpauth.label(), text::MAX_LABEL));
            let again = parse_otpauth(&normal).expect(&normal);
            assert_eq!((again.to_uri(), again.label()), (normal, otpauth.label()));
            accepted += 1;
        }
    }
    assert!(accepted > 500, "{accepted}");
}
