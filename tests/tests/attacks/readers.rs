//! Who does not read, and who makes the relay hold what it can't pass on.

use countersign_core::relay::{CloseReason, Frame, RELAY_CIRCUIT};
use countersign_relay::limits::MAX_CIRCUITS_PER_MAILBOX;

use crate::{
    honest::{Honest, Keys},
    raw::{Raw, attacker, frame},
    target::Target,
};

/// A phone and a job of one attacker, with as many circuits between them as there may be.
async fn joined(target: &Target, n: u16) -> (Raw, Raw) {
    let (keys, origin) = (Keys::make(), target.url.origin());
    let mut phone = Raw::open(attacker(n), target.address()).await;
    assert!(phone.send(&keys.prove(origin, &phone.nonce)).await);
    phone.recv().await;
    let mut job = Raw::open(attacker(n), target.address()).await;
    for circuit in 0..MAX_CIRCUITS_PER_MAILBOX as u32 {
        assert!(job.send(&keys.open(origin, &job.nonce, circuit, b"")).await);
        assert!(matches!(Frame::parse(&job.recv().await), Ok(Frame::Opened { .. })));
        assert!(matches!(Frame::parse(&phone.recv().await), Ok(Frame::Incoming { .. })));
    }
    (phone, job)
}

/// Sends as much as circuits carry; the other end reads none of it.
async fn pour(from: &mut Raw, first: u32) {
    for circuit in first..first + MAX_CIRCUITS_PER_MAILBOX as u32 {
        for _ in 0..4 {
            if !from.send(&Frame::Data { circuit, tail: &[0; 16_000] }.encode()).await {
                return;
            }
        }
    }
}

#[tokio::test]
async fn ends_that_never_read() {
    let target = Target::tight(&[], 900);
    let mut honest = Honest::start(&target.url).await;
    let mut pairs = Vec::new();
    for n in 0..12 {
        pairs.push(joined(&target, n).await);
    }
    let mut pouring = tokio::task::JoinSet::new();
    for (n, (phone, job)) in pairs.into_iter().enumerate() {
        pouring.spawn(async move {
            // With half of them the phone never reads, with the others the sender.
            let (first, mut from, silent) = if n % 2 == 0 { (0, job, phone) } else { (RELAY_CIRCUIT, phone, job) };
            pour(&mut from, first).await;
            (from, silent, first)
        });
    }
    honest.requests(5).await;
    while let Some(ended) = pouring.join_next().await {
        let (mut from, silent, first) = ended.unwrap();
        // Whoever does not read is cut; the other end is told so.
        let gone = |circuit| Frame::Close { circuit, reason: CloseReason::PeerGone };
        let told = from.recv().await;
        assert!((first..first + 16).any(|circuit| Frame::parse(&told) == Ok(gone(circuit))), "{told:?}");
        let told = silent.told().await;
        assert_eq!((told.error, told.close), (None, None));
    }
    honest.requests(1).await;
    target.check_memory();
}

#[tokio::test]
async fn who_fills_the_relay_with_halves_of_messages() {
    let target = Target::tight(&[], 900);
    let mut honest = Honest::start(&target.url).await;
    // Connections that would each have 32 KB kept: 25 times what all together may, and more than the bound of the process.
    let fragment = frame(0x02, &[0; 16_000]);
    let mut half = frame(0x00, &[0; 384]);
    half.pop();
    let mut holding = Vec::new();
    for n in 0..800 {
        let mut raw = Raw::open(attacker(n % 10), target.address()).await;
        assert!(raw.write(&fragment).await);
        raw.write(&half).await;
        holding.push(raw);
        if n % 200 == 199 {
            // Requests come in pieces, too, and are whole in a moment: they are not what is cut.
            honest.requests(2).await;
        }
    }
    // Those that have held the most for the longest have been.
    let first = holding.remove(0).told().await;
    assert_eq!((first.error, first.close), (None, None));
    let held_to_the_end = holding.pop().unwrap();
    drop(held_to_the_end);
    target.check_memory();
}
