//! A folder that npm or pnpm packs when it publishes: packed by the same tool beforehand, which gives the same bytes.
//!
//! The package's own scripts do not run: nobody has approved anything yet, and they may do anything. So if there are scripts that run before
//! packing, what is published may differ from what was packed here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use countersign_core::text;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::{io::AsyncReadExt as _, process::Command, task::spawn_blocking, time::timeout};

use super::{Tool, Unknown, file};
use crate::{
    keys::{self, KEY_FILE_VARIABLE, KEY_VARIABLE},
    notify::NOTIFY_VARIABLE,
};

/// Longest time for packing.
const PACK_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest list of files that a tool may print, bytes.
const MAX_LIST: u64 = 16 * 1024 * 1024;
/// How much of a tool's complaint is looked at, bytes.
const MAX_COMPLAINT: u64 = 8 * 1024;
/// Longest package.json, bytes.
const MAX_MANIFEST: u64 = 1024 * 1024;
/// What a tool runs between `publish` and packing.
const SCRIPTS: &[&str] = &["prepublish", "prepublishOnly", "prepack", "prepare"];

/// A package as it would be published.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: [u8; 32],
    /// Its scripts that would run before.
    pub(super) scripts: Vec<String>,
    /// A file in it that holds a CI key.
    pub(super) key: Option<String>,
}

/// What `pack --json` says of a package.
#[derive(Debug, Deserialize)]
struct Listed {
    name: String,
    version: String,
    #[serde(default)]
    files: Vec<ListedFile>,
}

#[derive(Debug, Deserialize)]
struct ListedFile {
    path: String,
}

/// Packs `folder` with `program`.
pub(super) async fn pack(tool: Tool, program: &Path, folder: &Path) -> Result<Packed, Unknown> {
    let failed = |why: String| Unknown::Pack { program: text::clean(&format!("{} pack", program.display()), 100), why };
    let folder = std::path::absolute(folder).map_err(|error| failed(error.to_string()))?;
    let scripts = scripts(&folder).map_err(&failed)?;
    // Owner-only, and gone with everything in it when this ends.
    let place = tempfile::Builder::new().prefix("countersign-pack-").tempdir().map_err(|error| failed(error.to_string()))?;
    let list = timeout(PACK_TIMEOUT, run(tool, program, &folder, place.path())).await;
    let list =
        list.map_err(|_| failed(format!("it took longer than {} s", PACK_TIMEOUT.as_secs()))).and_then(|list| list.map_err(&failed))?;
    let Listed { name, version, files } = read_list(&list).ok_or_else(|| failed("its answer was not understood".to_owned()))?;
    let packed = only_file(place.path()).ok_or_else(|| failed("it did not make one file".to_owned()))?;
    let sha256 = file::digest(&packed).await.map_err(|error| failed(error.to_string()))?;
    let key = spawn_blocking(move || files.into_iter().map(|file| file.path).find(|path| keys::is_in_file(&folder.join(path))));
    let key = key.await.map_err(|error| failed(error.to_string()))?;
    Ok(Packed { name, version, sha256, scripts, key })
}

async fn run(tool: Tool, program: &Path, folder: &Path, place: &Path) -> Result<Vec<u8>, String> {
    let mut command = Command::new(program);
    match tool {
        Tool::Npm => command.args(["pack", "--json", "--ignore-scripts", "--pack-destination"]).arg(place).arg(folder),
        Tool::Pnpm => {
            command.arg("--dir").arg(folder).args(["pack", "--json", "--config.ignore-scripts=true", "--pack-destination"]).arg(place)
        }
    };
    command.env_remove(KEY_VARIABLE).env_remove(KEY_FILE_VARIABLE).env_remove(NOTIFY_VARIABLE);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let (mut list, mut complaint) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let read = async {
        match stdout {
            Some(stdout) => stdout.take(MAX_LIST).read_to_end(&mut list).await.map(drop),
            None => Ok(()),
        }
    };
    let complain = async {
        if let Some(mut stderr) = stderr {
            // The first of it says why; the rest must not hold up the tool.
            let _ = (&mut stderr).take(MAX_COMPLAINT).read_to_end(&mut complaint).await;
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
    };
    let (read, ()) = tokio::join!(read, complain);
    read.map_err(|error| error.to_string())?;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(list) } else { Err(format!("it failed ({status}){}", why(&complaint))) }
}

/// The first lines of what a tool complained about, in one.
fn why(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
    if lines.is_empty() { String::new() } else { format!(": {}", text::clean(&lines.join("; "), 200)) }
}

/// pnpm's object, npm's list of one, or the map of one by its name that npm 12 has made of it.
fn read_list(list: &[u8]) -> Option<Listed> {
    let listed = |value: &Value| Listed::deserialize(value).ok();
    match serde_json::from_slice(list).ok()? {
        Value::Array(packages) => <&[Value; 1]>::try_from(packages.as_slice()).ok().and_then(|[one]| listed(one)),
        Value::Object(packages) if packages.len() == 1 => packages.values().next().and_then(listed),
        one => listed(&one),
    }
}

fn only_file(place: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(place).ok()?;
    let first = entries.next()?.ok()?;
    entries.next().is_none().then(|| first.path())
}

/// The scripts of a package that run before it is packed.
fn scripts(folder: &Path) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(default)]
        scripts: Map<String, Value>,
    }
    let path = folder.join("package.json");
    let length = fs::metadata(&path).map_err(|error| format!("package.json: {error}"))?.len();
    if length > MAX_MANIFEST {
        return Err("package.json is too long".to_owned());
    }
    let text = fs::read_to_string(&path).map_err(|error| format!("package.json: {error}"))?;
    // The tools take a byte order mark too.
    let manifest: Manifest = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| format!("package.json: {error}"))?;
    Ok(SCRIPTS.iter().filter(|name| manifest.scripts.contains_key(**name)).map(|name| (*name).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tools_are_understood() {
        let npm = br#"[{"id": "a@1", "name": "a", "version": "1.0.0", "files": [{"path": "b/c", "size": 1}]}]"#;
        let pnpm = br#"{"name": "a", "version": "1.0.0", "filename": "/a-1.0.0.tgz", "files": []}"#;
        let npm_12 = br#"{"a": {"id": "a@1", "name": "a", "version": "1.0.0", "files": []}}"#;
        for list in [&npm[..], &pnpm[..], &npm_12[..]] {
            let listed = read_list(list).unwrap();
            assert_eq!((listed.name.as_str(), listed.version.as_str()), ("a", "1.0.0"));
        }
        assert!(read_list(b"").is_none() && read_list(b"[]").is_none() && read_list(b"{\"error\": {}}").is_none());
    }

    #[test]
    fn scripts_before_packing_are_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(scripts(folder.path()).is_err());
        let write = |text: &str| fs::write(folder.path().join("package.json"), text).unwrap();
        write(r#"{"name": "a", "version": "1.0.0"}"#);
        assert_eq!(scripts(folder.path()), Ok(vec![]));
        write("\u{feff}{\"scripts\": {\"prepare\": \"x\", \"test\": \"y\", \"prepack\": \"z\", \"postpack\": \"w\"}}");
        assert_eq!(scripts(folder.path()), Ok(vec!["prepack".to_owned(), "prepare".to_owned()]));
    }
}
