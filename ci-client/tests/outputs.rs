//! What the real release tools say, as recorded in tests/fixtures/outputs/TOOL/CASE.txt, against the signs of the built-in targets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::{fs, path::Path, sync::Arc};

use countersign::targets::{Profile, Targets, Verdict, verdict};

/// `npm-12-json` is of target npm: the longest name that it begins with. Yarn is another program since version 2.
fn target(folder: &str) -> Arc<Profile> {
    let targets = Targets::builtin();
    if folder.starts_with("yarn-") && folder != "yarn-1" {
        return targets.find("yarn-berry").unwrap();
    }
    let begins = |name: &str| folder.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let found = targets.iter().filter(|profile| begins(&profile.name)).max_by_key(|profile| profile.name.len());
    Arc::clone(found.unwrap_or_else(|| panic!("no target for {folder}")))
}

fn expected(case: &str) -> &'static [Verdict] {
    match case {
        "fine" => &[Verdict::Fine],
        "wrong" => &[Verdict::WrongCode],
        // npm and what runs it say the same in both cases.
        "missing" => &[Verdict::MissingCode, Verdict::WrongCode],
        "limited" => &[Verdict::Limited],
        other => panic!("what is a tool to be told by in case {other}?"),
    }
}

#[test]
fn the_signs_fit_what_the_tools_say() {
    let mut seen = Vec::new();
    for folder in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/outputs")).unwrap() {
        let folder = folder.unwrap();
        let tool = folder.file_name().into_string().unwrap();
        let profile = target(&tool);
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let (head, streams) = text.split_once("--- stdout\n").unwrap();
            let (stdout, stderr) = streams.split_once("--- stderr\n").unwrap_or_else(|| panic!("{}", path.display()));
            let exit: u8 = head.split("exit: ").nth(1).unwrap().trim().parse().unwrap();
            let found = verdict(&profile, Some(exit), stdout.as_bytes(), stderr.as_bytes());
            let case = path.file_stem().unwrap().to_str().unwrap();
            assert!(expected(case).contains(&found), "{}: {found:?}", path.display());
            seen.push(profile.name.clone());
        }
    }
    for tool in ["npm", "pnpm", "gem"] {
        assert!(seen.iter().any(|name| name == tool), "nothing is recorded of {tool}");
    }
}
