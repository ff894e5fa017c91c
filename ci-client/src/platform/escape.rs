//! Outside text in a line that a platform may read as a command.

/// The text of a GitHub workflow command, as the runner decodes it.
pub(super) fn github_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property (`title=`) of a GitHub workflow command.
pub(super) fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A line, as text alone: no control character but the tab.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

/// Takes the meaning out of what GitHub, Forgejo, Gitea and Azure read as commands: `::` at the start of a line, and `##[` and `##vso[` anywhere in
/// it (GitHub's runner still knows `##[stop-commands]`, which would end masking).
pub(super) fn without_commands(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (blank, rest) = line.split_at(indent);
    let rest = rest.strip_prefix("::").map_or_else(|| rest.to_owned(), |command| format!(": :{command}"));
    let rest = rest.replace("##[", "# #[");
    // Azure's own prefix is compared without case.
    let mut kept = String::with_capacity(rest.len() + blank.len());
    kept.push_str(blank);
    let small = rest.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = small.get(from..).and_then(|tail| tail.find("##vso[")).map(|at| from + at) {
        kept.push_str(rest.get(from..=at).unwrap_or_default());
        kept.push(' ');
        from = at + 1;
    }
    kept.push_str(rest.get(from..).unwrap_or_default());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_escapes() {
        assert_eq!(github_data("50%\r\n::warning::x"), "50%25%0D%0A::warning::x");
        assert_eq!(github_property("a:b,c%"), "a%3Ab%2Cc%25");
    }

    #[test]
    fn commands_lose_their_meaning() {
        assert_eq!(without_commands("::stop-commands::x"), ": :stop-commands::x");
        assert_eq!(without_commands("  ::add-mask::x"), "  : :add-mask::x");
        assert_eq!(without_commands("reason: ##[stop-commands]x"), "reason: # #[stop-commands]x");
        assert_eq!(without_commands("a ##VSO[task.setvariable]b ##vso[c"), "a # #VSO[task.setvariable]b # #vso[c");
        assert_eq!(without_commands("häuser: a::b ## c"), "häuser: a::b ## c");
        // What is put in can't make a new one.
        assert!(!without_commands("####[##[").contains("##["));
    }
}
