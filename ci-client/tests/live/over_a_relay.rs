//! The program against a real relay and a phone.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::common::{self, Program, Reply, TestPhone, World, pair};
use countersign::config::Config;
use countersign_core::phone::HistoryOutcome;
use rustix::process::Signal;

fn pairing_keeps_comments_and_adds_to_the_key_file() {
    let world = World::paired();
    let path = world.config();
    let commented = fs::read_to_string(&path).unwrap().replace("[[phone]]", "# the phone in the drawer\n[[phone]]");
    fs::write(&path, &commented).unwrap();
    let second = TestPhone::start("pixel", world.relay.clone());
    let end = pair(&second, world.folder.path(), &world.relay, &["--key-file", "ci.key"], |digits| digits);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(&commented), "{text}");
    let names: Vec<String> = Config::load(&path).unwrap().phones.into_iter().map(|phone| phone.phone_name).collect();
    assert_eq!(names, ["pixel", "pixel-2"]);
    let key = world.folder.path().join("ci.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&key).unwrap().matches("COUNTERSIGN-KEY-1").count(), 2);
    // And away again.
    let end = world.start(&["unpair", "pixel", "--key-file", "ci.key"], "").end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(Config::load(&path).unwrap().phones[0].phone_name, "pixel-2");
    assert_eq!(fs::read_to_string(&key).unwrap().matches("COUNTERSIGN-KEY-1").count(), 1);
}

fn without_a_file_the_key_alone_is_on_standard_output() {
    let relay = common::relay();
    let folder = tempfile::tempdir().unwrap();
    let phone = TestPhone::start("pixel", relay.clone());
    let end = pair(&phone, folder.path(), &relay, &["--no-qr"], |digits| digits);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stdout.starts_with("COUNTERSIGN-KEY-1") && end.stdout.lines().count() == 1);
    assert!(!end.stderr.contains("COUNTERSIGN-KEY-1"));
}

fn wrong_digits_store_nothing() {
    let relay = common::relay();
    let folder = tempfile::tempdir().unwrap();
    let phone = TestPhone::start("pixel", relay.clone());
    let end = pair(&phone, folder.path(), &relay, &["--key-file", "ci.key"], |_| "12345".into());
    assert_eq!((end.code, end.stdout.as_str()), (Some(202), ""), "{}", end.stderr);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn code_prints_the_code_and_nothing_else() {
    let world = World::enrolled();
    let mut program = world.start(&["code", "npm", "--key-file", "ci.key", "--reason", "release 1.2"], "");
    world.phone.reply(Reply::Approve(program.number()));
    let end = program.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let code = end.stdout.strip_suffix('\n').unwrap();
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{:?}", end.stdout);
    assert!(end.stderr.contains("countersign: asking pixel for a code of npm (npm:alice)\ncountersign: reason: release 1.2"));
    assert!(!end.stderr.contains(code));
    world.phone.wait_for(HistoryOutcome::Used);
}

fn exec_gives_the_code_to_the_command_alone() {
    let world = World::enrolled();
    let script = "test ${#NPM_CONFIG_OTP} = 6 && test $npm_config_otp = $COUNTERSIGN_CODE && test -z \"${COUNTERSIGN_KEY_FILE+x}\" \
                  && test -z \"${COUNTERSIGN_KEY+x}\" && exit 7";
    let mut program = world.start(&["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", script], "");
    world.phone.reply(Reply::Approve(program.number()));
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(7), ""), "{}", end.stderr);
    world.phone.wait_for(HistoryOutcome::NotUsed);
}

fn codes_come_one_by_one_and_are_masked_first() {
    let world = World::enrolled();
    let key = fs::read_to_string(world.folder.path().join("ci.key")).unwrap();
    let environment = [("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/widget"), ("COUNTERSIGN_KEY", &key)];
    let mut program = Program::start_in(world.folder.path(), &["code", "npm", "--codes", "2"], "", &environment);
    world.phone.reply(Reply::Approve(program.number()));
    let masks = [program.line("::add-mask::"), program.line("::add-mask::")];
    let before = std::time::Instant::now();
    program.line("countersign: the code is of the next step");
    let end = program.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(end.stdout.lines().collect::<Vec<_>>(), masks);
    assert!(before.elapsed() > std::time::Duration::from_secs(1));
}

fn every_other_phone_is_a_recipient() {
    let world = World::paired();
    let second = TestPhone::start("tablet", world.relay.clone());
    let end = pair(&second, world.folder.path(), &world.relay, &["--key-file", "ci.key"], |digits| digits);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let end = world.enroll();
    assert_eq!(end.code, Some(207), "{}", end.stderr);
    let arguments = ["enroll", "npm", "--uri-stdin", "--phone", "tablet", "--key-file", "ci.key"];
    let mut program = world.start(&arguments, &format!("{}\n", common::URI));
    second.reply(Reply::Approve(program.number()));
    let end = program.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let config = Config::load(&world.config()).unwrap();
    let seed = config.seed("npm").unwrap();
    let stanzas = String::from_utf8_lossy(seed.sealed.as_bytes()).matches("-> X25519 ").count();
    assert_eq!((stanzas, seed.target.name.as_str(), seed.label.as_str()), (2, "npm", "npm:alice"));
}

fn signals_reach_the_command() {
    let world = World::enrolled();
    let script = "trap 'exit 9' USR1; echo ready >&2; while :; do sleep 0.1; done";
    let mut program = world.start(&["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", script], "");
    world.phone.reply(Reply::Approve(program.number()));
    program.line("ready");
    program.signal(Signal::USR1);
    assert_eq!(program.end().code, Some(9));
    let mut program = world.start(&["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", "echo ready >&2; exec sleep 60"], "");
    world.phone.reply(Reply::Approve(program.number()));
    program.line("ready");
    program.signal(Signal::TERM);
    assert_eq!(program.end().code, Some(128 + 15));
}

fn denied_wrong_number_and_interrupted_differ() {
    let world = World::enrolled();
    let ask = ["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", "echo ran"];
    let mut program = world.start(&ask, "");
    program.number();
    world.phone.reply(Reply::Deny("not today"));
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(200), ""), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: pixel: the maintainer denied the request: not today"), "{}", end.stderr);
    let mut program = world.start(&ask, "");
    program.number();
    world.phone.reply(Reply::WrongNumber);
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(202), ""), "{}", end.stderr);
    let mut program = world.start(&ask, "");
    program.number();
    program.signal(Signal::INT);
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(130), ""), "{}", end.stderr);
    // The phone was told: the next request is not kept waiting as "busy".
    let mut program = world.start(&ask, "");
    world.phone.reply(Reply::Approve(program.number()));
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), "ran\n"), "{}", end.stderr);
    assert!(!end.stderr.contains("busy"), "{}", end.stderr);
}

fn the_first_of_two_phones_wins() {
    let world = World::enrolled();
    let second = TestPhone::start("tablet", world.relay.clone());
    let end = pair(&second, world.folder.path(), &world.relay, &["--key-file", "ci.key"], |digits| digits);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    // The tablet does not know the seed, which ends nothing.
    let mut program = world.start(&["code", "npm", "--key-file", "ci.key"], "");
    let number = program.line("    match number on pixel:  ");
    program.says("countersign: tablet: the phone does not know this sealed seed; the others are still being asked");
    world.phone.reply(Reply::Approve(number));
    let end = program.end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let end = world.start(&["code", "npm", "--key-file", "ci.key", "--phone", "tablet"], "").end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(205), ""), "{}", end.stderr);
}

fn the_doctor_is_content() {
    let world = World::enrolled();
    let end = world.start(&["doctor", "--key-file", "ci.key"], "").end();
    assert_eq!(end.code, Some(0), "{}{}", end.stdout, end.stderr);
    let expected = format!(
        "ok       configuration countersign.toml: phones 1, seeds 1\nok       key for pixel\nok       relay {}\nok       phone pixel\n\
         ok       clocks: pixel and this machine are 0 s apart\n",
        world.relay
    );
    assert_eq!(end.stdout.replace("are 1 s apart", "are 0 s apart"), expected);
}

fn nobody_at_the_phone_is_a_timeout() {
    let world = World::enrolled();
    let mut program = world.start(&["code", "npm", "--key-file", "ci.key", "--timeout", "5s"], "");
    program.number();
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(201), ""), "{}", end.stderr);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        pairing_keeps_comments_and_adds_to_the_key_file,
        without_a_file_the_key_alone_is_on_standard_output,
        wrong_digits_store_nothing,
        code_prints_the_code_and_nothing_else,
        exec_gives_the_code_to_the_command_alone,
        codes_come_one_by_one_and_are_masked_first,
        every_other_phone_is_a_recipient,
        signals_reach_the_command,
        denied_wrong_number_and_interrupted_differ,
        the_first_of_two_phones_wins,
        the_doctor_is_content,
        nobody_at_the_phone_is_a_timeout,
    ]
}
