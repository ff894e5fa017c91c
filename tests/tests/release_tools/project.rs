//! What gets released: a folder that ends with the test, with a home of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use countersign_tests::process::program;
use serde_json::{Value, json};

use crate::{server::Server, tools};

/// A project and the home of the user who releases it.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// An empty one. In its home is what git needs to know; in its `PATH` are `countersign`, the pinned Node, and npm 11 for tools that call `npm`.
    pub(crate) fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["project", "home", "bin", "tmp"] {
            std::fs::create_dir(project.folder.path().join(folder)).unwrap();
        }
        std::fs::write(
            project.home().join(".gitconfig"),
            "[user]\nname = Alice\nemail = alice@example.org\n[init]\ndefaultBranch = main\n",
        )
        .unwrap();
        std::os::unix::fs::symlink(program("countersign"), project.bin().join("countersign")).unwrap();
        std::os::unix::fs::symlink(tools::node(), project.bin().join("node")).unwrap();
        std::os::unix::fs::symlink(tools::script("npm-11/bin/npm-cli.js"), project.bin().join("npm")).unwrap();
        project
    }

    /// A package with the registry and the token in its `.npmrc`. npm itself tries again after a 429; not here, so that requests can be counted.
    pub(crate) fn npm_package(server: &Server, name: &str) -> Self {
        let project = Self::new();
        project.write_json("package.json", &json!({"name": name, "version": "1.0.0", "license": "MIT"}));
        project.write_npmrc(server);
        project
    }

    /// A workspace of packages, committed.
    pub(crate) fn workspace(server: &Server, names: &[&str]) -> Self {
        let project = Self::new();
        let packages: Vec<Value> = names.iter().map(|name| format!("packages/{name}").into()).collect();
        project.write_json("package.json", &json!({"name": "root", "private": true, "workspaces": packages}));
        let mut locked = json!({"": {"name": "root", "workspaces": packages}});
        for name in names {
            let folder = format!("packages/{name}");
            project.write_json(&format!("{folder}/package.json"), &json!({"name": name, "version": "1.0.0", "license": "MIT"}));
            locked[format!("node_modules/{name}")] = json!({"resolved": folder, "link": true});
            locked[folder] = json!({"version": "1.0.0"});
        }
        project.write_json("package-lock.json", &json!({"name": "root", "lockfileVersion": 3, "requires": true, "packages": locked}));
        project.write_npmrc(server);
        project
    }

    /// The project's folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Writes a file, and its folder if need be.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The same for JSON.
    pub(crate) fn write_json(&self, name: &str, content: &Value) {
        self.write(name, &content.to_string());
    }

    fn write_npmrc(&self, server: &Server) {
        let (url, token) = (server.report("url"), server.report("token"));
        let host = url.strip_prefix("http:").unwrap();
        self.write(".npmrc", &format!("registry={url}/\n{host}/:_authToken={token}\nfetch-retries=0\n"));
    }

    /// Puts everything into a new repository.
    pub(crate) fn commit(&self) {
        for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "feat: first"]] {
            self.git(args);
        }
    }

    /// Adds an empty repository beside it as `origin` and pushes there; gives its URL.
    pub(crate) fn push(&self) -> String {
        let remote = self.folder.path().join("remote.git");
        let url = format!("file://{}", remote.display());
        self.git(&["init", "-q", "--bare", "-b", "main", remote.to_str().unwrap()]);
        self.git(&["remote", "add", "origin", &url]);
        self.git(&["push", "-q", "origin", "main"]);
        url
    }

    /// Runs git; gives its output.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.done(Path::new("git"), args)
    }

    /// Runs a program that has to succeed; gives its output.
    pub(crate) fn done(&self, program: &Path, args: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(args).env_clear();
        self.surround(&mut command);
        let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `command` in here.
    pub(crate) fn surround(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap();
        command
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.bin().display()))
            .env("HOME", self.home())
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("CI", "true");
    }
}
