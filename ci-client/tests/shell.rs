//! The completion script in the shell that it is for.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::process::Command;

fn script() -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_countersign")).args(["completions", "bash"]).output().unwrap();
    assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
    String::from_utf8(made.stdout).unwrap()
}

fn bash(arguments: &[&str]) -> String {
    let done = Command::new("bash").args(arguments).output().expect("this test needs bash: install it");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn bash_reads_its_script_and_completes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.bash");
    std::fs::write(&file, script()).unwrap();
    let file = file.to_str().unwrap();
    bash(&["-n", file]);
    let complete = "source \"$0\"; COMP_WORDS=(countersign \"$@\"); COMP_CWORD=$#; \
                    _countersign countersign \"${!#}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; echo \"${COMPREPLY[@]}\"";
    assert_eq!(bash(&["-c", complete, file, "pa"]), "pair\n");
    assert_eq!(bash(&["-c", complete, file, "exec", "--rea"]), "--reason\n");
}

#[test]
fn the_manual_goes_to_a_folder_or_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man/man1");
    let man = |argument: &[&std::ffi::OsStr]| {
        let done = Command::new(env!("CARGO_BIN_EXE_countersign")).arg("man").args(argument).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        done
    };
    assert!(man(&[pages.as_os_str()]).stdout.is_empty());
    let main = std::fs::read(pages.join("countersign.1")).unwrap();
    assert!(pages.join("countersign-exec.1").exists());
    let printed = man(&[]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap().trim_end(), String::from_utf8(main).unwrap().trim_end());
    // A file is in the way.
    let done = Command::new(env!("CARGO_BIN_EXE_countersign")).arg("man").arg(pages.join("countersign.1")).output().unwrap();
    assert_eq!(done.status.code(), Some(207), "{done:?}");
}
