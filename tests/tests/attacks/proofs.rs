//! OPENs without and with valid tickets, forged proofs, a mailbox proven twice.

use countersign_core::relay::{CloseReason, ErrorCode, Frame, Role, mailbox_address};
use countersign_relay::limits::{Limits, MAX_CIRCUITS_PER_MAILBOX, MAX_WAITING_PER_MAILBOX};

use crate::{
    honest::{Honest, Keys},
    raw::{Raw, attacker},
    target::Target,
};

/// What is counted are signature checks: an address has 256 in a second, whatever it does.
const OPENS: u32 = 60;

#[tokio::test]
async fn forged() {
    let target = Target::tight(&[], 200);
    let mut honest = Honest::start(&target.url).await;
    let origin = target.url.origin();
    let (mine, theirs) = (Keys::make(), Keys::make());
    let mut attackers = Vec::new();
    for n in 0..6 {
        let mut raw = Raw::open(attacker(n), target.address()).await;
        for circuit in 1..=OPENS {
            // A ticket that somebody else signed, and a ticket that is another's.
            let frame = if circuit % 2 == 0 {
                let mut frame = mine.open(origin, &raw.nonce, circuit, b"m1");
                frame[100] ^= 1;
                frame
            } else {
                theirs.open(origin, &[0; 32], circuit, b"m1")
            };
            assert!(raw.send(&frame).await);
        }
        attackers.push(raw);
    }
    honest.requests(5).await;
    for mut raw in attackers {
        for circuit in 1..=OPENS {
            let refused = Frame::Close { circuit, reason: CloseReason::TicketRefused };
            assert_eq!(Frame::parse(&raw.recv().await), Ok(refused));
        }
        // A proof for another connection: the end of this one.
        assert!(raw.send(&mine.prove(origin, &[9; 32])).await);
        let told = raw.told().await;
        assert_eq!((told.error, told.close), (Some(ErrorCode::BadProof), Some(1000)), "{told:?}");
    }
    honest.requests(1).await;
    target.check_memory();
}

#[tokio::test]
async fn opens_with_valid_tickets() {
    let target = Target::tight(&["max_waiting=16"], 200);
    let mut honest = Honest::start(&target.url).await;
    let origin = target.url.origin();
    // A phone of the attacker's that takes everything, and jobs of its own. Each has as many circuits as a mailbox may have.
    let keys = Keys::make();
    let mut phone = Raw::open(attacker(1), target.address()).await;
    assert!(phone.send(&keys.prove(origin, &phone.nonce)).await);
    phone.recv().await;
    let mut job = Raw::open(attacker(1), target.address()).await;
    for circuit in 1..=OPENS {
        assert!(job.send(&keys.open(origin, &job.nonce, circuit, b"m1")).await);
    }
    // Jobs for phones that are away fill the relay's waiting room.
    let mut waiting = Vec::new();
    for n in 0..4 {
        let keys = Keys::make();
        let mut raw = Raw::open(attacker(2 + n), target.address()).await;
        for circuit in 1..=u32::from(n) + 10 {
            assert!(raw.send(&keys.open(origin, &raw.nonce, circuit, &[0; 8_000])).await);
        }
        waiting.push(raw);
    }
    // Their requests are long, so that some of them have to wait too.
    honest.requests(8).await;
    let mut opened = 0;
    for circuit in 1..=OPENS {
        match Frame::parse(&job.recv().await).unwrap() {
            Frame::Opened { .. } => opened += 1,
            other => assert_eq!(other, Frame::Close { circuit, reason: CloseReason::Limit }),
        }
    }
    assert_eq!(opened, MAX_CIRCUITS_PER_MAILBOX);
    let (mut waits, mut refused) = (0, 0);
    for (n, raw) in waiting.iter_mut().enumerate() {
        for _ in 0..n + 10 {
            match Frame::parse(&raw.recv().await).unwrap() {
                Frame::Waiting { .. } => waits += 1,
                Frame::Close { reason: CloseReason::Limit, .. } => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(waits <= 4 * MAX_WAITING_PER_MAILBOX && refused >= 46 - 32, "{waits} {refused}");
    honest.requests(1).await;
    target.check_memory();
}

#[tokio::test]
async fn a_mailbox_that_is_proven_twice() {
    let target = Target::tight(&[], 200);
    let mut honest = Honest::start(&target.url).await;
    let origin = target.url.origin();
    let keys = Keys::make();
    let mailbox = mailbox_address(&keys.mailbox().public());
    let mut old = Raw::open(attacker(1), target.address()).await;
    let mut new = Raw::open(attacker(2), target.address()).await;
    assert!(old.send(&keys.prove(origin, &old.nonce)).await);
    assert_eq!(Frame::parse(&old.recv().await), Ok(Frame::Proved { mailbox }));
    for _ in 0..30 {
        assert!(new.send(&keys.prove(origin, &new.nonce)).await);
        assert_eq!(Frame::parse(&new.recv().await), Ok(Frame::Proved { mailbox }));
        assert_eq!(Frame::parse(&old.recv().await), Ok(Frame::Evicted { mailbox }));
        (old, new) = (new, old);
    }
    honest.requests(3).await;
    // The newer one has it.
    let mut job = Raw::open(attacker(3), target.address()).await;
    assert!(job.send(&keys.open(origin, &job.nonce, 1, b"m1")).await);
    assert!(matches!(Frame::parse(&old.recv().await), Ok(Frame::Incoming { tail: b"m1", .. })));
    target.check_memory();
}

#[tokio::test]
async fn rendezvous_that_nobody_comes_to() {
    let mut limits = Limits::default();
    limits.max_rendezvous = 40;
    let target = Target::program(&["--max-rendezvous", "40"], &limits);
    let mut honest = Honest::start(&target.url).await;
    let mut attackers = Vec::new();
    for n in 0..3_u8 {
        let mut raw = Raw::open(attacker(n.into()), target.address()).await;
        for circuit in 1..=40_u8 {
            let rendezvous = [n, circuit, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
            assert!(raw.send(&Frame::Meet { circuit: circuit.into(), role: Role::Laptop, rendezvous }.encode()).await);
        }
        attackers.push(raw);
    }
    honest.requests(3).await;
    // A pairing finds its place.
    let (here, there) = (std::net::Ipv4Addr::new(127, 2, 0, 1), std::net::Ipv4Addr::new(127, 2, 0, 2));
    let mut laptop = Raw::open(here, target.address()).await;
    let mut phone = Raw::open(there, target.address()).await;
    let meet = |role| Frame::Meet { circuit: 1, role, rendezvous: [0xee; 16] }.encode();
    assert!(laptop.send(&meet(Role::Laptop)).await && phone.send(&meet(Role::Phone)).await);
    for end in [&mut laptop, &mut phone] {
        assert_eq!(Frame::parse(&end.recv().await), Ok(Frame::Met { circuit: 1 }));
    }
    // The attackers are told that there are too many of theirs.
    for mut raw in attackers {
        assert!(matches!(Frame::parse(&raw.recv().await), Ok(Frame::Close { reason: CloseReason::Limit, .. })));
    }
    target.check_memory();
}
