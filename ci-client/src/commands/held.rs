//! Finding the holder that `countersign approve` left, for those who can do without one, and taking its codes.

use std::{path::Path, time::Duration};

use countersign_core::request::CodeText;

use super::step::Wait;
use crate::{
    codes::{
        endpoint::{Status, Taker},
        holder::{Holding, Key},
    },
    duration::Left,
    problem::Problem,
    ui::Ui,
};

/// A code from a holder has as much life left as one that comes from a phone.
pub(super) const HELD_LIFE: Duration = Duration::from_secs(8);

/// What somebody wants of a holder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) codes: u8,
    /// How long each must still live.
    pub(super) life: Duration,
}

/// The holder for this seed, if there is one that answers and has a code. Tells the human what it found, unless it is nothing.
pub(super) async fn held(config: &Path, seed: &str, wanted: Wanted, ui: Ui) -> Option<Taker> {
    match Key::new(config, seed).find() {
        Ok(Holding::Here(taker)) => match taker.status(seed).await {
            Ok(status) => {
                let found = Found::of(&status, wanted);
                ui.say(&format!("{}: {}", found.intro(), of(seed, &status)));
                if let Found::TooFew = found {
                    ui.say(&format!(
                        "warning: {} codes are wanted and the holder has {} left: whoever asks for one more gets none (exit code 210)",
                        wanted.codes, status.left
                    ));
                    ui.hint("--fresh asks for a new approval, of as many as are wanted; `countersign approve --replace` does so ahead");
                }
                (found != Found::Nothing).then_some(taker)
            }
            Err(problem) => {
                ui.say(&format!("the holder of {seed} does not answer: {problem}"));
                None
            }
        },
        Ok(Holding::Dead) => {
            ui.say(&format!("the holder of {seed} is gone: it was killed, and its codes with it"));
            None
        }
        Ok(Holding::Nothing | Holding::Waiting) => None,
        Err(problem) => {
            ui.say(&format!("cannot look for a holder: {problem}"));
            None
        }
    }
}

/// What a holder is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Enough,
    TooFew,
    /// What it has left ends too soon for this use.
    Nothing,
}

impl Found {
    fn of(status: &Status, wanted: Wanted) -> Self {
        if Duration::from_millis(status.ends_in) < wanted.life {
            return Self::Nothing;
        }
        // One that has none left lives on only where a step may serve twice.
        if status.left.max(1) < wanted.codes { Self::TooFew } else { Self::Enough }
    }

    fn intro(self) -> &'static str {
        match self {
            Self::Enough | Self::TooFew => "using what was approved before",
            Self::Nothing => "what was approved before ends too soon to be used",
        }
    }
}

fn of(seed: &str, status: &Status) -> String {
    let codes = if status.left == 1 { "1 code".to_owned() } else { format!("{} codes", status.left) };
    let left = Left(Duration::from_millis(status.ends_in));
    format!("the holder of {seed} (process {}) has {codes} left for {left}", status.pid)
}

/// A code of a process that has some; what is waited for is told. Dropped while it waits, it has taken none.
pub(super) async fn take_held(taker: &Taker, seed: &str, life: Duration, fresh: bool, ui: Ui) -> Result<CodeText, Problem> {
    let left = Duration::from_millis(taker.status(seed).await?.opens_in);
    Wait { ui, seed, left, period: None }.told(taker.code(seed, life, fresh)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_and_too_short_are_known_before() {
        let found =
            |left, ends_in| Found::of(&Status { pid: 1, left, handed: 0, opens_in: 0, ends_in }, Wanted { codes: 3, life: HELD_LIFE });
        assert_eq!((found(3, 60_000), found(1, 60_000), found(0, 60_000)), (Found::Enough, Found::TooFew, Found::TooFew));
        // One code, and too little of its time.
        assert_eq!((found(1, 7_999), found(1, 8_000)), (Found::Nothing, Found::TooFew));
    }
}
