//! The wall clock leaps under a running relay: with `faketime`, which a file tells what to pretend.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use countersign_core::relay::{CloseReason, Frame, OpenProof, Ticket};
use countersign_link::Link;
use countersign_relay::limits::Limits;
use countersign_tests::process::program;

use crate::{
    honest::{Honest, Keys},
    target::Target,
};

/// The library that `faketime` loads into a program.
fn library() -> String {
    let asked = Command::new("faketime").args(["-f", "+0s", "printenv", "LD_PRELOAD"]).output();
    let asked = asked.unwrap_or_else(|_| panic!("faketime is not installed. Get it with: apt-get install faketime"));
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

fn leap(file: &Path, by: &str) {
    // In one piece, because the relay reads it at any time.
    let next = file.with_extension("next");
    fs::write(&next, by).unwrap();
    fs::rename(next, file).unwrap();
}

/// What an OPEN with a ticket that is good for an hour gets.
async fn open_for_an_hour(target: &Target, keys: &Keys) -> Frame<'static> {
    let (mailbox, sender) = (keys.mailbox(), keys.sender());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let ticket = Ticket {
        mailbox_public: mailbox.public(),
        ticket_id: [9; 16],
        sender: Some(sender.public()),
        max_bytes: 1024,
        opens_per_hour: u16::MAX,
        expires: now + 60 * 60,
        push: vec![],
    }
    .sign(&mailbox);
    let (mut link, hello) = Link::connect(&target.url).await.unwrap();
    let origin = target.url.origin();
    let signature = OpenProof { origin, nonce: &hello.nonce, circuit: 1, ticket: &ticket, tail: &[] }.sign(&sender);
    link.send(&Frame::Open { circuit: 1, ticket: &ticket, signature, tail: &[] }.encode()).await.unwrap();
    match Frame::parse(&link.recv().await.unwrap()).unwrap() {
        Frame::Waiting { circuit } => Frame::Waiting { circuit },
        Frame::Close { circuit, reason } => Frame::Close { circuit, reason },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_wall_clock_leaps() {
    let folder = tempfile::tempdir().unwrap();
    let pretended = folder.path().join("time");
    leap(&pretended, "+0s");
    let mut command = Command::new(program("countersign-relay"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("LD_PRELOAD", library())
        .env("FAKETIME_TIMESTAMP_FILE", &pretended)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let target = Target::start(command, Limits::default().memory_bound(false));
    let mut honest = Honest::start(&target.url).await;
    // Nobody has proven this mailbox: a good ticket waits for its phone.
    let keys = Keys::make();
    let (good, over) = (Frame::Waiting { circuit: 1 }, Frame::Close { circuit: 1, reason: CloseReason::TicketRefused });
    for (by, expected) in [("+0s", &good), ("+2d", &over), ("-700d", &good), ("+9000d", &over), ("+0s", &good)] {
        leap(&pretended, by);
        assert_eq!(open_for_an_hour(&target, &keys).await, *expected, "the clock is off by {by}");
        // Nothing but dates follows that clock: no connection ends, no wait is over, no request is refused.
        honest.requests(1).await;
        honest.requests_on_one_connection(1).await;
    }
    target.check_memory();
}
