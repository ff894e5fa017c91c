//! The full screen: seeds and pairings.

use std::fs;

use countersign_tests::process::Setting;

use crate::terminal::Terminal;

#[test]
fn a_right_is_taken_and_given_while_requests_come() {
    let setting = Setting::ready();
    let terminal = Terminal::start(&setting, 80, 24);
    terminal.wait_for(" connected  clock ");
    terminal.press(&["s"]);
    terminal.wait_for("> ACME:release          sealed 20");
    terminal.press(&["Enter"]);
    let page = terminal.wait_for("> allowed      acme/widget");
    assert!(page.contains("last used  never") && page.contains("x: remove"), "{page}");
    terminal.press(&["d"]);
    terminal.wait_for("acme/widget may not use ACME:release: its requests for it are turned away");
    // One slip of a key does nothing; nor does a resized window.
    terminal.press(&["d", "Enter"]);
    terminal.wait_for("answer yes or no");
    terminal.tmux(&["resize-window", "-x", "50", "-y", "12"]);
    terminal.type_line("yes");
    terminal.wait_for("> DENIED       acme/widget");
    let ended = setting.client(&["code", "npm"]).end();
    assert_eq!(ended.code(), 205, "{ended:?}");
    terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
    terminal.press(&["a"]);
    terminal.wait_for("each request is still asked about.");
    terminal.type_line("y");
    terminal.wait_for("> allowed      acme/widget");
    // A request does not take the page away. It is seen, and one key away.
    let mut job = setting.client(&["code", "npm"]);
    job.match_number();
    let page = terminal.wait_for("A REQUEST WAITS: w shows it");
    assert!(page.contains("> allowed      acme/widget"), "{page}");
    terminal.press(&["w"]);
    terminal.wait_for("Known to this phone");
    terminal.press(&["d"]);
    terminal.type_line("not today");
    assert_eq!(job.end().code(), 200);
    // Before that, keys wait.
    terminal.wait_for("acme/widget: denied");
    terminal.press(&["h"]);
    assert!(terminal.wait_for("History, newest first").contains("denied        acme/widget"));
    terminal.press(&["q"]);
    terminal.wait_for("ended with 0");
}

#[test]
fn what_can_not_be_saved_is_told_and_done_the_second_time() {
    let setting = Setting::ready();
    let terminal = Terminal::start(&setting, 80, 24);
    terminal.wait_for(" connected  clock ");
    // No file takes the place of a folder.
    let file = setting.phone.path().join("state/state-pairings");
    let elsewhere = setting.phone.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    fs::create_dir(&file).unwrap();
    terminal.press(&["p", "Enter"]);
    let page = terminal.wait_for("> allowed      ACME:release");
    assert!(page.contains("relay      ws://127.0.0.1:") && page.contains("wake-ups   off"), "{page}");
    terminal.press(&["x"]);
    terminal.wait_for("acme/widget is revoked for good");
    terminal.type_line("yes");
    let page = terminal.wait_for("cannot write");
    assert!(page.contains("> allowed      ACME:release"), "{page}");
    fs::remove_dir(&file).unwrap();
    fs::rename(&elsewhere, &file).unwrap();
    terminal.press(&["x"]);
    terminal.type_line("yes");
    let page = terminal.wait_for("the pairing is revoked");
    assert!(page.contains("no pairing; countersign-phone pair makes one"), "{page}");
    terminal.press(&["s", "Enter", "x"]);
    terminal.wait_for("ACME:release is taken off this phone");
    terminal.type_line("no");
    terminal.wait_gone("taken off this phone");
    terminal.press(&["x"]);
    terminal.type_line("yes");
    terminal.wait_for("the seed is removed");
    terminal.press(&["q"]);
    terminal.wait_for("ended with 0");
    for list in ["seeds", "pairings"] {
        let ended = setting.phone.done(&[list], &[]);
        assert_eq!((ended.code(), ended.stdout.as_str()), (0, ""), "{list}");
    }
}
