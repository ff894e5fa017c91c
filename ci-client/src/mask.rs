//! Keeping codes out of the platform's log, before anything can print them.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use countersign_core::request::CodeText;

use crate::{
    keys::{KEY_FILE_VARIABLE, KEY_VARIABLE},
    platform::Masking,
    ui::Ui,
};

/// How long Buildkite's agent may take.
const AGENT_TIMEOUT: Duration = Duration::from_secs(5);

/// That a code can't be masked is said once.
static SAID: AtomicBool = AtomicBool::new(false);

/// Tells the platform to keep a code out of its log. Returns once it knows, or once it was said that it can't be told.
///
/// Standard output belongs to whoever asked for the code; the platforms that take a line for it read both streams of a step.
pub(crate) fn mask(ui: Ui, code: &CodeText) {
    let Some(platform) = ui.platform else { return };
    match platform.dialect.masking() {
        // The platform takes the line out of the log. It is written whatever the form of everything else.
        Masking::Line(command) => ui.command(&format!("{command}{}", code.expose())),
        Masking::BuildkiteAgent => {
            if let Err(why) = tell_agent(code)
                && !SAID.swap(true, Ordering::Relaxed)
            {
                ui.say(&format!("warning: Buildkite could not be told to mask the code in the log ({why}): let no command print it"));
            }
        }
        Masking::None => {
            if !SAID.swap(true, Ordering::Relaxed) {
                ui.say(&format!("{} can't mask a code in its log: let no command print it, or its environment", platform.name));
            }
        }
    }
}

/// `buildkite-agent redactor add`, which reads the value from standard input.
fn tell_agent(code: &CodeText) -> Result<(), String> {
    let mut agent = Command::new("buildkite-agent")
        .args(["redactor", "add"])
        .env_remove(KEY_VARIABLE)
        .env_remove(KEY_FILE_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("buildkite-agent: {error}"))?;
    // A pipe to the agent and nowhere else.
    let written = agent.stdin.take().map(|mut stdin| stdin.write_all(code.expose().as_bytes()));
    if let Some(Err(error)) = written {
        return Err(format!("buildkite-agent: {error}"));
    }
    let (sender, ended) = mpsc::channel();
    // It ends with the agent, which nobody waits for any longer than this.
    thread::spawn(move || sender.send(agent.wait()));
    match ended.recv_timeout(AGENT_TIMEOUT) {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("buildkite-agent: {status}")),
        Ok(Err(error)) => Err(format!("buildkite-agent: {error}")),
        Err(_) => Err("buildkite-agent took too long".to_owned()),
    }
}
