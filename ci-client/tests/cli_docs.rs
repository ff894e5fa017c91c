//! The part of docs/CLI.md that lists commands and options is written from the command line itself.
//! `UPDATE_DOCS=1 cargo test -p countersign --test cli_docs` writes it again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::{fmt::Write as _, fs, path::Path};

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use countersign::cli::Cli;

const BEGIN: &str = "<!-- Generated from the command line until \"end of commands\"; CONTRIBUTING.md says how. -->\n";
const END: &str = "<!-- end of commands -->\n";

/// Clap's own.
const BUILT_IN: [&str; 2] = ["help", "version"];

fn one_line(text: impl ToString) -> String {
    let text = text.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn value(arg: &Arg) -> String {
    let names = arg.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    names.unwrap_or_else(|| arg.get_id().as_str().to_uppercase())
}

fn spelled(arg: &Arg) -> String {
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    match arg.get_long() {
        Some(long) if takes_value => format!("--{long} {}", value(arg)),
        Some(long) => format!("--{long}"),
        None => value(arg),
    }
}

fn meaning(arg: &Arg) -> String {
    let mut meaning = one_line(arg.get_help().expect("every argument has its help"));
    let allowed: Vec<String> = arg.get_possible_values().iter().filter(|it| !it.is_hide_set()).map(|it| it.get_name().to_owned()).collect();
    // A flag's would be true and false.
    if matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !allowed.is_empty() {
        write!(meaning, ". One of {}", allowed.join(", ")).unwrap();
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|it| it.to_str().unwrap()).collect();
    if !arg.is_hide_default_value_set() && matches!(arg.get_action(), ArgAction::Set) && !defaults.is_empty() {
        write!(meaning, " (else {})", defaults.join(" ")).unwrap();
    }
    meaning
}

fn visible(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_hide_set() && !BUILT_IN.contains(&arg.get_id().as_str()))
}

fn describe(command: &mut Command, text: &mut String) {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").split_whitespace().collect::<Vec<_>>().join(" ");
    writeln!(text, "\n### {}\n\n```\n{usage}\n```\n", command.get_name()).unwrap();
    let about = command.get_long_about().or(command.get_about()).expect("every command says what it does");
    for paragraph in about.to_string().split("\n\n") {
        let paragraph = one_line(paragraph);
        writeln!(text, "{paragraph}{}\n", if paragraph.ends_with('.') { "" } else { "." }).unwrap();
    }
    if visible(command).next().is_some() {
        text.push_str("| | |\n|---|---|\n");
        for arg in visible(command) {
            writeln!(text, "| `{}` | {} |", spelled(arg), meaning(arg)).unwrap();
        }
    }
}

fn generated() -> String {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut text = "\n| command | does |\n|---|---|\n".to_owned();
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        writeln!(text, "| [`{name}`](#{name}) | {} |", one_line(command.get_about().unwrap())).unwrap();
    }
    // Those that hold for every command come once.
    if visible(&program).next().is_some() {
        text.push_str("\nBefore or after any command:\n\n| | |\n|---|---|\n");
        for arg in visible(&program) {
            writeln!(text, "| `{}` | {} |", spelled(arg), meaning(arg)).unwrap();
        }
    }
    let global: Vec<String> = visible(&program).filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().to_string()).collect();
    for command in program.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
        let mut own = command.clone();
        for id in &global {
            own = own.mut_arg(id, |arg| arg.hide(true));
        }
        describe(&mut own, &mut text);
    }
    text.push('\n');
    text
}

#[test]
fn the_documentation_lists_the_commands_and_options() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CLI.md");
    let old = fs::read_to_string(&path).unwrap();
    let (before, rest) = old.split_once(BEGIN).expect("docs/CLI.md has the first marker");
    let (middle, after) = rest.split_once(END).expect("docs/CLI.md has the second marker");
    let new = generated();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, [before, BEGIN, &new, END, after].concat()).unwrap();
        return;
    }
    assert!(middle == new, "docs/CLI.md is out of date: UPDATE_DOCS=1 cargo test -p countersign --test cli_docs");
}
