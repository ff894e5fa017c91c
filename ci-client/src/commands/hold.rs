//! `countersign hold`, which `approve` starts

use clap::Args;

use crate::{codes::holder, problem::Problem};

/// Keeps the codes that `countersign approve` was given; never run by hand
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign approve npm --codes 3 --for 10m")]
pub(crate) struct HoldArgs {}

pub(crate) async fn run(_: HoldArgs) -> Result<u8, Problem> {
    holder::hold().await.map(|()| 0)
}
