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
    otp::{compute, parse_otpauth},
};
use countersign_tests::process::{Running, Setting, URI};

/// Everything a process can write to.
fn dump(process: &Running) -> Vec<Vec<u8>> {
    dump_of(process.id())
}

fn dump_of(process: u32) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{process}/mem")).unwrap_or_else(|error| panic!("{error}: this test needs root"));
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

#[test]
fn a_holder_forgets_what_it_handed_out() {
    // Eight digits are in no memory by chance.
    let uri = URI.replace("digits=6", "digits=8");
    let setting = Setting::paired();
    setting.enroll("npm", &uri);
    let mut phone = setting.phone.run(&["run", "--once"]);
    let mut job = setting.client(&["approve", "npm", "--codes", "3"]);
    let number = job.match_number();
    setting.phone.approve_batch(&mut phone, &number);
    let job = job.end();
    assert_eq!(job.code(), 0, "{job:?}");
    let holder: u32 = job.stderr.split("(process ").nth(1).unwrap().split(')').next().unwrap().parse().unwrap();
    let taken = setting.client(&["code", "npm"]).end();
    assert_eq!(taken.code(), 0, "{taken:?}");
    let taken = taken.stdout.trim();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let otpauth = parse_otpauth(&uri).unwrap();
    // What is looked for has to be in clear here.
    let code = |step: u64| compute(&otpauth, step).expose().to_owned();
    let step = (now / 30 - 2..=now / 30 + 2).find(|step| code(*step) == taken).unwrap();
    let memory = dump_of(holder);
    // The search finds what is there: the code after it is still to be had.
    assert!(holds(&memory, code(step + 1).as_bytes()), "the search itself does not work");
    // It wipes the code once it has written it, which the other side may have read before.
    let forgotten = (0..50).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        !holds(&dump_of(holder), taken.as_bytes())
    });
    assert!(forgotten, "the code is in the holder's memory");
    let environment = fs::read(format!("/proc/{holder}/environ")).unwrap();
    assert!(!holds(&[environment], b"COUNTERSIGN"));
    assert_eq!(setting.client(&["close", "npm"]).end().code(), 0);
}
