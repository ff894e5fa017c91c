//! The files that the cases in tests/cmd use: a good configuration and its key, and what is wrong with every other one.
//! `UPDATE_FIXTURES=1 cargo test -p countersign --test fixtures` writes them again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign::config::{Config, Edit};
use countersign_core::{
    keys::{CiKey, DeviceRoot, UnlockRoot},
    pairing::{AwaitP1, AwaitP2, LaptopPaired, PhoneIdentity},
    phone::{Context, NotSaved, Phone, Store},
    seed::SealedSeed,
    time::Now,
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use serde_json::Value;

/// Nobody listens there.
const RELAY: &str = "ws://127.0.0.1:1";

fn paired(seed: u8, name: &str) -> LaptopPaired {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let device = DeviceRoot::from_slice(&[seed; 32]).unwrap();
    let identity = PhoneIdentity::derive(name, &UnlockRoot::from_slice(&[seed; 32]).unwrap()).unwrap();
    let laptop = AwaitP1::make("acme/widget", RELAY.parse().unwrap(), &mut rng);
    let code = laptop.code().to_text().parse().unwrap();
    let (phone, p1) = AwaitP2::start(&device, code, &mut rng).unwrap();
    let (laptop, p2) = laptop.receive(&p1, &mut rng).unwrap();
    let (phone, p3) = phone.receive(&p2, &device, &identity, &mut rng).unwrap();
    let (laptop, p4) = laptop.receive(&p3).unwrap().check(&phone.digits()).unwrap();
    let paired = phone.receive(&p4).unwrap();
    let mut ctx = Context { now: Now { unix: 1_700_000_000, mono: 0 }, rng: &mut rng, store: &mut Nowhere };
    let mut phone = Phone::create(device, &identity, &mut ctx).unwrap();
    laptop.receive(&phone.add_pairing(paired, &mut ctx).unwrap()).unwrap()
}

struct Nowhere;

impl Store for Nowhere {
    fn save(&mut self, _: &str, _: &[u8]) -> Result<(), NotSaved> {
        Ok(())
    }
}

fn sealed_vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/sealed.json")).unwrap()
}

fn bytes(vector: &Value) -> Vec<u8> {
    HEXLOWER.decode(vector["sealed"].as_str().unwrap().as_bytes()).unwrap()
}

/// The configuration of the cases with one line changed.
fn with(good: &str, field: &str, value: &str) -> String {
    let lines =
        good.lines().map(|line| if line.starts_with(&format!("{field} = ")) { format!("{field} = {value}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// A configuration with a target of its own.
fn own(fields: &str) -> String {
    format!("version = 1\n\n[target.mine]\n{fields}\n")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/files")
}

/// A pairing and a seed.
fn write_good(vectors: &Value) {
    let (pixel, stranger) = (paired(1, "pixel"), paired(2, "stranger"));
    let mut edit = Edit::new("", None).unwrap();
    edit.add_phone(&pixel.pairing).unwrap();
    edit.set_seed("npm", &SealedSeed::parse(bytes(&vectors["opens"][0])).unwrap(), "npm:alice", "npm").unwrap();
    fs::create_dir_all(folder()).unwrap();
    fs::write(folder().join("countersign.toml"), edit.to_text()).unwrap();
    fs::write(folder().join("key"), format!("{}\n", pixel.key.to_text().as_str())).unwrap();
    fs::write(folder().join("stranger.key"), format!("{}\n", stranger.key.to_text().as_str())).unwrap();
}

#[test]
fn every_bad_file_is_the_good_one_with_one_fault() {
    let vectors = sealed_vectors();
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    if update {
        write_good(&vectors);
    }
    let good = fs::read_to_string(folder().join("countersign.toml")).unwrap();
    let key: CiKey = fs::read_to_string(folder().join("key")).unwrap().trim().parse().unwrap();
    assert_eq!(Config::parse("", &good).unwrap().phones[0].ci_static, key.root.derive_channel().public());
    let mut files = vec![
        ("empty.toml".to_owned(), "version = 1\n".to_owned()),
        ("version.toml".to_owned(), with(&good, "version", "2")),
        ("field.toml".to_owned(), good.replace("\n[[phone]]", "colour = 3\n\n[[phone]]")),
        ("relay.toml".to_owned(), with(&good, "relay", "\"ws://relay.example.org\"")),
        ("ticket.toml".to_owned(), with(&good, "ticket", "\"AQID\"")),
        ("pairing.toml".to_owned(), with(&good, "pairing", "\"AQID\"")),
        ("base64.toml".to_owned(), with(&good, "signer", "\"a=\"")),
        ("target.toml".to_owned(), with(&good, "target", "\"pypi\"")),
        ("codes.toml".to_owned(), format!("{good}codes = 21\n")),
        ("twice.toml".to_owned(), format!("{good}{}", &good[good.find("\n[[phone]]").unwrap()..good.find("\n[seed").unwrap()])),
        ("own-target.toml".to_owned(), own("about = \"Mine\"\ninherit = \"gem\"\nmin_life = 15")),
        ("own-pattern.toml".to_owned(), own("wrong = [\n  { stderr = [\n    'fine',\n    'otp=(wrong',\n  ] },\n]")),
        ("own-large.toml".to_owned(), own("wrong = [{ stderr = ['(a{1000}){1000}'] }]")),
        ("own-everything.toml".to_owned(), own("limited = [{ output = ['.*'] }]")),
        ("own-variable.toml".to_owned(), own("env = [\"MY-OTP\"]")),
        ("own-placeholder.toml".to_owned(), own("args = [\"--otp={otp}\"]")),
        ("own-no-code.toml".to_owned(), own("args = [\"--otp\"]")),
        ("own-life.toml".to_owned(), own("env = [\"MY_OTP\"]\nmin_life = 61")),
        ("own-exit.toml".to_owned(), own("wrong = [{ exit = [0] }]")),
        ("own-sign.toml".to_owned(), own("wrong = [{}]")),
        ("own-field.toml".to_owned(), own("variables = [\"MY_OTP\"]")),
        ("own-empty.toml".to_owned(), own("about = \"Mine\"")),
        ("own-inherit.toml".to_owned(), own("inherit = \"rubygem\"")),
        ("own-circle.toml".to_owned(), own("inherit = \"other\"\n\n[target.other]\ninherit = \"mine\"")),
        ("own-taken.toml".to_owned(), own("inherit = \"gem\"").replace("mine", "npm")),
        ("no-toml.toml".to_owned(), "version = 1\nphone = [\n".to_owned()),
    ];
    for vector in vectors["must_fail"].as_array().unwrap() {
        let name = match (vector["malformed"].as_str(), vector["reason"].as_str().unwrap()) {
            (Some(_), "cut in the header") => "sealed-cut",
            (Some(_), "2049 bytes") => "sealed-large",
            (Some(_), "nine stanzas, one of them grease") => "sealed-nine",
            (Some(_), "for a passphrase") => "sealed-passphrase",
            (Some(_), "armored") => "sealed-armored",
            _ => continue,
        };
        files.push((format!("{name}.toml"), with(&good, "sealed", &format!("\"{}\"", BASE64URL_NOPAD.encode(&bytes(vector))))));
    }
    for (name, text) in files {
        let path = folder().join(&name);
        if update {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
    }
}

/// Every malformed sealed seed of the vectors is a bad configuration.
#[test]
fn malformed_seeds_are_refused_when_the_configuration_is_read() {
    let vectors = sealed_vectors();
    let malformed = vectors["must_fail"].as_array().unwrap().iter().filter(|vector| vector["malformed"].is_string());
    let mut count = 0;
    for vector in malformed {
        let text = format!("version = 1\n[seed.npm]\nsealed = \"{}\"\n", BASE64URL_NOPAD.encode(&bytes(vector)));
        let problem = Config::parse("c.toml", &text).unwrap_err();
        assert_eq!(problem.exit, countersign::exit::Exit::BadConfig);
        assert!(problem.message.starts_with("c.toml, line 3 (sealed): "), "{}", problem.message);
        count += 1;
    }
    assert!(count > 5);
}
