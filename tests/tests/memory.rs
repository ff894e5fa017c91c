//! After an approval neither the seed nor a key that opens it is anywhere in the phone's memory; and the CI client never has them at all (docs/THREAT_MODEL.md).
//! Reads /proc/PID/mem of a process that forbids it to its own user, so it needs root: `tests/run` says so where it is not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
};

use age::secrecy::SecretString;
use countersign_core::{
    keys::{DeviceRoot, UnlockRoot},
    otp::parse_otpauth,
};
use countersign_tests::process::{Running, Setting, URI};

/// Everything a process can write to.
fn dump(process: &Running) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.id())).unwrap();
    let mut memory = File::open(format!("/proc/{}/mem", process.id())).unwrap_or_else(|error| panic!("{error}: this test needs root"));
    let mut regions = Vec::new();
    for line in maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.seek(SeekFrom::Start(start)).unwrap();
        // Some regions of the kernel's can't be read.
        if memory.read_exact(&mut bytes).is_ok() {
            regions.push(bytes);
        }
    }
    assert!(regions.iter().map(Vec::len).sum::<usize>() > 100_000);
    regions
}

fn holds(memory: &[Vec<u8>], needle: &[u8]) -> bool {
    memory.iter().any(|region| memchr::memmem::find(region, needle).is_some())
}

/// The phone's unlock root, read as the phone itself does.
fn unlock_root(setting: &Setting) -> UnlockRoot {
    let sealed = fs::read(setting.phone.path().join("state").join("unlock.age")).unwrap();
    let identity = age::scrypt::Identity::new(SecretString::from(setting.phone.passphrase()));
    let opened = age::decrypt(&identity, &sealed).unwrap();
    UnlockRoot::from_slice(&opened).unwrap()
}

#[test]
fn after_an_approval_the_phone_has_forgotten_the_seed_and_its_key() {
    let setting = Setting::ready();
    let unlock = unlock_root(&setting);
    // What is looked for has to be in clear here.
    let age_identity = unlock.derive_age_identity();
    let secret = data_encoding::BASE32.decode(b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
    assert!(parse_otpauth(URI).is_ok());

    let mut phone = setting.phone.run(&["run"]);
    let mut job = setting.client(&["exec", "npm", "--", "sh", "-c", "echo running; read wait"]);
    let number = job.match_number();
    setting.phone.approve(&mut phone, &number, false);
    job.wait_for_line("running");
    phone.wait_for("approved");

    let (of_phone, of_job) = (dump(&phone), dump(&job));
    // The search finds what is there: the device root stays in the phone's memory, by design.
    let device = fs::read(setting.phone.path().join("state").join("device.key")).unwrap();
    assert!(DeviceRoot::from_slice(&device).is_some());
    assert!(holds(&of_phone, &device), "the search itself does not work");
    for (what, needle) in [
        ("the secret", secret.as_slice()),
        ("the secret as text", b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        ("the unlock root", unlock.expose()),
        ("the age identity", age_identity.expose().as_bytes()),
        ("the passphrase", setting.phone.passphrase().as_bytes()),
    ] {
        assert!(!holds(&of_phone, needle), "{what} is in the phone's memory");
        assert!(!holds(&of_job, needle), "{what} is in the client's memory");
    }
    job.say("");
    assert_eq!(job.end().code(), 0);
}
