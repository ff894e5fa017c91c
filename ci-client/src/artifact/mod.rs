//! What a command is about to publish: named to the human before, and compared again before the command gets its code.
//!
//! The phone shows it as CI's claim. What this is worth is in docs/THREAT_MODEL.md.

mod command;
mod file;
mod pack;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use countersign_core::{
    request::Artefact,
    text::{MAX_HINT, clean},
};

use crate::{exit::Exit, problem::Problem};
use command::{Published, Tool};

/// What is about to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    name: String,
    version: String,
    sha256: [u8; 32],
    /// The scripts that may still change it, of which the digest then knows nothing.
    scripts: Vec<String>,
    /// A file in it that holds a CI key.
    key: Option<String>,
    source: Source,
}

/// Where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    Folder { tool: Tool, program: PathBuf, folder: PathBuf, ignore_scripts: bool },
}

/// Why nothing can be said of it; never the end of a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("several packages are published at once")]
    Several,
    #[error("{program}: {why}")]
    Pack { program: String, why: String },
}

impl Artifact {
    /// What this command publishes, whose name was looked up as `program`; `None` if it is not one that we know to publish something of this machine.
    ///
    /// Runs `npm pack` or `pnpm pack`, without the package's scripts and with a limit of time, if it publishes a folder.
    ///
    /// # Errors
    /// [`Unknown`].
    pub(crate) async fn find(program: &Path, command: &[OsString]) -> Result<Option<Self>, Unknown> {
        let source = match command::parse(command) {
            Published::Nothing => return Ok(None),
            Published::Several => return Err(Unknown::Several),
            Published::File(path) => Source::File(path),
            Published::Folder { tool, folder, ignore_scripts } => {
                Source::Folder { tool, program: program.to_owned(), folder, ignore_scripts }
            }
        };
        source.read().await.map(Some)
    }

    /// Whether a command is one that publishes something which [`Artifact::find`] would look at.
    pub(crate) fn is_looked_at(command: &[OsString]) -> bool {
        command::parse(command) != Published::Nothing
    }

    /// As the phone shows it. Without a digest if scripts may still change it.
    pub(crate) fn claim(&self) -> Artefact {
        let sha256 = self.scripts.is_empty().then(|| self.sha256.into());
        Artefact { name: clean(&self.name, MAX_HINT), version: clean(&self.version, MAX_HINT), sha256 }
    }

    /// Refuses what would publish a CI key: whoever has that can ask the phone.
    ///
    /// # Errors
    /// [`Exit::BadConfig`].
    pub(crate) fn check_keyless(&self) -> Result<(), Problem> {
        let Some(file) = &self.key else { return Ok(()) };
        let what = clean(
            &format!("{} {} would be published with {file} in it, which holds a CI key; nobody was asked", self.name, self.version),
            300,
        );
        Err(Problem::config(what).hint(
            "take it out of the project, or name it in .npmignore (npm does not look at .gitignore then); if it was ever published, revoke the pairing \
             on the phone and pair again",
        ))
    }

    /// What the human should know of the claim.
    pub(crate) fn caveat(&self) -> Option<String> {
        let scripts = self.scripts.join(", ");
        (!scripts.is_empty()).then(|| {
            format!("no sha256 is sent: {scripts} may change the package; pack it in an earlier step and publish the .tgz to have it shown")
        })
    }

    /// Whether it is still the same.
    ///
    /// # Errors
    /// [`Exit::ArtifactChanged`].
    pub(crate) async fn check(&self) -> Result<(), Problem> {
        let what = clean(&format!("{} {}", self.name, self.version), MAX_HINT);
        match self.source.read().await {
            Ok(now) if now == *self => Ok(()),
            Ok(_) => Err(Problem::new(Exit::ArtifactChanged, format!("{what} changed after it was approved; the code was not used"))),
            Err(why) => Err(Problem::new(Exit::ArtifactChanged, format!("{what} can't be read again ({why}); the code was not used"))),
        }
        .map_err(|problem| problem.hint("let nothing write to it while the request waits, or give --no-artifact; then run the job again"))
    }
}

impl Source {
    async fn read(&self) -> Result<Artifact, Unknown> {
        match self {
            Self::File(path) => {
                let sha256 = file::digest(path).await.map_err(|error| Unknown::File { path: path.clone(), error })?;
                let (name, version) = file::name_and_version(path);
                Ok(Artifact { name, version, sha256, scripts: Vec::new(), key: None, source: self.clone() })
            }
            Self::Folder { tool, program, folder, ignore_scripts } => {
                let packed = pack::pack(*tool, program, folder).await?;
                let scripts = if *ignore_scripts { Vec::new() } else { packed.scripts };
                Ok(Artifact {
                    name: packed.name,
                    version: packed.version,
                    sha256: packed.sha256,
                    scripts,
                    key: packed.key,
                    source: self.clone(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: PathBuf) -> Artifact {
        let source = Source::File(path);
        Artifact { name: "widget".into(), version: "1.2.0".into(), sha256: [7; 32], scripts: vec![], key: None, source }
    }

    #[test]
    fn scripts_cost_the_digest() {
        let mut artifact = file("widget-1.2.0.tgz".into());
        assert!(artifact.claim().sha256.is_some() && artifact.caveat().is_none());
        artifact.scripts = vec!["prepack".into()];
        assert!(artifact.claim().sha256.is_none() && artifact.caveat().unwrap().starts_with("no sha256 is sent: prepack may"));
    }

    #[test]
    fn a_name_is_one_line() {
        let artifact = Artifact { name: "a\n+++ match number 111 111".into(), ..file("a".into()) };
        assert!(!artifact.claim().name.contains(char::is_control));
    }

    #[tokio::test]
    async fn a_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("widget-1.2.0.gem");
        std::fs::write(&path, "one").unwrap();
        let command = ["gem".into(), "push".into(), path.clone().into_os_string()];
        let artifact = Artifact::find(Path::new("gem"), &command).await.unwrap().unwrap();
        assert_eq!((artifact.name.as_str(), artifact.version.as_str()), ("widget", "1.2.0"));
        assert_eq!(artifact.check().await, Ok(()));
        std::fs::write(&path, "two").unwrap();
        assert_eq!(artifact.check().await.unwrap_err().exit, Exit::ArtifactChanged);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(artifact.check().await.unwrap_err().exit, Exit::ArtifactChanged);
        assert!(Artifact::find(Path::new("gem"), &command).await.is_err());
    }
}
