//! What the log says about a request before anybody is asked: who, for what, and what the phone will show of the job.

use std::time::Duration;

use countersign_core::request::{Artefact, Hints};
use data_encoding::HEXLOWER;

use super::batch::Batch;
use crate::{
    duration::{Left, Timeout},
    event::{ArtifactEvent, Event, Text},
    ui::Ui,
};

/// A request, in the words of the log.
pub(super) struct Announcement<'a> {
    pub(super) seed: &'a str,
    pub(super) label: &'a str,
    pub(super) phones: &'a [String],
    pub(super) batch: Batch,
    pub(super) reason: &'a str,
    /// The name of the command that will get the code.
    pub(super) command: Option<&'a str>,
    pub(super) artifact: Option<&'a Artefact>,
    pub(super) hints: &'a Hints,
    pub(super) timeout: Timeout,
}

impl Announcement<'_> {
    pub(super) fn say(&self, ui: Ui) {
        let sha256 = self.artifact.and_then(|it| it.sha256).map(|digest| HEXLOWER.encode(digest.as_ref()));
        ui.event(&Event::Asking {
            seed: self.seed,
            label: Text(self.label),
            phones: self.phones,
            codes: self.batch.steps,
            reason: Text(self.reason),
            command: self.command.map(Text),
            artifact: self.artifact.map(|it| ArtifactEvent { name: Text(&it.name), version: Text(&it.version), sha256: sha256.clone() }),
            timeout_s: self.timeout.as_millis() / 1000,
        });
        if ui.json {
            return;
        }
        let label = if self.label.is_empty() { String::new() } else { format!(" ({})", self.label) };
        let phones = self.phones.join(", ");
        ui.say(&format!("asking {phones} for {} of {}{label}", self.batch, self.seed));
        if !self.reason.is_empty() {
            ui.say(&format!("reason: {}", self.reason));
        }
        if let Some(command) = self.command {
            ui.say(&format!("the code is for the command {command}"));
        }
        if let Some(artifact) = self.artifact {
            ui.say(&format!("artifact: {} {}", artifact.name, artifact.version));
            sha256.iter().for_each(|digest| ui.say(&format!("sha256: {digest}")));
        }
        ui.say(&format!("there are {} to approve", Left(Duration::from_millis(self.timeout.as_millis()))));
        let lines: Vec<String> = self.hints.iter().map(|(name, value)| format!("{name:10}  {value}")).collect();
        ui.folded(&format!("what {phones} will show about this job"), &lines);
    }
}
