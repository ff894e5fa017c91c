//! The code in docs/EMBEDDING.md is that of the samples: `<!-- FILE#REGION -->` stands before each block. `UPDATE_DOCS=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::{env, fs, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between `// region: NAME` and `// endregion`, moved to the left.
fn region(source: &str) -> String {
    let (file, name) = source.split_once('#').unwrap();
    let text = fs::read_to_string(root().join(file)).unwrap();
    let begin = format!("// region: {name}");
    let lines: Vec<&str> =
        text.lines().skip_while(|line| line.trim() != begin).skip(1).take_while(|line| line.trim() != "// endregion").collect();
    assert!(!lines.is_empty(), "{file} has no region {name}");
    let indent = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len()).min().unwrap();
    lines.iter().map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect()
}

#[test]
fn the_code_is_that_of_the_samples() {
    let path = root().join("docs/EMBEDDING.md");
    let old = fs::read_to_string(&path).unwrap();
    let (mut new, mut blocks) = (String::new(), 0);
    let mut lines = old.lines();
    while let Some(line) = lines.next() {
        new.push_str(line);
        new.push('\n');
        let Some(source) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        let fence = lines.next().unwrap();
        assert!(fence.starts_with("```"), "{source}");
        assert!(lines.by_ref().any(|line| line == "```"), "the block of {source} does not end");
        new.push_str(&format!("{fence}\n{}```\n", region(source)));
        blocks += 1;
    }
    assert!(blocks >= 9);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &new).unwrap();
    }
    assert!(old == new, "the samples have changed: UPDATE_DOCS=1 cargo test -p countersign-tests --test embedding");
}
