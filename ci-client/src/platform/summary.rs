//! One line in the page that GitHub shows for a job: `$GITHUB_STEP_SUMMARY`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// Names the file.
const SUMMARY_VARIABLE: &str = "GITHUB_STEP_SUMMARY";
/// Longest line, in characters.
const MAX_LINE: usize = 500;

/// Adds a line of text, if there is such a file. That it can't be written matters to nobody.
pub(crate) fn append(text: &str) {
    if let Some(path) = std::env::var_os(SUMMARY_VARIABLE).filter(|path| !path.is_empty()) {
        let _ = append_to(Path::new(&path), text);
    }
}

fn append_to(path: &Path, text: &str) -> io::Result<()> {
    let mut file = open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // One write, so that no other program's line comes in between. The blank lines make it a paragraph of its own.
    file.write_all(format!("\n{}\n\n", markdown(text)).as_bytes())
}

/// The runner has made the file. A link in its place leads to somewhere else and is not followed, and a pipe must not hold us up.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    OpenOptions::new().append(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// The same: the link itself would be opened, which is no file.
#[cfg(windows)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    OpenOptions::new().append(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)
}

/// Text that Markdown and HTML leave alone.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(MAX_LINE) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // No mention, no link of its own making.
            '@' => out.push_str("&#64;"),
            ':' => out.push_str("&#58;"),
            c if c.is_control() => out.push(' '),
            c if c.is_ascii_punctuation() && !matches!(c, ',' | '.' | ';' | '\'' | '/') => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(
            markdown("a `b` [c](https://d) <img> @e\n# f, g_h."),
            "a \\`b\\` \\[c\\]\\(https&#58;//d\\) &lt;img&gt; &#64;e \\# f, g\\_h."
        );
    }

    #[test]
    fn a_line_is_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary");
        assert!(append_to(&path, "x").is_err(), "the runner makes it");
        std::fs::write(&path, "before\n").unwrap();
        append_to(&path, "approved").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\n\napproved\n\n");
        assert!(append_to(folder.path(), "x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(append_to(&link, "x").is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    }
}
