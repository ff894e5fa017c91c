//! `enroll`: seals the seeds of an otpauth URI, of an export, or of a picture of their QR code.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use countersign_mobile::{AuthenticatorError, Enrolled, ImportPart, MAX_PICTURE, SeedEntry, SeedImport};
use zeroize::Zeroizing;

use crate::{
    app::{App, wait},
    console::Console,
    output,
};

/// `only`: labels of the accounts that are wanted; none: all.
pub(crate) fn run(state: Option<PathBuf>, picture: Option<&Path>, only: &[String], recipients: Vec<String>) -> anyhow::Result<()> {
    // First: the console looks at what standard input is.
    let picture = picture.map(read_picture).transpose()?;
    let app = App::open(state, false)?;
    let seeds = match picture {
        Some(mut picture) => wait(SeedImport::from_picture(std::mem::take(&mut *picture)))?,
        None => app.console.until_right(
            |error: &anyhow::Error| error.is::<AuthenticatorError>(),
            || {
                let text = app.console.ask("otpauth URI, or the text of an export's QR code", true)?;
                Ok(SeedImport::from_text(text.to_string())?)
            },
        )?,
    };
    if let Some(missing) = missing(seeds.part()?) {
        output::note(&missing);
    }
    let entries = seeds.entries()?;
    for entry in &entries {
        if let Some(problem) = &entry.problem {
            output::note(&format!("left out {}: {problem}", name(entry)));
        }
    }
    let chosen = choose(&entries, only, &app.console)?;
    for enrolled in wait(app.authenticator.enroll(seeds, chosen, recipients))? {
        show(&enrolled)?;
    }
    Ok(())
}

fn show(enrolled: &Enrolled) -> anyhow::Result<()> {
    for warning in &enrolled.warnings {
        output::note(&format!("warning: {warning}"));
    }
    output::note(&format!("sealed {}; put this line into countersign.toml:", enrolled.label));
    output::line(&format!("sealed = \"{}\"", enrolled.sealed)).with_context(|| {
        format!(
            "{} is on this phone now, but its sealed text went nowhere: the same countersign-phone enroll again prints it",
            enrolled.label
        )
    })
}

/// The bytes of a picture, which are as secret as the seed in it.
fn read_picture(file: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let stdin = file.as_os_str() == "-";
    let hint = || {
        if stdin {
            "cannot read the picture from standard input".to_owned()
        } else {
            format!("cannot read {}; name a PNG or JPEG that is there", file.display())
        }
    };
    let terminal = if stdin { Some(open_terminal()?) } else { None };
    let from = if stdin { rustix::io::dup(std::io::stdin()).map(File::from).map_err(Into::into) } else { File::open(file) };
    // As long as it may be at most, so that it never moves.
    let mut picture = Zeroizing::new(Vec::with_capacity(MAX_PICTURE + 1));
    let limit = u64::try_from(MAX_PICTURE).unwrap_or(u64::MAX);
    from.and_then(|from| from.take(limit + 1).read_to_end(&mut picture)).with_context(hint)?;
    if picture.len() > MAX_PICTURE {
        bail!("the picture has more than {} MiB; cut it to the QR code", MAX_PICTURE >> 20);
    }
    if let Some(terminal) = terminal {
        rustix::stdio::dup2_stdin(&terminal).context("cannot ask on the terminal; give the picture as a file: --picture FILE")?;
    }
    Ok(picture)
}

/// Where the passphrase is asked for if standard input is the picture.
fn open_terminal() -> anyhow::Result<File> {
    let hint = "with the picture on standard input the passphrase is asked for on the terminal, and there is none; give the picture as a file: --picture FILE";
    File::options().read(true).write(true).open("/dev/tty").context(hint)
}

/// What else there is of an export.
fn missing(part: ImportPart) -> Option<String> {
    let ImportPart { number, of } = part;
    let others = of.checked_sub(1).filter(|others| *others > 0)?;
    let they = if others == 1 { "the other QR code holds" } else { "the other QR codes hold" };
    Some(format!("this is part {number} of {of} of an export: {they} more accounts; run countersign-phone enroll for each"))
}

fn name(entry: &SeedEntry) -> &str {
    if entry.label.is_empty() { "an account without a name" } else { &entry.label }
}

/// The accounts to seal, by index.
fn choose(entries: &[SeedEntry], only: &[String], console: &Arc<Console>) -> anyhow::Result<Vec<u32>> {
    let usable: Vec<_> = entries.iter().filter(|entry| entry.problem.is_none()).collect();
    for label in only {
        check_wanted(entries, label)?;
    }
    if !only.is_empty() {
        return Ok(usable.iter().filter(|entry| only.contains(&entry.label)).map(|entry| entry.index).collect());
    }
    if usable.is_empty() {
        bail!(
            "nothing was sealed: no account in this can be used, see above why; set the second factor up anew at its service as a time-based code"
        );
    }
    // A script says it with `--only`: its next line is the passphrase.
    if usable.len() > 1 && console.is_terminal() {
        for (number, entry) in (1..).zip(&usable) {
            output::note(&format!("  {number}  {}", name(entry)));
        }
        loop {
            let answer = console.ask("which? numbers, such as 1 3 [all]", false)?;
            if let Some(numbers) = numbers(&answer, usable.len()) {
                return Ok(numbers.into_iter().filter_map(|number| usable.get(number - 1)).map(|entry| entry.index).collect());
            }
            output::note(&format!("numbers from 1 to {}, or Enter for all", usable.len()));
        }
    }
    Ok(usable.iter().map(|entry| entry.index).collect())
}

/// Whether an account that was named can be sealed.
fn check_wanted(entries: &[SeedEntry], label: &str) -> anyhow::Result<()> {
    let of_it = || entries.iter().filter(|entry| entry.label == label);
    if of_it().any(|entry| entry.problem.is_none()) {
        return Ok(());
    }
    if let Some(problem) = of_it().find_map(|entry| entry.problem.as_ref()) {
        bail!("nothing was sealed: {label} can't be used: {problem}");
    }
    let list: String = entries.iter().map(|entry| format!("\n  {}", name(entry))).collect();
    bail!("nothing was sealed: there is no account {label:?} in this; there are:{list}")
}

/// The numbers in an answer, each from 1 to `of`; all of them if it is empty.
fn numbers(answer: &str, of: usize) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    let words = answer.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty() && *word != "all");
    for word in words {
        numbers.push(word.parse().ok().filter(|number| (1..=of).contains(number))?);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Some(if numbers.is_empty() { (1..=of).collect() } else { numbers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_accounts() {
        assert_eq!(numbers("", 3), Some(vec![1, 2, 3]));
        assert_eq!(numbers(" all\n", 2), Some(vec![1, 2]));
        assert_eq!(numbers("3, 1 3", 3), Some(vec![1, 3]));
        for bad in ["0", "4", "1 x", "-1"] {
            assert_eq!(numbers(bad, 3), None, "{bad}");
        }
    }

    #[test]
    fn parts_that_are_missing() {
        assert_eq!(missing(ImportPart { number: 1, of: 1 }), None);
        assert!(missing(ImportPart { number: 2, of: 2 }).unwrap().contains("part 2 of 2 of an export: the other QR code holds"));
        assert!(missing(ImportPart { number: 1, of: 3 }).unwrap().contains("the other QR codes hold"));
    }
}
