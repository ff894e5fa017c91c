//! What `countersign exec` says will be published is what the real npm and pnpm upload. `tests/run` installs them; without one these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use countersign_tests::process::{Running, Setting, program};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};

/// A registry that takes whatever is published, and tells the SHA-256 of it.
fn registry() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, published) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (method, body) = read_request(&mut BufReader::new(stream.as_ref().unwrap()));
            let status = if method == "PUT" { "201 Created" } else { "404 Not Found" };
            if method == "PUT" {
                let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let attachment = document["_attachments"].as_object().unwrap().values().next().unwrap();
                let bytes = BASE64.decode(attachment["data"].as_str().unwrap().as_bytes()).unwrap();
                // The test may have what it wanted.
                let _ = sender.send(HEXLOWER.encode(&Sha256::digest(bytes)));
            }
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            let _ = stream.unwrap().write_all(answer.as_bytes());
        }
    });
    (port, published)
}

fn read_request(stream: &mut BufReader<&TcpStream>) -> (String, Vec<u8>) {
    let mut lines = stream.by_ref().lines().map(Result::unwrap);
    let method = lines.next().unwrap_or_default().split(' ').next().unwrap().to_owned();
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).map(|line| line.to_ascii_lowercase()).collect();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (method, body)
}

/// A package in the laptop's folder, and a folder with `tool` in its path.
struct Job {
    setting: Setting,
    published: Receiver<String>,
}

impl Job {
    fn new(setting: Setting) -> Self {
        let (port, published) = registry();
        let package = setting.laptop.path().join("package");
        fs::create_dir_all(package.join("lib")).unwrap();
        fs::write(package.join("package.json"), r#"{"name": "@acme/widget", "version": "1.2.0", "files": ["lib"]}"#).unwrap();
        fs::write(package.join("lib/index.js"), "export const answer = 42;\n").unwrap();
        fs::create_dir(setting.laptop.path().join("bin")).unwrap();
        let npmrc = format!("registry=http://127.0.0.1:{port}/\n//127.0.0.1:{port}/:_authToken=x\nupdate-notifier=false\n");
        for folder in [setting.laptop.path(), &package] {
            fs::write(folder.join(".npmrc"), &npmrc).unwrap();
        }
        Self { setting, published }
    }

    /// Puts the pinned version of a tool under its usual name into the path.
    fn install(&self, tool: &str, script: &str) {
        let tools = program("countersign").ancestors().nth(2).unwrap().join("tools/node_modules");
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let (node, script) = (tools.join(format!("node-linux-{architecture}/bin/node")), tools.join(script));
        for needed in [&node, &script] {
            assert!(needed.exists(), "{} is missing: tests/run installs it", needed.display());
        }
        let path = self.setting.laptop.path().join("bin").join(tool);
        fs::write(&path, format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", node.display(), script.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn environment(&self, mut command: Command) -> Command {
        let laptop = self.setting.laptop.path();
        let folders =
            [laptop.join("bin")].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())).collect::<Vec<PathBuf>>();
        command.env("PATH", std::env::join_paths(folders).unwrap()).env("HOME", laptop).env("CI", "true").current_dir(laptop);
        command
    }

    fn exec(&self, command: &[&str]) -> Running {
        Running::start(self.environment(self.setting.command(&[&["exec", "npm", "--"], command].concat())))
    }

    /// What the log says, of a request that nobody answers.
    fn told(&self, command: &[&str]) -> String {
        let mut job = self.exec(command);
        job.wait_for("asking pixel");
        job.wait_for("not connected");
        let log = job.err_so_far();
        job.kill();
        let digest = log.split_once("countersign: sha256: ").unwrap_or_else(|| panic!("{log}")).1;
        assert!(log.contains("countersign: artifact: @acme/widget 1.2.0\n"), "{log}");
        digest.split('\n').next().unwrap().to_owned()
    }

    /// What is uploaded without us.
    fn uploaded(&self, command: &[&str]) -> String {
        let mut tool = Command::new(command[0]);
        tool.args(&command[1..]);
        let output = self.environment(tool).output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        self.published.recv_timeout(Duration::from_secs(60)).unwrap()
    }
}

#[test]
fn every_npm_and_pnpm_uploads_what_was_told() {
    let job = Job::new(Setting::ready());
    for (tool, script) in [
        ("npm", "npm-10/bin/npm-cli.js"),
        ("npm", "npm-11/bin/npm-cli.js"),
        ("npm", "npm-12/bin/npm-cli.js"),
        ("pnpm", "pnpm-10/bin/pnpm.cjs"),
        ("pnpm", "pnpm-11/bin/pnpm.mjs"),
        ("pnpm", "pnpm-12/bin/pnpm.mjs"),
    ] {
        job.install(tool, script);
        let path = job.setting.laptop.path().join("bin").join(tool);
        let mut publish = vec![path.to_str().unwrap(), "publish", "./package", "--access", "public"];
        if tool == "pnpm" {
            publish.push("--no-git-checks");
        }
        assert_eq!(job.told(&publish), job.uploaded(&publish), "{script}");
    }
}

#[test]
fn the_phone_shows_what_npm_then_uploads() {
    let job = Job::new(Setting::ready());
    job.install("npm", "npm-11/bin/npm-cli.js");
    let mut exec = job.exec(&["npm", "publish", "./package", "--access", "public"]);
    let mut phone = job.setting.phone.run(&["run", "--once"]);
    let number = exec.match_number();
    job.setting.phone.approve(&mut phone, &number, false);
    let ended = exec.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let uploaded = job.published.recv_timeout(Duration::from_secs(60)).unwrap();
    let phone = phone.end();
    let shown = format!("{}{}", phone.stdout, phone.stderr);
    assert!(shown.contains("unverified  artefact: @acme/widget 1.2.0") && shown.contains(&uploaded), "{shown}");
    assert!(ended.stderr.contains(&format!("countersign: sha256: {uploaded}")), "{ended:?}");
}
