//! `countersign approve`

use clap::Args;
use countersign_core::request::Outcome;
use countersign_link::Clock;

use super::{
    batch::BatchArgs,
    listen,
    request::{RequestArgs, mask_all},
};
use crate::{
    codes::holder::{Key, Starting},
    duration::Left,
    problem::Problem,
    ui::Ui,
};

/// Asks now for codes that are used later
///
/// Waits until the maintainer has approved, leaves a small process that holds the codes, and returns. `countersign code` and `exec` on this machine,
/// with the same user, configuration and seed, take codes from it without asking again. It ends with its time, its codes, or `countersign close`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign approve npm --codes 2 --for 10m --reason \"release 1.2\"\n  ./slow-build.sh\n  \
                        countersign exec npm -- npm publish\n  countersign close npm")]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    batch: BatchArgs,
    /// End the holder that is there for this seed, if any
    #[arg(long)]
    replace: bool,
}

pub(crate) async fn run(args: ApproveArgs, ui: Ui) -> Result<u8, Problem> {
    let batch = args.batch.batch(&args.request.seed(ui)?)?;
    let prepared = args.request.prepare(ui)?;
    let reuse = prepared.seed.target.reuse;
    let key = Key::new(&args.request.config_path(), args.request.name());
    let mut signals = listen()?;
    let ended = async { if args.replace { key.close().await } else { Ok(false) } };
    let ended = tokio::select! {
        ended = ended => ended?,
        () = signals.interrupted() => return Err(Problem::interrupted()),
    };
    if ended {
        ui.say(&format!("the holder of {} that was there has ended", args.request.name()));
    }
    // Before anybody is asked. It ends by itself if this process does.
    let holder = tokio::select! {
        holder = Starting::start(key) => holder?,
        () = signals.interrupted() => return Err(Problem::interrupted()),
    };
    let mut answer = prepared.ask(batch, ui, &mut signals).await?;
    mask_all(ui, &answer).await;
    let clock = Clock::start();
    let now = clock.now().mono;
    let mut pool = batch.pool(&mut answer, reuse, now, ui);
    let (left, opens, ends) = (pool.left(now), pool.opens().saturating_sub(now), pool.ends().saturating_sub(now));
    match holder.hand_over(pool, reuse, now, signals.interrupted()).await {
        Ok(pid) => {
            // What becomes of the codes is not known here, and the phone must not be kept busy until it is.
            answer.leave().await;
            let codes = if left == 1 { "1 code".to_owned() } else { format!("{left} codes") };
            let time = Left(std::time::Duration::from_millis(ends));
            ui.say(&format!("the holder (process {pid}) has {codes} of {} for {time}", args.request.name()));
            if opens > 1000 {
                // Those before belong to an earlier approval.
                ui.say(&format!("the first of them can be used in {}", Left(std::time::Duration::from_millis(opens))));
            }
            ui.hint("`countersign code` and `countersign exec` use it; `countersign close` ends it");
            Ok(0)
        }
        Err(problem) => {
            answer.report(Outcome::NotUsed).await;
            Err(problem)
        }
    }
}
