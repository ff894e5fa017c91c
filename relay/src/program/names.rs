//! The names of the options, for the two places where clap does not look: a file, and what else stands in the environment.

use clap::CommandFactory as _;

use super::Cli;

/// Names more alike than this are offered for one another.
const ALIKE: f64 = 0.75;
/// What the environment's names begin with.
const PREFIX: &str = "COUNTERSIGN_RELAY_";

/// An option, as a file may name it.
pub(super) struct Name {
    /// Without `--`.
    pub(super) name: String,
    /// What the help says of it.
    pub(super) help: String,
}

/// What a file may name: every option of the command line, except the file itself.
pub(super) fn names() -> Vec<Name> {
    let command = Cli::command();
    let of = |arg: &clap::Arg| Some(Name { name: arg.get_long()?.to_owned(), help: arg.get_help()?.to_string() });
    command.get_arguments().filter_map(of).filter(|option| !["config", "help", "version"].contains(&&*option.name)).collect()
}

/// What was meant by a name that is none, or where to look.
pub(super) fn hint(name: &str, names: &[Name]) -> String {
    match nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`countersign-relay --help` lists them, and a file has the same names without `--`".to_owned(),
    }
}

fn nearest<'a>(name: &str, names: &'a [Name]) -> Option<&'a str> {
    let likeness = names.iter().map(|option| (strsim::jaro_winkler(name, &option.name), &*option.name));
    likeness.filter(|(likeness, _)| *likeness > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// Those of these environment variables that look like options and are none, each with what was meant. They are not refused:
/// others set such names too, as Kubernetes does for a service that is called `countersign-relay`.
pub(super) fn strays(variables: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let names = names();
    let stray = |(variable, value): (String, String)| {
        let name = variable.strip_prefix(PREFIX)?.replace('_', "-").to_lowercase();
        if is_of_kubernetes(&name, &value)
            || name == "config"
            || names.iter().any(|option| option.name == name && variable == variable.to_uppercase())
        {
            return None;
        }
        let near = if name == "port" { Some("listen") } else { nearest(&name, &names) };
        let hint = near.map(|near| format!(": did you mean {PREFIX}{}?", near.replace('-', "_").to_uppercase()));
        Some(format!("{variable} in the environment is no option{}", hint.unwrap_or_default()))
    };
    let mut strays: Vec<_> = variables.filter_map(stray).collect();
    strays.sort();
    strays
}

/// `..._SERVICE_HOST`, `..._SERVICE_PORT` and so on, `..._PORT=tcp://...`, `..._PORT_443_TCP` and so on.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    name.starts_with("service-") || (name == "port" && value.contains("://")) || name.starts_with("port-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_are_no_options_are_found() {
        let of = |names: &[&str]| strays(names.iter().map(|&name| (name.to_owned(), "tcp://10.0.0.7:443".to_owned())));
        assert!(
            of(&[
                "PATH",
                "COUNTERSIGN_RELAY_CONFIG",
                "COUNTERSIGN_RELAY_MAX_WAITING",
                "COUNTERSIGN_RELAYS",
                "COUNTERSIGN_RELAY_SERVICE_HOST",
                "COUNTERSIGN_RELAY_PORT",
                "COUNTERSIGN_RELAY_PORT_7700_TCP"
            ])
            .is_empty()
        );
        let found = of(&["COUNTERSIGN_RELAY_MAX_CONECTIONS", "COUNTERSIGN_RELAY_7700_XYZ"]);
        assert_eq!(found[0], "COUNTERSIGN_RELAY_7700_XYZ in the environment is no option");
        assert!(found[1].ends_with("did you mean COUNTERSIGN_RELAY_MAX_CONNECTIONS?"), "{found:?}");
        assert_eq!(of(&["COUNTERSIGN_RELAY_listen"]).len(), 1);
        // Not as Kubernetes has it.
        let port = strays([("COUNTERSIGN_RELAY_PORT".to_owned(), "443".to_owned())].into_iter());
        assert_eq!(port, ["COUNTERSIGN_RELAY_PORT in the environment is no option: did you mean COUNTERSIGN_RELAY_LISTEN?"]);
    }
}
