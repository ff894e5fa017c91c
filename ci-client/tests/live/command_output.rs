//! What a command writes goes through, and its end tells whether the code was refused.

use std::{fs, io::Read as _};

use crate::common::{Reply, World};
use countersign_core::phone::HistoryOutcome;

fn output_goes_through_unchanged_and_at_once() {
    let world = World::enrolled();
    // Nothing is written after the question until it is answered: it must come through without the end of a line.
    let script =
        "printf 'name? '; read name; head -c 3000000 /dev/urandom > blob; cat blob & seq 1 200000 >&2; wait; printf %s \"$name\"; exit 4";
    let mut program = world.start(&["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", script], "");
    world.phone.reply(Reply::Approve(program.number()));
    let mut stdout = program.child.stdout.take().unwrap();
    let mut question = [0; 6];
    stdout.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"name? ");
    program.type_line("widget");
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    let expected = [fs::read(world.folder.path().join("blob")).unwrap(), b"widget".to_vec()].concat();
    assert!(rest == expected, "{} bytes of {}", rest.len(), expected.len());
    program.line("1");
    for n in 2..=200_000_u32 {
        assert_eq!(program.line(""), n.to_string());
    }
    assert_eq!(program.child.wait().unwrap().code(), Some(4));
}

fn a_refused_code_is_noticed() {
    let world = World::enrolled();
    let script = "printf 'npm error code EOTP\\nnpm error This operation requires a one-time password.\\n' >&2; exit 1";
    let mut program = world.start(&["exec", "npm", "--no-retry", "--key-file", "ci.key", "--", "sh", "-c", script], "");
    world.phone.reply(Reply::Approve(program.number()));
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(1), ""), "{}", end.stderr);
    assert!(end.stderr.contains("\nnpm error code EOTP\nnpm error This"), "{}", end.stderr);
    assert!(end.stderr.contains("\ncountersign: sh: the code was refused: wrong, used already, or too old"), "{}", end.stderr);
    world.phone.wait_for(HistoryOutcome::Rejected);
}

fn a_target_of_the_configuration_is_used() {
    let world = World::enrolled();
    let config = fs::read_to_string(world.config()).unwrap().replace("target = \"npm\"", "target = \"mine\"");
    let own = "\n[target.mine]\nargs = [\"--otp\", \"{code}\"]\nenv = [\"MINE\"]\nmissing = [{ exit = [3] }]\n";
    fs::write(world.config(), config + own).unwrap();
    fs::write(world.folder.path().join("tool"), "#!/bin/sh\ntest \"$*\" = \"publish --otp $MINE\" && test ${#MINE} = 6 && exit 3\n")
        .unwrap();
    fs::set_permissions(world.folder.path().join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut program = world.start(&["exec", "npm", "--key-file", "ci.key", "--", "./tool", "publish"], "");
    world.phone.reply(Reply::Approve(program.number()));
    let end = program.end();
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    assert!(end.stderr.contains("\ncountersign: tool: no code arrived at the tool"), "{}", end.stderr);
    assert!(end.stderr.contains("hint: `countersign targets mine` tells"), "{}", end.stderr);
    world.phone.wait_for(HistoryOutcome::NotUsed);
}

/// What a command writes when it is told to stop is no verdict on its code.
fn an_interrupted_command_says_nothing_about_its_code() {
    let world = World::enrolled();
    let script = "trap 'echo npm error code EOTP >&2; exit 1' TERM; echo ready >&2; while :; do sleep 0.1; done";
    let mut program = world.start(&["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", script], "");
    world.phone.reply(Reply::Approve(program.number()));
    program.line("ready");
    program.signal(rustix::process::Signal::TERM);
    let end = program.end();
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    assert!(end.stderr.contains("npm error code EOTP") && !end.stderr.contains("the code was refused"), "{}", end.stderr);
    world.phone.wait_for(HistoryOutcome::NotUsed);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        output_goes_through_unchanged_and_at_once,
        a_refused_code_is_noticed,
        a_target_of_the_configuration_is_used,
        an_interrupted_command_says_nothing_about_its_code,
    ]
}
