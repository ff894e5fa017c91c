//! `countersign completions`

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::{cli::Cli, problem::Problem, ui::Ui};

/// Prints a script that completes commands and options in a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign completions bash > ~/.local/share/bash-completion/completions/countersign\n  countersign completions zsh \
                        > ~/.zfunc/_countersign\n  countersign completions fish > ~/.config/fish/completions/countersign.fish\n  countersign \
                        completions powershell >> $PROFILE"
)]
pub(crate) struct CompletionsArgs {
    /// The shell that reads the script
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, ui: Ui) -> Result<u8, Problem> {
    ui.print(script(args.shell).trim_end())?;
    Ok(0)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "countersign", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_script_knows_every_command() {
        let shells = Shell::value_variants();
        assert_eq!(shells.len(), 5);
        for shell in shells {
            let script = script(*shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
