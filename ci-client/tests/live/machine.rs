//! What a machine may do to a job: full disks, closed streams, files that others may write.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::common::{End, Program, Reply, World, codes::is_code};
use countersign_core::phone::HistoryOutcome;

/// No file may have more than nothing in it, as on a disk that is full.
const FULL: &str = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";

fn start(world: &World, line: &str, arguments: &[&str]) -> Program {
    Program::start_by(line, world.folder.path(), arguments, &[("XDG_RUNTIME_DIR", world.folder.path().to_str().unwrap())])
}

fn approved(world: &World, mut program: Program) -> End {
    world.phone.reply(Reply::Approve(program.number()));
    program.end()
}

fn a_full_standard_output_is_told_and_the_code_is_not_in_the_log() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let world = World::enrolled();
    let end = approved(&world, start(&world, "exec \"$0\" \"$@\" > /dev/full", &["code", "npm", "--key-file", "ci.key"]));
    assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{}", end.stderr);
    assert!(end.stderr.contains("countersign: cannot write to standard output: "), "{}", end.stderr);
    assert!(end.stderr.contains("hint: this code is lost, it is not handed out again"), "{}", end.stderr);
    assert!(!end.stderr.split(|c: char| !c.is_ascii_alphanumeric()).any(is_code), "{}", end.stderr);
    world.phone.wait_for(HistoryOutcome::NotUsed);
}

/// A release is not stopped in the middle because its log is full, and does not count as one that went well.
fn a_command_whose_output_can_not_be_written_comes_to_its_end() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let world = World::enrolled();
    let script = "i=0; while [ $i -lt 5000 ]; do echo a line of the log; i=$((i+1)); done; : > ended";
    let arguments = ["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", script];
    let end = approved(&world, start(&world, "exec \"$0\" \"$@\" > /dev/full", &arguments));
    assert_eq!((end.code, world.folder.path().join("ended").exists()), (Some(207), true), "{}", end.stderr);
    assert!(
        end.stderr.contains("countersign: the command ended with 0, but not all that it printed could be passed on: "),
        "{}",
        end.stderr
    );
    world.phone.wait_for(HistoryOutcome::Used);
}

fn a_full_disk_is_told_before_anybody_is_asked() {
    let world = World::enrolled();
    let config = fs::read(world.config()).unwrap();
    for arguments in
        [&["approve", "npm", "--key-file", "ci.key"][..], &["renew", "--key-file", "ci.key"], &["enroll", "other", "--key-file", "ci.key"]]
    {
        let end = start(&world, FULL, arguments).end();
        assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{arguments:?} {}", end.stderr);
        assert!(end.stderr.contains("countersign: cannot "), "{arguments:?} {}", end.stderr);
        assert!(!end.stderr.contains("asking"), "{arguments:?} {}", end.stderr);
    }
    assert_eq!(fs::read(world.config()).unwrap(), config);
    // A code needs no disk.
    let end = approved(&world, start(&world, FULL, &["exec", "npm", "--key-file", "ci.key", "--", "true"]));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

fn a_closed_standard_input_holds_up_nothing() {
    let world = World::enrolled();
    const CLOSED: &str = "exec \"$0\" \"$@\" <&-";
    let end = start(&world, CLOSED, &["enroll", "other", "--uri-stdin", "--key-file", "ci.key"]).end();
    assert_eq!(end.code, Some(207), "{}", end.stderr);
    assert!(end.stderr.contains("hint: ") && !end.stderr.contains("asking"), "{}", end.stderr);
    // The command reads nothing, at once.
    let exec = ["exec", "npm", "--key-file", "ci.key", "--", "sh", "-c", "cat; exit 3"];
    let end = approved(&world, start(&world, CLOSED, &exec));
    assert_eq!((end.code, end.stdout.as_str()), (Some(3), ""), "{}", end.stderr);
    let end = start(&world, "exec \"$0\" \"$@\" >&-", &["code", "npm", "--key-file", "ci.key"]).end();
    assert_eq!(end.code, Some(207), "{}", end.stderr);
    assert!(end.stderr.contains("standard output is closed or /dev/null") && !end.stderr.contains("asking"), "{}", end.stderr);
}

/// As in a container of a CI, where the checkout is another user's. Only root can give a file away.
fn a_configuration_of_another_user_is_told_unless_it_was_named() {
    let world = World::enrolled();
    if std::os::unix::fs::chown(world.config(), Some(1001), None).is_err() {
        return;
    }
    let told = "countersign: warning: ";
    let end = world.start(&["seeds"], "").end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let place = world.config().canonicalize().unwrap().display().to_string();
    let warning = format!("{told}{place} belongs to another user (uid 1001), and so choose who is asked and where codes go\nhint: ");
    assert!(end.stderr.starts_with(&warning.replace("and so choose", "who may change it, and so choose")), "{}", end.stderr);
    let end = world.start(&["seeds", "--config", "countersign.toml"], "").end();
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
    // One that says where the code goes is refused before anybody is asked, and named it is not.
    let own = "\n[target.mine]\nargs = [\"--otp={code}\"]\n";
    let config = fs::read_to_string(world.config()).unwrap().replace("target = \"npm\"", "target = \"mine\"");
    fs::write(world.config(), config + own).unwrap();
    let exec = |further: &[&str]| world.start(&[&["exec", "npm", "--key-file", "ci.key"], further, &["--", "echo"]].concat(), "");
    let end = exec(&[]).end();
    assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{}", end.stderr);
    assert!(
        end.stderr.contains("target mine of countersign.toml says where the code goes; nobody was asked\nhint: if that is meant"),
        "{}",
        end.stderr
    );
    let end = approved(&world, exec(&["--config", "countersign.toml"]));
    assert!(end.code == Some(0) && end.stdout.starts_with("--otp="), "{}", end.stderr);
}

fn a_configuration_that_others_may_write_is_refused() {
    let world = World::enrolled();
    let set = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let folder = fs::metadata(world.folder.path()).unwrap().permissions().mode() & 0o7777;
    let told = |place: &std::path::Path| {
        let place = place.canonicalize().unwrap().display().to_string();
        for arguments in [&["code", "npm", "--key-file", "ci.key"][..], &["seeds"], &["exec", "npm", "--key-file", "ci.key", "--", "true"]]
        {
            let end = world.start(arguments, "").end();
            assert_eq!((end.code, end.stdout.as_str()), (Some(207), ""), "{}", end.stderr);
            assert!(end.stderr.starts_with(&format!("countersign: others on this machine may write {place} (mode ")), "{}", end.stderr);
            assert!(end.stderr.ends_with(&format!("\nhint: if nobody has changed it: chmod go-w {place}")), "{}", end.stderr);
        }
    };
    set(&world.config(), 0o646);
    told(&world.config());
    set(&world.config(), 0o644);
    set(world.folder.path(), 0o777);
    told(world.folder.path());
    set(world.folder.path(), folder);
    assert_eq!(world.start(&["seeds"], "").end().code, Some(0));
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![
        a_full_standard_output_is_told_and_the_code_is_not_in_the_log,
        a_command_whose_output_can_not_be_written_comes_to_its_end,
        a_full_disk_is_told_before_anybody_is_asked,
        a_closed_standard_input_holds_up_nothing,
        a_configuration_of_another_user_is_told_unless_it_was_named,
        a_configuration_that_others_may_write_is_refused,
    ]
}
