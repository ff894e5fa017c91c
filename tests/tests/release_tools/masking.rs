//! Commands that print what they should not.

use crate::{job::Job, project::Project};

/// In GitHub Actions the runner takes a masked text out of every line that comes after the mask.
#[test]
fn a_command_that_prints_its_environment_is_masked() {
    let job = Job::new("npm");
    // To standard error like the mask: one stream, one order.
    let ended = job.approved(&Project::new(), &[], &[("GITHUB_ACTIONS", "true")], &["sh", "-c", "env >&2"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let (before, after) = ended.stderr.split_once("::add-mask::").unwrap_or_else(|| panic!("no mask: {ended:?}"));
    let (code, log) = after.split_once('\n').unwrap();
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code:?}");
    assert!(!before.contains(code) && !ended.stdout.contains(code), "{ended:?}");
    for variable in ["COUNTERSIGN_CODE", "NPM_CONFIG_OTP", "npm_config_otp"] {
        assert!(log.lines().any(|line| line == format!("{variable}={code}")), "{ended:?}");
    }
}
