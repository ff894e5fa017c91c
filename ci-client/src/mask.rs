//! Keeping codes out of the platform's log, before anything can print them.

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use countersign_core::request::CodeText;
use tokio::{
    io::AsyncWriteExt as _,
    process::Command,
    time::{sleep, timeout},
};

use crate::{
    keys::{KEY_FILE_VARIABLE, KEY_VARIABLE},
    platform::Masking,
    ui::Ui,
};

/// How long Buildkite's agent may take for all codes of an approval together.
const AGENT_TIMEOUT: Duration = Duration::from_secs(10);

/// That a code can't be masked is said once, and not tried again.
static SAID: AtomicBool = AtomicBool::new(false);

/// How long a line that masks a code is ahead of the code.
///
/// The line goes to standard error, since standard output belongs to whoever asked for the code. GitHub's runner reads the two pipes of a step in
/// two threads (`ProcessInvoker`): what was written first to one of them is not always what it sees first. It takes a line within milliseconds.
const AHEAD: Duration = Duration::from_secs(1);

/// Tells the platform to keep codes out of its log. Returns once it knows, as far as one can tell, or once it was said that it can't be told.
pub(crate) async fn mask(ui: Ui, codes: impl IntoIterator<Item = &CodeText>) {
    let Some(platform) = ui.platform else { return };
    match platform.dialect.masking() {
        // The platform takes the line out of the log. It is written whatever the form of everything else.
        Masking::Line(command) => {
            codes.into_iter().for_each(|code| ui.command(&format!("{command}{}", code.expose())));
            sleep(AHEAD).await;
        }
        Masking::BuildkiteAgent => {
            if SAID.load(Ordering::Relaxed) {
                return;
            }
            if let Err(why) = tell_agent("buildkite-agent", codes, AGENT_TIMEOUT).await {
                SAID.store(true, Ordering::Relaxed);
                ui.say(&format!(
                    "warning: Buildkite could not be told to mask the code in the log (buildkite-agent: {why}): let no command print one"
                ));
            }
        }
        Masking::None => {
            if !SAID.swap(true, Ordering::Relaxed) {
                ui.say(&format!("{} can't mask a code in its log: let no command print it, or its environment", platform.name));
            }
        }
    }
}

/// Tells the agent each code, until one fails. `limit` is for all of them together.
async fn tell_agent(program: &str, codes: impl IntoIterator<Item = &CodeText>, limit: Duration) -> Result<(), String> {
    let all = async {
        for code in codes {
            tell_one(program, code).await?;
        }
        Ok(())
    };
    timeout(limit, all).await.unwrap_or_else(|_| Err(format!("it took longer than {} s", limit.as_secs())))
}

/// `buildkite-agent redactor add`, which reads the value from standard input. Dropped, it kills the agent.
async fn tell_one(program: &str, code: &CodeText) -> Result<(), String> {
    let mut agent = Command::new(program)
        .args(["redactor", "add"])
        .env_remove(KEY_VARIABLE)
        .env_remove(KEY_FILE_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = agent.stdin.take() {
        // A pipe to the agent and nowhere else. It ends here, which tells the agent that this is all. One that does not read it says by its end why.
        let _ = stdin.write_all(code.expose().as_bytes()).await;
    }
    let status = agent.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What an agent with this script makes of three codes, and which of them it has read.
    async fn tell(script: &str, limit: Duration) -> (Result<(), String>, String) {
        let folder = tempfile::tempdir().unwrap();
        let (program, read) = (folder.path().join("agent"), folder.path().join("read"));
        std::fs::write(&program, format!("#!/bin/sh\ncd '{}'\n{script}\n", folder.path().display())).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let codes: Vec<CodeText> = ["111111", "222222", "333333"].map(|code| serde_json::from_value(code.into()).unwrap()).to_vec();
        let told = tell_agent(program.to_str().unwrap(), &codes, limit).await;
        (told, std::fs::read_to_string(read).unwrap_or_default())
    }

    #[tokio::test]
    async fn an_agent_is_told_all_until_it_fails() {
        let long = Duration::from_secs(60);
        assert_eq!(tell("cat >> read; echo >> read", long).await, (Ok(()), "111111\n222222\n333333\n".into()));
        let (told, read) = tell("echo x >> read; exit 3", long).await;
        assert_eq!((told.unwrap_err().as_str(), read.as_str()), ("exit status: 3", "x\n"));
    }

    /// The pipes of a step have no common order: a code that comes at once could be seen before its mask.
    #[tokio::test]
    async fn a_mask_is_ahead_of_its_code() {
        let github = crate::platform::Platform::detect(|name| (name == "GITHUB_ACTIONS").then(|| "true".into()));
        let ui = Ui { terminal: false, color: false, json: false, platform: github };
        let code: CodeText = serde_json::from_value("111111".into()).unwrap();
        let began = std::time::Instant::now();
        mask(ui, [&code]).await;
        assert!(began.elapsed() >= AHEAD);
        // Where no line masks anything, nothing is waited for.
        let began = std::time::Instant::now();
        mask(Ui { platform: None, ..ui }, [&code]).await;
        assert!(began.elapsed() < AHEAD);
    }

    /// One that hangs is not waited for again with the next code.
    #[tokio::test]
    async fn an_agent_that_hangs_is_given_up() {
        let (told, _) = tell("exec tail -f /dev/null", Duration::from_millis(50)).await;
        assert_eq!(told, Err("it took longer than 0 s".into()));
    }
}
