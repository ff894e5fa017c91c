//! Finding the holder that `countersign approve` left, for those who can do without one.

use std::path::Path;

use crate::{
    codes::{
        endpoint::Taker,
        holder::{Holding, Key},
    },
    duration::Left,
    ui::Ui,
};

/// The holder for this seed, if there is one that answers. Tells the human what it found, unless it is nothing.
pub(super) async fn held(config: &Path, seed: &str, ui: Ui) -> Option<Taker> {
    match Key::new(config, seed).find() {
        Ok(Holding::Here(taker)) => match taker.status(seed).await {
            Ok(status) => {
                let left = Left(std::time::Duration::from_millis(status.ends_in));
                ui.say(&format!(
                    "using what was approved before: the holder of {seed} (process {}) has {} left for {left}",
                    status.pid,
                    if status.left == 1 { "1 code".to_owned() } else { format!("{} codes", status.left) },
                ));
                Some(taker)
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
