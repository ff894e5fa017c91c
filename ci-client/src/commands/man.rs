//! `countersign man`

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::{
    cli::Cli,
    files::{self, Access, cannot},
    problem::Problem,
    ui::Ui,
};

/// Prints the manual page, or writes one page for each command to a folder
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign man | man -l -\n  countersign man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder for all pages; made if it does not exist, pages there are replaced
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, ui: Ui) -> Result<u8, Problem> {
    let pages = pages(Cli::command()).map_err(|error| Problem::config(format!("cannot make the manual: {error}")))?;
    match &args.folder {
        Some(folder) => write(folder, &pages, ui)?,
        None => pages.first().map_or(Ok(()), |(_, page)| ui.print(page.trim_end()))?,
    }
    Ok(0)
}

fn write(folder: &Path, pages: &[(String, String)], ui: Ui) -> Result<(), Problem> {
    std::fs::create_dir_all(folder).map_err(|error| cannot("make the folder", folder, &error).hint("name another folder"))?;
    for (file, page) in pages {
        files::replace(&folder.join(file), page.as_bytes(), Access::Public)?;
    }
    ui.say(&format!("wrote {} pages to {}", pages.len(), folder.display()));
    Ok(())
}

/// File name and text of each page; the program's own page first.
fn pages(command: Command) -> io::Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    // The generated `help` command needs no page.
    let mut program = command.disable_help_subcommand(true);
    program.build();
    let commands: Vec<Command> = program.get_subcommands().cloned().collect();
    for command in std::iter::once(program).chain(commands) {
        let mut page = Vec::new();
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        Man::new(command.clone()).render(&mut page)?;
        pages.push((format!("{name}.1"), String::from_utf8_lossy(&page).into_owned()));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_page() {
        let pages = pages(Cli::command()).unwrap();
        assert_eq!(pages[0].0, "countersign.1");
        for command in Cli::command().get_subcommands() {
            let name = format!("countersign-{}.1", command.get_name());
            let page = &pages.iter().find(|(file, _)| *file == name).unwrap().1;
            assert!(page.contains(".TH") && page.contains(".SH NAME") && page.contains("Example"), "{page}");
        }
        assert_eq!(pages.len(), 1 + Cli::command().get_subcommands().count());
    }
}
