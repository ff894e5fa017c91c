//! What is about to be published is shown, and must not change. npm is a script here; the real one is in tests/tests.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::common::{End, Program, Reply, World};
use countersign_core::{phone::HistoryOutcome, request::Artefact};

/// SHA-256 of "abc".
const ABC: [u8; 32] = [
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
    0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
];

/// Packs package/content, as it is.
const NPM: &str = r#"#!/bin/sh
test -z "$COUNTERSIGN_KEY$COUNTERSIGN_KEY_FILE$COUNTERSIGN_NOTIFY" || exit 9
case "$1" in
publish) echo published ;;
pack)
    test "$2 $3 $4" = "--json --ignore-scripts --pack-destination" || exit 8
    cp package/content "$5/widget-1.2.0.tgz" || exit 7
    echo '[{"name": "@acme/widget", "version": "1.2.0", "filename": "widget-1.2.0.tgz"}]' ;;
esac
"#;

fn world() -> World {
    let world = World::enrolled();
    let folder = world.folder.path();
    fs::create_dir(folder.join("package")).unwrap();
    fs::write(folder.join("package/content"), "abc").unwrap();
    fs::write(folder.join("package/package.json"), "{}").unwrap();
    for tool in ["npm", "gem"] {
        fs::write(folder.join(tool), NPM.replace("publish)", "publish|push)")).unwrap();
        fs::set_permissions(folder.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    world
}

fn start(world: &World, options: &[&str], command: &[&str]) -> Program {
    let path = format!("{}:{}", world.folder.path().display(), std::env::var("PATH").unwrap());
    let key = fs::read_to_string(world.folder.path().join("ci.key")).unwrap();
    let environment = [("PATH", path.as_str()), ("COUNTERSIGN_KEY", &key), ("COUNTERSIGN_NOTIFY", "http://127.0.0.1:1/")];
    let arguments = [&["exec", "npm"], options, &["--"], command].concat();
    Program::start_in(world.folder.path(), &arguments, "", &environment)
}

fn approve(world: &World, mut program: Program, before: impl FnOnce()) -> (Option<Artefact>, End) {
    let number = program.number();
    let shown = world.phone.artefact();
    before();
    world.phone.reply(Reply::Approve(number));
    (shown, program.end())
}

fn a_folder_is_packed_shown_and_compared() {
    let world = world();
    let publish = ["npm", "publish", "./package"];
    let (shown, end) = approve(&world, start(&world, &[], &publish), || {});
    let expected = Artefact { name: "@acme/widget".into(), version: "1.2.0".into(), sha256: Some(ABC.into()) };
    assert_eq!((shown, end.code, end.stdout.as_str()), (Some(expected), Some(0), "published\n"), "{}", end.stderr);
    let lines = "countersign: artifact: @acme/widget 1.2.0\ncountersign: sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";
    assert!(end.stderr.contains(lines), "{}", end.stderr);
    // Changed while the human looks at it.
    let content = world.folder.path().join("package/content");
    let (_, end) = approve(&world, start(&world, &[], &publish), || fs::write(&content, "abd").unwrap());
    assert_eq!((end.code, end.stdout.as_str()), (Some(212), ""), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: @acme/widget 1.2.0 changed after it was approved; the code was not used"), "{}", end.stderr);
    world.phone.wait_for(HistoryOutcome::NotUsed);
}

fn scripts_cost_the_digest_and_a_failure_to_pack_costs_nothing() {
    let world = world();
    let manifest = world.folder.path().join("package/package.json");
    fs::write(&manifest, r#"{"scripts": {"prepack": "make"}}"#).unwrap();
    let deny = |options: &[&str], command: &[&str]| {
        let mut program = start(&world, options, command);
        program.number();
        let shown = world.phone.artefact();
        world.phone.reply(Reply::Deny("no"));
        let end = program.end();
        assert_eq!((end.code, end.stdout.as_str()), (Some(200), ""), "{}", end.stderr);
        (shown, end.stderr)
    };
    let publish = ["npm", "publish", "./package"];
    let (shown, log) = deny(&[], &publish);
    assert_eq!(shown.unwrap().sha256, None);
    assert!(log.contains("countersign: no sha256 is sent: prepack may change the package"), "{log}");
    assert!(deny(&[], &["npm", "publish", "./package", "--ignore-scripts"]).0.unwrap().sha256.is_some());
    fs::remove_file(world.folder.path().join("package/content")).unwrap();
    let (shown, log) = deny(&[], &publish);
    assert!(shown.is_none() && log.contains("countersign: warning: the phone can't show what will be published: "), "{log}");
    let (shown, log) = deny(&["--no-artifact"], &publish);
    assert!(shown.is_none() && !log.contains("will be published"), "{log}");
}

/// As npm does where there is a `.npmignore`: it packs what only `.gitignore` names.
fn a_package_with_a_key_in_it_is_refused_before_anybody_is_asked() {
    let world = world();
    let folder = world.folder.path();
    fs::copy(folder.join("ci.key"), folder.join("package/countersign.key")).unwrap();
    let npm = fs::read_to_string(folder.join("npm")).unwrap();
    let with_files = |files: &str| npm.replace(r#""filename""#, &format!(r#""files": [{files}], "filename""#));
    fs::write(folder.join("npm"), with_files(r#"{"path": "content"}, {"path": "countersign.key"}"#)).unwrap();
    let end = start(&world, &[], &["npm", "publish", "./package"]).end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{}", end.stderr);
    assert!(end.stderr.contains("@acme/widget 1.2.0 would be published with countersign.key in it"), "{}", end.stderr);
    fs::write(folder.join("npm"), with_files(r#"{"path": "content"}"#)).unwrap();
    let (_, end) = approve(&world, start(&world, &[], &["npm", "publish", "./package"]), || {});
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

fn a_file_is_shown_and_compared() {
    let world = world();
    let path = world.folder.path().join("widget-1.2.0.gem");
    fs::write(&path, "abc").unwrap();
    let push = ["gem", "push", "widget-1.2.0.gem"];
    let (shown, end) = approve(&world, start(&world, &[], &push), || fs::write(&path, "abd").unwrap());
    let expected = Artefact { name: "widget".into(), version: "1.2.0".into(), sha256: Some(ABC.into()) };
    assert_eq!((shown, end.code, end.stdout.as_str()), (Some(expected), Some(212), ""), "{}", end.stderr);
}

/// The wait for a code's time may be longer than the one for the human.
fn what_changes_while_the_code_is_waited_for_is_noticed() {
    let world = world();
    let path = world.folder.path().join("widget-1.2.0.gem");
    fs::write(&path, "abc").unwrap();
    // These steps are passed over by the next approval.
    let (_, end) = approve(&world, start(&world, &["--codes", "3"], &["true"]), || {});
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let mut program = start(&world, &[], &["gem", "push", "widget-1.2.0.gem"]);
    world.phone.reply(Reply::Approve(program.number()));
    program.line("countersign: the code is of a later step of time: waiting");
    fs::write(&path, "abd").unwrap();
    let end = program.end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(212), ""), "{}", end.stderr);
    world.phone.wait_for(HistoryOutcome::NotUsed);
}

fn codes_of_a_holder_were_approved_without_a_look_and_that_is_told() {
    let world = world();
    fs::write(world.folder.path().join("widget-1.2.0.gem"), "abc").unwrap();
    let folder = world.folder.path().to_str().unwrap();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let start =
        |arguments: &[&str]| Program::start_in(world.folder.path(), arguments, "", &[("XDG_RUNTIME_DIR", folder), ("PATH", path.as_str())]);
    let (_, end) = approve(&world, start(&["approve", "npm", "--key-file", "ci.key"]), || {});
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let end = start(&["exec", "npm", "--", "gem", "push", "widget-1.2.0.gem"]).end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), "published\n"), "{}", end.stderr);
    let words = "countersign: what will be published is neither shown nor compared: its codes were approved before\n";
    assert!(end.stderr.contains(words), "{}", end.stderr);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        a_folder_is_packed_shown_and_compared,
        scripts_cost_the_digest_and_a_failure_to_pack_costs_nothing,
        a_package_with_a_key_in_it_is_refused_before_anybody_is_asked,
        a_file_is_shown_and_compared,
        what_changes_while_the_code_is_waited_for_is_noticed,
        codes_of_a_holder_were_approved_without_a_look_and_that_is_told,
    ]
}
