//! The code of one step: RFC 6238 over RFC 4226.

use zeroize::Zeroizing;

use super::{Algorithm, OtpAuth};

/// A code: 6 to 8 decimal digits, wiped on drop, never printed.
pub struct Code(Zeroizing<String>);

impl Code {
    /// Reads a code that came over the channel; `None` unless it is 6 to 8 ASCII digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = (6..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The digits. Every call carries a comment that says why.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(..)")
    }
}

/// Computes the code of `step`, a count of periods since 1970 (docs/PROTOCOL.md §4).
///
/// The copy of the secret made for the computation is wiped; the 20 to 64 bytes of HMAC output inside `totp-rs` are not:
/// they tell the code of this one step only.
#[must_use]
pub fn compute(otpauth: &OtpAuth, step: u64) -> Code {
    let totp = totp_rs::TOTP {
        algorithm: match otpauth.algorithm() {
            Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
            Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
            Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
        },
        digits: usize::from(otpauth.digits()),
        skew: 0,
        // With steps of one second the time is the step: no multiplication that could overflow.
        step: 1,
        // The key of the HMAC; totp-rs wipes its copy on drop (feature `zeroize`).
        secret: otpauth.expose_secret().to_vec(),
    };
    Code(Zeroizing::new(totp.generate(step)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::parse_otpauth;

    const SEED20: &[u8] = b"12345678901234567890";
    const SEED32: &[u8] = b"12345678901234567890123456789012";
    const SEED64: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

    fn otpauth(seed: &[u8], algorithm: &str, digits: u8) -> OtpAuth {
        let secret = data_encoding::BASE32_NOPAD.encode(seed);
        parse_otpauth(&format!("otpauth://totp/rfc?secret={secret}&algorithm={algorithm}&digits={digits}")).unwrap()
    }

    #[test]
    fn rfc_4226_appendix_d() {
        let table = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (step, code) in table.iter().enumerate() {
            assert_eq!(compute(&otpauth(SEED20, "SHA1", 6), step as u64).expose(), *code);
        }
    }

    #[test]
    fn rfc_6238_appendix_b() {
        let table = [
            (59, ["94287082", "46119246", "90693936"]),
            (1_111_111_109, ["07081804", "68084774", "25091201"]),
            (1_111_111_111, ["14050471", "67062674", "99943326"]),
            (1_234_567_890, ["89005924", "91819424", "93441116"]),
            (2_000_000_000, ["69279037", "90698825", "38618901"]),
            (20_000_000_000, ["65353130", "77737706", "47863826"]),
        ];
        for (time, [sha1, sha256, sha512]) in table {
            let step = time / 30_u64;
            assert_eq!(compute(&otpauth(SEED20, "SHA1", 8), step).expose(), sha1);
            assert_eq!(compute(&otpauth(SEED32, "SHA256", 8), step).expose(), sha256);
            assert_eq!(compute(&otpauth(SEED64, "SHA512", 8), step).expose(), sha512);
        }
    }

    #[test]
    fn every_step_has_a_code() {
        for digits in 6..=8 {
            let code = compute(&otpauth(SEED64, "SHA512", digits), u64::MAX);
            assert_eq!(code.expose().len(), usize::from(digits));
        }
    }

    #[test]
    fn codes_are_read_strictly_and_never_printed() {
        assert_eq!(Code::parse("012345").unwrap().expose(), "012345");
        for bad in ["", "12345", "123456789", "12345a", "+12345", "１２", "12 456"] {
            assert!(Code::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{:?}", Code::parse("012345").unwrap()), "Code(..)");
    }
}
