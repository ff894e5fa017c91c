//! A target in words: for `countersign targets`, and for docs/CLI.md.

use super::{
    pattern::Pattern,
    profile::{CODE_VARIABLE, Profile},
    sign::Sign,
    template::Template,
};

/// Everything about a target, a line each.
pub(crate) fn explain(profile: &Profile) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", profile.name, profile.about)];
    let mut row = |what: &str, value: String| lines.push(format!("  {what:<16}  {value}"));
    row("variables", profile.delivery(&[]).env.join(", "));
    if !profile.args.is_empty() {
        row("arguments", format!("{}, after those of the command; other users of the machine can read them", words(&profile.args)));
    }
    if let Some(template) = &profile.stdin {
        row("standard input", format!("{:?} and nothing else", template.as_str()));
    }
    row("life at start", life(profile));
    row(
        "used twice",
        if profile.reuse { "the code of one step may serve again" } else { "no, each use takes a code of its own" }.to_owned(),
    );
    row("run again", if profile.retry { "when the code was refused, with one of a new step" } else { "no" }.to_owned());
    for (what, signs) in [("wrong code", &profile.wrong), ("missing code", &profile.missing), ("too many", &profile.limited)] {
        for (at, sign) in signs.iter().enumerate() {
            row(if at == 0 { what } else { "or" }, describe(sign));
        }
    }
    lines
}

/// A line for the list.
pub(crate) fn takes(profile: &Profile) -> String {
    let mut ways = profile.env.clone();
    ways.extend((!profile.args.is_empty()).then(|| words(&profile.args)));
    ways.extend(profile.stdin.is_some().then(|| "standard input".to_owned()));
    if ways.is_empty() { CODE_VARIABLE.to_owned() } else { ways.join(", ") }
}

fn words(args: &[Template]) -> String {
    args.iter().map(Template::as_str).collect::<Vec<_>>().join(" ")
}

fn life(profile: &Profile) -> String {
    match profile.min_life {
        0 => "any".to_owned(),
        seconds => format!("{seconds} s at least"),
    }
}

/// `exit 1, 2; standard error has ^npm error code EOTP$ or ...`
fn describe(sign: &Sign) -> String {
    let exits: Vec<String> = sign.exit.iter().map(ToString::to_string).collect();
    let mut seen = Vec::new();
    for (stream, patterns) in [("standard output", &sign.stdout), ("standard error", &sign.stderr), ("output", &sign.output)] {
        let patterns: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
        if !patterns.is_empty() {
            seen.push(format!("{stream} has {}", patterns.join(" or ")));
        }
    }
    let exits = (!exits.is_empty()).then(|| format!("exit code {}", exits.join(", ")));
    let seen = (!seen.is_empty()).then(|| seen.join(", or "));
    exits.into_iter().chain(seen).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Targets;

    fn docs() -> &'static str {
        include_str!("../../../docs/CLI.md")
    }

    /// docs/CLI.md has this table. What this prints when it fails is what belongs there.
    #[test]
    fn the_documentation_has_the_same_table() {
        let yes = |it: bool| if it { "yes" } else { "no" };
        let mut table =
            "| target | the code is in | life at start | used twice | run again | for |\n|---|---|---|---|---|---|\n".to_owned();
        for it in Targets::builtin().iter() {
            let takes = it.env.iter().cloned().chain((!it.args.is_empty()).then(|| words(&it.args))).map(|way| format!("`{way}`"));
            let takes: Vec<String> = takes.collect();
            let takes = if takes.is_empty() { "-".to_owned() } else { takes.join(", ") };
            let row = format!("| `{}` | {takes} | {} s | {} | {} | {} |\n", it.name, it.min_life, yes(it.reuse), yes(it.retry), it.about);
            table.push_str(&row);
        }
        assert!(docs().contains(&table), "docs/CLI.md, \"Targets\":\n{table}");
    }

    /// The example in docs/CLI.md is a configuration that is read.
    #[test]
    fn the_example_of_the_documentation_is_read() {
        let section = docs().split("### A target of your own").nth(1).unwrap();
        let example = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let config = crate::config::Config::parse("CLI.md", &format!("version = 1\n{example}")).unwrap();
        let own: Vec<&str> = config
            .targets
            .iter()
            .map(|profile| profile.name.as_str())
            .filter(|name| example.contains(&format!("[target.{name}]")))
            .collect();
        assert_eq!(own, ["esigner", "lerna-from-package"]);
        let text = explain(&config.targets.find("esigner").unwrap()).join("\n");
        for field in ["ESIGNER_OTP", "--totp={code}", "15 s at least", "exit code 3", "(?i)otp is invalid"] {
            assert!(text.contains(field), "{field}: {text}");
        }
    }

    #[test]
    fn nothing_is_left_out() {
        let text = "version = 1\n[target.mine]\nabout = \"Mine\"\nenv = [\"MINE\"]\nargs = [\"--otp\", \"{code}\"]\nstdin = \"{code}\\n\"\nmin_life = 7\nretry = true\n\
                    wrong = [{ exit = [3, 4] }, { exit = [5], stderr = ['a', 'b'], stdout = ['c'] }]\nlimited = [{ output = ['d'] }]\n";
        let config = crate::config::Config::parse("", text).unwrap();
        let lines = explain(&config.targets.find("mine").unwrap());
        let expected = [
            "mine: Mine",
            "  variables         MINE, COUNTERSIGN_CODE",
            "  arguments         --otp {code}, after those of the command; other users of the machine can read them",
            "  standard input    \"{code}\\n\" and nothing else",
            "  life at start     7 s at least",
            "  used twice        no, each use takes a code of its own",
            "  run again         when the code was refused, with one of a new step",
            "  wrong code        exit code 3, 4",
            "  or                exit code 5; standard output has c, or standard error has a or b",
            "  too many          output has d",
        ];
        assert_eq!(lines, expected);
    }
}
