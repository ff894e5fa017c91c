//! Against the real `age` and `oathtool`. `tests/run` installs both; without them these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use countersign_core::{
    keys::UnlockRoot,
    otp::{compute, parse_otpauth},
    seed::{OpenError, Recipient, SealedSeed, age_recipient, open, seal},
};

const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";

fn unlock() -> UnlockRoot {
    UnlockRoot::from_slice(&[2; 32]).unwrap()
}

fn phone_recipient() -> Recipient {
    age_recipient(&unlock().derive_age_identity()).unwrap()
}

/// Runs a tool with `input` on standard input; gives its standard output.
fn run(tool: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(tool)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{tool}: {error}. Get it with: apt-get install age oathtool"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{tool} {args:?}: {}", output.status);
    output.stdout
}

#[test]
fn a_recovery_key_opens_the_record_with_the_plain_age_tool() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("recovery.key");
    let key = run("age-keygen", &[], b"");
    std::fs::write(&key_file, &key).unwrap();
    let recipient = run("age-keygen", &["-y", key_file.to_str().unwrap()], b"");
    let recovery: Recipient = std::str::from_utf8(&recipient).unwrap().trim().parse().unwrap();

    let signer = unlock().derive_signing();
    let sealed = seal(&parse_otpauth(URI).unwrap(), [7; 16], 1_700_000_000, &signer, &[phone_recipient(), recovery]).unwrap();
    let plain = run("age", &["-d", "-i", key_file.to_str().unwrap()], sealed.as_bytes());
    assert_eq!(plain.len(), 512);
    let record: serde_json::Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!(record["v"], 1);
    assert!(parse_otpauth(record["otpauth"].as_str().unwrap()).is_ok(), "{record}");
}

#[test]
fn a_file_made_by_age_itself_is_refused_for_a_code() {
    let signer = unlock().derive_signing();
    let recipient = phone_recipient();
    // A real record, sealed by somebody who knows the recipient, with the signature of another record: what a thief of CI secrets could make.
    let stranger = UnlockRoot::from_slice(&[9; 32]).unwrap().derive_signing();
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("phone.key");
    // The test plays the phone with the real tool, to get at a record.
    std::fs::write(&identity, unlock().derive_age_identity().expose()).unwrap();
    let theirs = seal(&parse_otpauth(URI).unwrap(), [7; 16], 1, &stranger, std::slice::from_ref(&recipient)).unwrap();
    let record = run("age", &["-d", "-i", identity.to_str().unwrap()], theirs.as_bytes());
    for plain in [record.as_slice(), URI.as_bytes(), b"{}"] {
        let made = run("age", &["-e", "-r", recipient.as_str()], plain);
        // Either the grammar refuses it, or the record does.
        let Ok(file) = SealedSeed::parse(made) else { continue };
        let opened = open(&file, &unlock().derive_age_identity(), &|key| *key == signer.public());
        assert_eq!(opened.err(), Some(OpenError::Failed));
    }
    // The same, signed by ourselves, does open: the test can fail.
    let ours = seal(&parse_otpauth(URI).unwrap(), [7; 16], 1, &signer, std::slice::from_ref(&recipient)).unwrap();
    let record = run("age", &["-d", "-i", identity.to_str().unwrap()], ours.as_bytes());
    let again = SealedSeed::parse(run("age", &["-e", "-r", recipient.as_str()], &record)).unwrap();
    assert!(open(&again, &unlock().derive_age_identity(), &|key| *key == signer.public()).is_ok());
}

#[test]
fn codes_agree_with_oathtool() {
    let secrets = ["GEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA"];
    let mut compared = 0;
    for secret in secrets {
        for algorithm in ["SHA1", "SHA256", "SHA512"] {
            for digits in ["6", "7", "8"] {
                for period in [15_u64, 30, 60, 120] {
                    for time in [59_u64, 1_111_111_109, 1_700_000_000, 20_000_000_000] {
                        let uri = format!("otpauth://totp/a?secret={secret}&algorithm={algorithm}&digits={digits}&period={period}");
                        let ours = compute(&parse_otpauth(&uri).unwrap(), time / period);
                        let (mode, step, now) = (
                            format!("--totp={}", algorithm.to_lowercase()),
                            format!("--time-step-size={period}s"),
                            format!("--now=@{time}"),
                        );
                        let theirs = run("oathtool", &[&mode, &step, &now, "--digits", digits, "--base32", secret], b"");
                        assert_eq!(ours.expose(), std::str::from_utf8(&theirs).unwrap().trim(), "{uri} at {time}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert_eq!(compared, 432);
}
