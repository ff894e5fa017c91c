//! A file that is published as it is.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// The SHA-256 of a regular file, read beside everything else that goes on.
pub(super) async fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let path = path.to_owned();
    spawn_blocking(move || digest_blocking(&path)).await.map_err(io::Error::other)?
}

fn digest_blocking(path: &Path) -> io::Result<[u8; 32]> {
    // Before it is opened: a pipe would wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(digest.finalize().into()),
            length => digest.update(chunk.get(..length).unwrap_or_default()),
        }
    }
}

/// `base-64-1.2.0.tgz` as `base-64` and `1.2.0`: the version is what follows the first dash before a number and a point. Without one, the file's
/// name and nothing.
pub(super) fn name_and_version(path: &Path) -> (String, String) {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = [".tgz", ".tar.gz", ".tar", ".gem"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(&file);
    let dash = stem.match_indices('-').find(|(at, _)| stem.get(at + 1..).is_some_and(begins_version));
    match dash.and_then(|(at, _)| Some((stem.get(..at)?, stem.get(at + 1..)?))) {
        Some((name, version)) if !name.is_empty() => (name.to_owned(), version.to_owned()),
        _ => (file.into_owned(), String::new()),
    }
}

fn begins_version(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < text.len() && rest.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions() {
        for (file, name, version) in [
            ("pkg/widget-1.2.0.gem", "widget", "1.2.0"),
            ("acme-widget-1.2.0-rc.1.tgz", "acme-widget", "1.2.0-rc.1"),
            ("widget-1.2.0-x86_64-linux.gem", "widget", "1.2.0-x86_64-linux"),
            ("base-64-1.0.0.tgz", "base-64", "1.0.0"),
            ("demo-4-1.0.0-beta-2.tgz", "demo-4", "1.0.0-beta-2"),
            ("a-b.tar.gz", "a-b.tar.gz", ""),
            ("-1.tgz", "-1.tgz", ""),
        ] {
            assert_eq!(name_and_version(Path::new(file)), (name.to_owned(), version.to_owned()), "{file}");
        }
    }

    #[test]
    fn digests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let digest = data_encoding::HEXLOWER.encode(&digest_blocking(&path).unwrap());
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(digest_blocking(folder.path()).is_err());
    }
}
