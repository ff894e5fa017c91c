//! Holes that a review of core found, each with the test that proved it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use countersign_core::{
    ci::{Ask, CiPairing, Event, Exchange, Failure, Finished, Output},
    keys::{CiKey, DeviceRoot, UnlockRoot},
    otp::parse_otpauth,
    pairing::{AwaitP1, AwaitP2, PhoneIdentity},
    phone::{Context, Decision, NotSaved, Phone, PhoneError, PhoneOutput, Store},
    relay::{CloseReason, Frame, RelayUrl, mailbox_address, parse_ticket},
    request::Operation,
    seed::{Recipient, SealedSeed, seal},
    time::Now,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::collections::HashSet;

#[derive(Default)]
struct Disk {
    broken: bool,
    saves: usize,
}
impl Store for Disk {
    fn save(&mut self, _: &str, _: &[u8]) -> Result<(), NotSaved> {
        if self.broken {
            return Err(NotSaved("full".into()));
        }
        self.saves += 1;
        Ok(())
    }
}
struct W {
    rng: ChaCha20Rng,
    disk: Disk,
    phone: Phone,
    unlock: UnlockRoot,
    relay: RelayUrl,
    now: Now,
    offset: u32,
    cut: bool,
}
const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";
impl W {
    fn new() -> (Self, CiPairing, String, SealedSeed) {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let unlock = UnlockRoot::from_slice(&[2; 32]).unwrap();
        let mut disk = Disk::default();
        let now = Now { unix: 1_700_000_000, mono: 5_000 };
        let id = PhoneIdentity::derive("p", &unlock).unwrap();
        let mut ctx = Context { now, rng: &mut rng, store: &mut disk };
        let mut phone = Phone::create(DeviceRoot::from_slice(&[1; 32]).unwrap(), &id, &mut ctx).unwrap();
        let sealed = phone.enroll(&parse_otpauth(URI).unwrap(), &[], &unlock, &mut ctx).unwrap();
        let relay: RelayUrl = "ws://127.0.0.1:7700".parse().unwrap();
        let laptop = AwaitP1::make("acme", relay.clone(), &mut ctx.rng);
        let code = laptop.code().to_text().parse().unwrap();
        let (p, m) = AwaitP2::start(phone.device(), code, &mut ctx.rng).unwrap();
        let (laptop, m) = laptop.receive(&m, &mut ctx.rng).unwrap();
        let (p, m) = p.receive(&m, phone.device(), &id, &mut ctx.rng).unwrap();
        let (laptop, m) = laptop.receive(&m).unwrap().check(&p.digits()).unwrap();
        let m = phone.add_pairing(p.receive(&m).unwrap(), &mut ctx).unwrap();
        let paired = laptop.receive(&m).unwrap();
        phone.connected(&relay, &[7; 32]);
        let key = paired.key.to_text().to_string();
        (Self { rng, disk, phone, unlock, relay, now, offset: 0, cut: false }, paired.pairing, key, sealed)
    }
    fn on<T>(&mut self, f: impl FnOnce(&mut Phone, &UnlockRoot, &mut Context<'_>) -> T) -> T {
        f(&mut self.phone, &self.unlock, &mut Context { now: self.now, rng: &mut self.rng, store: &mut self.disk })
    }
    /// `stop_at_m3`: M3 is not delivered.
    fn run(&mut self, x: &mut Exchange, stop_at_m3: bool) -> (Vec<Event>, Option<Result<Finished, Failure>>, Option<u32>) {
        let off = self.offset;
        let (mut events, mut circuit) = (vec![], None);
        loop {
            let mut quiet = true;
            while let Some(o) = x.poll_output() {
                quiet = false;
                match o {
                    Output::Connect => x.connected([7; 32], self.now, &mut self.rng),
                    Output::Event(e) => events.push(e),
                    Output::Finished(end) => return (events, Some(end), circuit),
                    Output::Send(f) => {
                        let relay = self.relay.clone();
                        let bytes = match Frame::parse(&f).unwrap() {
                            Frame::Open { circuit: c, ticket, tail, .. } => {
                                circuit = Some(c + off);
                                let mailbox = mailbox_address(&parse_ticket(ticket).unwrap().mailbox_public);
                                Frame::Incoming { circuit: c + off, mailbox, ticket_id: [0; 16], tail }.encode()
                            }
                            Frame::Data { .. } if stop_at_m3 => continue,
                            Frame::Data { circuit, tail } => Frame::Data { circuit: circuit + off, tail }.encode(),
                            Frame::Close { circuit, reason } => Frame::Close { circuit: circuit + off, reason }.encode(),
                            _ => panic!(),
                        };
                        self.on(|p, _, c| p.received(&relay, &bytes, c));
                    }
                    _ => panic!(),
                }
            }
            while let Some(o) = self.phone.poll_output() {
                quiet = false;
                if let PhoneOutput::Send { frame, .. } = o {
                    let bytes = match Frame::parse(&frame).unwrap() {
                        Frame::Data { circuit, tail } if circuit > off => Frame::Data { circuit: circuit - off, tail }.encode(),
                        Frame::Close { circuit, reason } if circuit > off => Frame::Close { circuit: circuit - off, reason }.encode(),
                        _ => continue,
                    };
                    if !self.cut {
                        x.received(&bytes, self.now, &mut self.rng);
                    }
                }
            }
            if quiet {
                return (events, None, circuit);
            }
        }
    }
    fn x(&mut self, p: &CiPairing, k: &str, s: &SealedSeed) -> Exchange {
        self.offset += 1000;
        let ask = Ask { sealed: Some(s.clone()), seed_name: "npm".into(), ..Ask::new(Operation::Code, 60_000) };
        Exchange::new(p.clone(), k.parse::<CiKey>().unwrap(), ask, self.now)
    }
    fn yes(&mut self, events: &[Event]) -> Result<(), PhoneError> {
        let id = self.phone.pending(self.now)[0].request_id;
        let number = events.iter().find_map(|e| if let Event::Number(n) = e { Some(n.digits().to_owned()) } else { None }).unwrap();
        self.on(|p, u, c| {
            p.decide(&id, &Decision { number, codes: None, grant: true }, c)?;
            p.approve(&id, u, None, c)
        })
    }
}

/// how many match numbers a thief of COUNTERSIGN_KEY can look at without the owner seeing anything.
#[test]
fn match_numbers_can_not_be_searched_without_a_prompt() {
    let (mut w, p, k, s) = W::new();
    let mut seen = HashSet::new();
    for _ in 0..400 {
        let mut x = w.x(&p, &k, &s);
        let (events, _, circuit) = w.run(&mut x, true);
        for e in events {
            if let Event::Number(n) = e {
                seen.insert(n.digits().to_owned());
            }
        }
        let (relay, frame) = (w.relay.clone(), Frame::Close { circuit: circuit.unwrap(), reason: CloseReason::PeerGone }.encode());
        w.on(|ph, _, c| ph.received(&relay, &frame, c));
        assert!(w.phone.pending(w.now).is_empty());
    }
    assert!(seen.len() <= 8);
}

#[test]
fn a_denial_between_decide_and_approve_counts() {
    let (mut w, p, k, s) = W::new();
    let mut x = w.x(&p, &k, &s);
    let (events, ..) = w.run(&mut x, false);
    let pending = w.phone.pending(w.now).remove(0);
    let number = events.iter().find_map(|e| if let Event::Number(n) = e { Some(n.digits().to_owned()) } else { None }).unwrap();
    let seed = w.phone.seeds()[0].id;
    w.on(|ph, _, c| ph.decide(&pending.request_id, &Decision { number, codes: None, grant: true }, c)).unwrap();
    w.on(|ph, _, c| ph.allow(&pending.pairing_id, &seed, false, c)).unwrap();
    let r = w.on(|ph, u, c| ph.approve(&pending.request_id, u, None, c));
    assert!(r.is_err());
}

#[test]
fn the_same_secret_with_another_period_still_works() {
    let (mut w, p, k, s) = W::new();
    let mut x = w.x(&p, &k, &s);
    let (events, ..) = w.run(&mut x, false);
    w.yes(&events).unwrap();
    w.run(&mut x, false);
    x.report(countersign_core::request::Outcome::Used);
    w.run(&mut x, false);
    // The service wants 60 s after all.
    let s60 = w.on(|ph, u, c| ph.enroll(&parse_otpauth(&format!("{URI}&period=60")).unwrap(), &[], u, c)).unwrap();
    w.now.unix += 3_600;
    w.now.mono += 3_600_000;
    let mut x = w.x(&p, &k, &s60);
    let (events, ..) = w.run(&mut x, false);
    let r = w.yes(&events);
    assert!(r.is_ok());
}

#[test]
fn a_full_disk_may_fail_seven_times_and_then_ends_the_request() {
    for (failures, approved) in [(7, true), (8, false)] {
        let (mut w, p, k, s) = W::new();
        let mut x = w.x(&p, &k, &s);
        let (events, ..) = w.run(&mut x, false);
        w.disk.broken = true;
        for _ in 0..failures {
            assert!(matches!(w.yes(&events), Err(PhoneError::NotSaved(_))));
        }
        w.disk.broken = false;
        if approved {
            w.yes(&events).unwrap();
        }
        let (_, end, _) = w.run(&mut x, false);
        assert_eq!(matches!(end, Some(Ok(_))), approved, "{end:?}");
        assert!(approved || end == Some(Err(Failure::PhoneFailed)), "{end:?}");
        assert_eq!(w.phone.seeds()[0].last_used.is_some(), approved, "no step is burnt for nothing");
    }
}

#[test]
fn an_imported_file_can_not_take_over_another_seed() {
    let (mut w, p, k, s) = W::new();
    // The pairing gets its grant for ACME:release.
    let mut x = w.x(&p, &k, &s);
    let (events, ..) = w.run(&mut x, false);
    w.yes(&events).unwrap();
    w.run(&mut x, false);
    let other = UnlockRoot::from_slice(&[9; 32]).unwrap();
    let id = w.phone.seeds()[0].id;
    let own: Recipient = w.phone.identity().recipient;
    let file = seal(
        &parse_otpauth("otpauth://totp/Bank:root?secret=AAAAAAAAGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap(),
        id,
        1,
        &other.derive_signing(),
        &[own],
    )
    .unwrap();
    w.on(|ph, _, c| ph.trust(&other.derive_signing().public(), c)).unwrap();
    let _ = w.on(|ph, u, c| ph.import(file.clone(), u, c));
    assert_eq!(w.phone.seeds().len(), 2);
}

/// a relay that takes connections and drops them at the first OPEN.
#[test]
fn retries_slow_down() {
    let (w, p, k, s) = W::new();
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let ask = Ask { sealed: Some(s), ..Ask::new(Operation::Code, 300_000) };
    let mut now = w.now;
    let mut x = Exchange::new(p, k.parse().unwrap(), ask, now);
    let (mut connects, mut end) = (0, None);
    while end.is_none() {
        while let Some(o) = x.poll_output() {
            match o {
                Output::Connect => {
                    connects += 1;
                    x.connected([1; 32], now, &mut rng);
                }
                Output::Send(_) => {
                    x.received(&Frame::Error { code: countersign_core::relay::ErrorCode::Malformed }.encode(), now, &mut rng);
                    x.disconnected(false, now, &mut rng);
                }
                Output::Finished(e) => end = Some(e),
                _ => {}
            }
        }
        if let Some(t) = x.poll_timeout() {
            now.mono = t.max(now.mono);
            x.tick(now, &mut rng);
        }
    }
    assert!(connects < 60);
}

#[test]
fn unknown_reasons_are_final() {
    let (mut w, p, k, s) = W::new();
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let mut x = w.x(&p, &k, &s);
    let mut end = None;
    while let Some(o) = x.poll_output() {
        match o {
            Output::Connect => x.connected([1; 32], w.now, &mut rng),
            Output::Send(f) => {
                if let Ok(Frame::Open { circuit, .. }) = Frame::parse(&f) {
                    x.received(&Frame::Close { circuit, reason: CloseReason::Other(77) }.encode(), w.now, &mut rng);
                }
            }
            Output::Finished(e) => end = Some(e),
            _ => {}
        }
    }
    assert!(end.is_some());
}

/// the phone slept (monotonic clock stands still), the old request has expired by the wall clock.
#[test]
fn an_expired_session_blocks_nobody() {
    let (mut w, p, k, s) = W::new();
    let mut x = w.x(&p, &k, &s);
    w.run(&mut x, false);
    w.now.unix += 3_600;
    let mut y = w.x(&p, &k, &s);
    let (events, ..) = w.run(&mut y, false);
    assert!(!events.contains(&Event::PhoneBusy));
}
