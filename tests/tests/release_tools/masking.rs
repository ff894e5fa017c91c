//! Commands that print what they should not.

use crate::{
    job::{Job, SHORT_STEPS},
    project::Project,
};

/// The log as GitHub's runner shows it: a line that masks a text is not in it, and that text is taken out of every line that comes after.
fn shown(log: &str) -> (String, Vec<String>) {
    let (mut shown, mut masks) = (String::new(), Vec::<String>::new());
    for line in log.lines() {
        if let Some(mask) = line.strip_prefix("::add-mask::") {
            masks.push(mask.to_owned());
            continue;
        }
        shown.push_str(&masks.iter().fold(line.to_owned(), |line, mask| line.replace(mask, "***")));
        shown.push('\n');
    }
    (shown, masks)
}

fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn a_command_that_prints_its_environment_is_masked() {
    let job = Job::new("npm");
    // To standard error like the mask: one stream, one order.
    let ended = job.approved(&Project::new(), &[], &[("GITHUB_ACTIONS", "true")], &["sh", "-c", "env >&2"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let (shown, masks) = shown(&ended.stderr);
    let [code] = &masks[..] else { panic!("not one mask: {ended:?}") };
    assert!(is_code(code) && !shown.contains(code) && !ended.stdout.contains(code), "{shown}");
    for variable in ["COUNTERSIGN_CODE", "NPM_CONFIG_OTP", "npm_config_otp"] {
        assert!(shown.lines().any(|line| line == format!("{variable}=***")), "{shown}");
    }
}

/// All codes of an approval are masked before any of them can be printed, also those that the command takes itself.
fn so_is_one_that_prints_the_codes_it_takes() {
    let (job, project) = (Job::with("npm", SHORT_STEPS), Project::new());
    let script = "echo first $COUNTERSIGN_CODE >&2; echo next $(countersign next release --min-life 1s) >&2";
    let mut running = job.start(&project, &["--codes", "3"], &[("GITHUB_ACTIONS", "true")], &["sh", "-c", script]);
    job.approve_batch(&mut running);
    let ended = running.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let (shown, masks) = shown(&ended.stderr);
    assert!(masks.len() == 3 && masks.iter().all(|mask| is_code(mask) && !shown.contains(mask.as_str())), "{masks:?} {shown}");
    assert!(shown.contains("\nfirst ***\n") && shown.contains("\nnext ***\n"), "{shown}");
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![a_command_that_prints_its_environment_is_masked, so_is_one_that_prints_the_codes_it_takes]
}
