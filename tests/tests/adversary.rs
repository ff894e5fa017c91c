//! What must hold whatever the relay does (docs/THREAT_MODEL.md).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashSet;

use countersign_core::{
    ci::{Failure, Finished},
    relay::{CloseReason, ErrorCode, Frame, RelayUrl},
};
use countersign_tests::sim::{Action, Adversary, Leg, Random, World};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

const MINUTE: u64 = 60_000;
const SECRET: &[u8] = b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// Every code that left the phone is in exactly one job, for a step of its own, after one approval; nothing secret was on the wire.
fn check(world: &World, jobs: &[usize]) {
    let mut steps = HashSet::new();
    let mut approved = 0;
    for job in jobs {
        let codes = world.codes(*job);
        approved += usize::from(!codes.is_empty());
        for (step, code) in codes {
            assert!(steps.insert(step), "step {step} was issued twice");
            assert!(!world.wire.iter().any(|(_, frame)| contains(frame, code.as_bytes())), "a code was on the wire");
        }
        assert!(world.end(*job).is_some(), "job {job} hangs");
    }
    assert!(approved <= world.human.approved_at.len(), "a code without an approval");
    let distinct: HashSet<_> = world.human.prompts.iter().collect();
    assert_eq!(distinct.len(), world.human.prompts.len(), "a request prompted twice");
    for (_, frame) in &world.wire {
        assert!(!contains(frame, SECRET) && !contains(frame, b"otpauth"), "the seed was on the wire");
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn nothing_a_relay_does_to_frames_gives_a_code_away_or_prompts_twice() {
    let mut approved = 0;
    for seed in 0..300 {
        let mut world = World::new(seed, 2);
        world.adversary = Box::new(Random::new(ChaCha20Rng::seed_from_u64(seed ^ 0xadde), 4, 12));
        let jobs = [world.start(0, world.ask(1, 3 * MINUTE)), world.start(1, world.ask(4, 3 * MINUTE))];
        if seed % 3 == 0 {
            world.at(seed * 7 % 2_500, World::restart_phone);
        }
        if seed % 5 == 0 {
            world.at(seed * 11 % 2_500, World::restart_relay);
        }
        world.run_until(8 * MINUTE);
        check(&world, &jobs);
        approved += jobs.iter().filter(|job| matches!(world.end(**job), Some(Ok(Finished::Approved(_))))).count();
    }
    assert!(approved > 200, "only {approved} of 600 jobs got through: the harness no longer tests much");
}

/// Records what the phone is sent, and sends it again later.
struct Replayer {
    at: u64,
    recorded: Vec<Vec<u8>>,
}

impl Adversary for Replayer {
    fn act(&mut self, leg: Leg, frame: &[u8]) -> Action {
        let mut action = vec![(5, frame.to_vec())];
        if leg == Leg::ToPhone && matches!(Frame::parse(frame), Ok(Frame::Incoming { .. })) {
            // The same M1 under a circuit number that is free, before and after the first one was answered.
            for (delay, number) in [(20, 0x8000_1000_u32), (1_000, 0x8000_1001), (self.at, 0x8000_1002)] {
                let mut again = frame.to_vec();
                again[1..5].copy_from_slice(&number.to_be_bytes());
                self.recorded.push(again.clone());
                action.push((delay, again));
            }
        }
        action
    }
}

#[test]
fn a_replayed_request_never_prompts() {
    for at in [3_000, 30_000, 120_000] {
        let mut world = World::new(20, 1);
        world.adversary = Box::new(Replayer { at, recorded: Vec::new() });
        let job = world.start(0, world.ask(1, 3 * MINUTE));
        world.run_until(4 * MINUTE);
        assert_eq!(world.codes(job).len(), 1, "{:?}", world.end(job));
        assert_eq!(world.human.prompts.len(), 1, "replayed after {at} ms");
        check(&world, &[job]);
    }
}

#[test]
fn a_replayed_request_never_prompts_after_a_restart_of_the_phone() {
    let mut world = World::new(21, 1);
    world.adversary = Box::new(Replayer { at: 20_000, recorded: Vec::new() });
    let job = world.start(0, world.ask(1, 3 * MINUTE));
    world.at(10_000, World::restart_phone);
    world.run_until(4 * MINUTE);
    assert_eq!(world.human.prompts.len(), 1);
    check(&world, &[job]);
}

/// Gives each job what was meant for the other.
struct Swapper(Vec<Vec<u8>>);

impl Adversary for Swapper {
    fn act(&mut self, leg: Leg, frame: &[u8]) -> Action {
        if leg != Leg::ToCi || !matches!(Frame::parse(frame), Ok(Frame::Data { .. })) {
            return vec![(5, frame.to_vec())];
        }
        // Hold the first answer of each pair back and deliver it in the other's place.
        self.0.push(frame[5..].to_vec());
        let other = self.0.iter().rev().nth(1).cloned().unwrap_or_else(|| frame[5..].to_vec());
        vec![(5, [&frame[..5], &other].concat())]
    }
}

#[test]
fn messages_swapped_between_circuits_are_worthless() {
    let mut world = World::new(22, 2);
    world.adversary = Box::new(Swapper(Vec::new()));
    let jobs = [world.start(0, world.ask(1, MINUTE)), world.start(1, world.ask(1, MINUTE))];
    world.run_until(3 * MINUTE);
    check(&world, &jobs);
    assert!(jobs.iter().any(|job| world.end(*job) == Some(&Err(Failure::Protocol))));
}

/// Changes one byte of the `nth` DATA frame on a leg.
struct Flip {
    leg: Leg,
    nth: usize,
    at: usize,
}

impl Adversary for Flip {
    fn act(&mut self, leg: Leg, frame: &[u8]) -> Action {
        let mut frame = frame.to_vec();
        if leg == self.leg && frame[0] == 0x30 {
            if self.nth == 0 {
                let at = 5 + self.at % (frame.len() - 5);
                frame[at] ^= 1;
            }
            self.nth = self.nth.wrapping_sub(1);
        }
        vec![(5, frame)]
    }
}

#[test]
fn a_flipped_bit_is_always_noticed() {
    for (leg, nth) in [(Leg::ToCi, 0), (Leg::ToCi, 1), (Leg::FromCi, 0)] {
        for at in [0, 1, 17, 40, 63, 79] {
            let mut world = World::new(23, 1);
            world.adversary = Box::new(Flip { leg, nth, at });
            let job = world.start(0, world.ask(1, MINUTE));
            world.run_until(3 * MINUTE);
            check(&world, &[job]);
            if leg == Leg::ToCi {
                assert_eq!(world.end(job), Some(&Err(Failure::Protocol)));
            } else {
                // M3 was damaged: nobody was asked, the job started afresh.
                assert_eq!(world.codes(job).len(), 1);
                assert_eq!(world.human.prompts.len(), 1);
            }
        }
    }
}

#[test]
fn a_mailbox_can_not_be_impersonated_nor_a_ticket_forged() {
    let mut world = World::new(24, 2);
    let stranger = world.stranger();
    let (pairing, key) = world.pairing(0);
    let (other, other_key) = world.pairing(1);
    let nonce = world.knock(stranger);
    let origin: RelayUrl = pairing.relay.clone();

    // PROVE of the phone's mailbox with a signature by another key.
    let mailbox_public: [u8; 32] = pairing.ticket[1..33].try_into().unwrap();
    let proof = countersign_core::relay::MailboxProof { origin: origin.origin(), nonce: &nonce };
    let signature = proof.sign(&key.root.derive_sender());
    let answer = world.say(stranger, &Frame::Prove { mailbox_public, signature, deny: &[] }.encode());
    assert!(answer.contains(&Frame::Error { code: ErrorCode::BadProof }.encode()));

    // OPEN with another pairing's ticket, and with a ticket whose limits were raised.
    let mut forged = pairing.ticket.clone();
    forged[81] ^= 0xff;
    for (ticket, key) in [(&other.ticket, &key), (&pairing.ticket, &other_key), (&forged, &key)] {
        let stranger = world.stranger();
        let nonce = world.knock(stranger);
        let proof = countersign_core::relay::OpenProof { origin: origin.origin(), nonce: &nonce, circuit: 1, ticket, tail: b"x" };
        let signature = proof.sign(&key.root.derive_sender());
        let answer = world.say(stranger, &Frame::Open { circuit: 1, ticket, signature, tail: b"x" }.encode());
        assert!(answer.contains(&Frame::Close { circuit: 1, reason: CloseReason::TicketRefused }.encode()), "{answer:?}");
    }
}

#[test]
fn a_thief_of_ci_secrets_can_prompt_but_not_approve() {
    // The thief's job asks while nobody of ours does: the human, who reads no such number in any log, types what they see elsewhere.
    let mut world = World::new(25, 1);
    world.human.mood = countersign_tests::sim::Mood::Mistype;
    let job = world.start(0, world.ask(1, MINUTE));
    world.run_until(2 * MINUTE);
    assert_eq!(world.end(job), Some(&Err(Failure::WrongNumber)));
    assert!(world.human.approved_at.is_empty());
}
