//! Which command publishes what. Pure; whoever is in doubt says nothing.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// A tool that packs folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Npm,
    Pnpm,
}

/// What a command publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Published {
    /// Nothing, nothing of this machine, or nobody knows what.
    Nothing,
    /// More than one package.
    Several,
    File(PathBuf),
    Folder {
        tool: Tool,
        folder: PathBuf,
        ignore_scripts: bool,
    },
}

/// Options of npm and pnpm that are followed by a value. One that is not known here is followed by who knows what.
const NPM_VALUES: &[&str] = &[
    "--tag",
    "--access",
    "--otp",
    "--registry",
    "--userconfig",
    "--globalconfig",
    "--provenance-file",
    "--loglevel",
    "--cache",
    "--publish-branch",
];
/// Options that are not.
const NPM_FLAGS: &[&str] = &[
    "--provenance",
    "--no-provenance",
    "--dry-run",
    "--force",
    "-f",
    "--json",
    "--silent",
    "-s",
    "--quiet",
    "-q",
    "--verbose",
    "-d",
    "-dd",
    "-ddd",
    "--ignore-scripts",
    "--no-git-checks",
    "--yes",
    "-y",
    "--foreground-scripts",
    "--no-progress",
    "--report-summary",
];
/// Options by which several packages are published, or one of another folder.
const NPM_SEVERAL: &[&str] =
    &["-w", "--workspace", "-ws", "--workspaces", "--include-workspace-root", "-r", "--recursive", "--filter", "-F"];
const GEM_VALUES: &[&str] = &["-k", "--key", "--host", "--otp", "--attestation", "-p", "--http-proxy", "--config-file"];
const GEM_FLAGS: &[&str] =
    &["--no-http-proxy", "-V", "--verbose", "--no-verbose", "-q", "--quiet", "--silent", "--norc", "--backtrace", "--debug"];

/// Reads a command line: `npm publish [FOLDER|FILE.tgz]`, `pnpm publish ...`, `gem push FILE.gem`.
pub(super) fn parse(command: &[OsString]) -> Published {
    let Some((program, arguments)) = command.split_first() else { return Published::Nothing };
    let Some(arguments) = arguments.iter().map(|it| it.to_str()).collect::<Option<Vec<_>>>() else { return Published::Nothing };
    // npm, npm.cmd, /usr/bin/npm
    match Path::new(program).file_stem().and_then(|stem| stem.to_str()) {
        Some("npm") => npm(Tool::Npm, &arguments),
        Some("pnpm") => npm(Tool::Pnpm, &arguments),
        Some("gem") => gem(&arguments),
        _ => Published::Nothing,
    }
}

fn npm(tool: Tool, arguments: &[&str]) -> Published {
    if arguments.iter().any(|it| NPM_SEVERAL.contains(&it.split('=').next().unwrap_or(it))) {
        return if arguments.contains(&"publish") { Published::Several } else { Published::Nothing };
    }
    let Some(words) = positional(arguments, NPM_VALUES, NPM_FLAGS) else { return Published::Nothing };
    let (Some(&"publish"), what, None) = (words.first(), words.get(1), words.get(2)) else { return Published::Nothing };
    let ignore_scripts = arguments.iter().any(|it| ["--ignore-scripts", "--ignore-scripts=true"].contains(it));
    let what = what.copied().unwrap_or(".");
    let is_archive = [".tgz", ".tar.gz", ".tar"].iter().any(|end| what.ends_with(end));
    let path = what.strip_prefix("file:").unwrap_or(what);
    // npm takes `a/b` for a repository and `a` for a package of the registry; pnpm takes both for folders.
    let is_path = tool == Tool::Pnpm
        || what.starts_with("file:")
        || what.starts_with('.')
        || Path::new(what).is_absolute()
        || (is_archive && !what.contains('/'));
    match (is_path, is_archive) {
        (false, _) => Published::Nothing,
        (true, true) => Published::File(path.into()),
        (true, false) => Published::Folder { tool, folder: path.into(), ignore_scripts },
    }
}

fn gem(arguments: &[&str]) -> Published {
    match positional(arguments, GEM_VALUES, GEM_FLAGS).as_deref() {
        Some(["push", file]) if file.ends_with(".gem") => Published::File(file.into()),
        _ => Published::Nothing,
    }
}

/// The arguments that are no options; `None` if an option is not known.
fn positional<'a>(arguments: &[&'a str], values: &[&str], flags: &[&str]) -> Option<Vec<&'a str>> {
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if *argument == "--" {
            words.extend(rest.by_ref());
        } else if !argument.starts_with('-') || *argument == "-" {
            words.push(*argument);
        } else if values.contains(argument) {
            rest.next()?;
        } else {
            // `--dir=packages/a` would be another package than the one in this folder.
            let named = argument.strip_prefix("--").and_then(|_| argument.split_once('=')).map(|(name, _)| name);
            (flags.contains(argument) || named.is_some_and(|name| values.contains(&name) || flags.contains(&name))).then_some(())?;
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Published {
        parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    fn folder(tool: Tool, folder: &str) -> Published {
        Published::Folder { tool, folder: folder.into(), ignore_scripts: false }
    }

    #[test]
    fn what_npm_publishes() {
        assert_eq!(of("npm publish"), folder(Tool::Npm, "."));
        assert_eq!(of("/usr/bin/npm publish --access public --tag=next ./dist"), folder(Tool::Npm, "./dist"));
        assert_eq!(of("npm --loglevel silly publish ../widget"), folder(Tool::Npm, "../widget"));
        assert_eq!(of("npm publish --provenance file:dist"), folder(Tool::Npm, "dist"));
        assert_eq!(of("npm publish widget-1.2.0.tgz"), Published::File("widget-1.2.0.tgz".into()));
        assert_eq!(of("npm publish ./out/widget-1.2.0.tgz"), Published::File("./out/widget-1.2.0.tgz".into()));
        let without_scripts = Published::Folder { tool: Tool::Npm, folder: ".".into(), ignore_scripts: true };
        assert_eq!(of("npm publish --ignore-scripts"), without_scripts);
        assert_eq!(of("npm publish --ignore-scripts=true --provenance=false"), without_scripts);
    }

    #[test]
    fn what_pnpm_publishes() {
        assert_eq!(of("pnpm publish --no-git-checks"), folder(Tool::Pnpm, "."));
        assert_eq!(of("pnpm publish packages/a"), folder(Tool::Pnpm, "packages/a"));
        assert_eq!(of("pnpm -r publish"), Published::Several);
        assert_eq!(of("npm publish --workspace=a"), Published::Several);
    }

    #[test]
    fn what_gem_pushes() {
        assert_eq!(of("gem push pkg/widget-1.2.0.gem"), Published::File("pkg/widget-1.2.0.gem".into()));
        assert_eq!(of("gem push --host https://gems.example --key ci widget-1.2.0.gem"), Published::File("widget-1.2.0.gem".into()));
        assert_eq!(of("gem yank widget -v 1.2.0"), Published::Nothing);
        assert_eq!(of("gem push"), Published::Nothing);
    }

    #[test]
    fn in_doubt_nothing() {
        for line in [
            "npm",
            "npm dist-tag add widget@1 latest",
            "npm run publish",
            "npm publish acme/widget",
            "npm publish widget",
            "npm publish https://example.org/widget.tgz",
            "npm publish a/widget.tgz",
            "npm publish --unknown value .",
            "npm publish --unknown=value .",
            "npm --prefix=packages/a publish",
            "pnpm --dir=packages/a publish",
            "pnpm -C=packages/a publish",
            "gem push -C=pkg widget-1.2.0.gem",
            "gem push --build-root=pkg widget-1.2.0.gem",
            "npm publish . ..",
            "npm publish --tag",
            "npm -r install",
            "sh -c npm publish",
            "npx npm publish",
        ] {
            assert_eq!(of(line), Published::Nothing, "{line}");
        }
        assert_eq!(parse(&[]), Published::Nothing);
    }
}
