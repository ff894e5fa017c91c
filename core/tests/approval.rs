//! One whole approval: pairing, enrolling, a code, with a wire that only renames circuits. Faults and the real relay switch are in `tests/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use countersign_core::{
    ci::{Ask, CiPairing, Event, Exchange, Failure, Finished, Output},
    keys::{CiKey, DeviceRoot, UnlockRoot},
    otp::{compute, parse_otpauth},
    pairing::{AwaitP1, AwaitP2, PhoneIdentity},
    phone::{Context, Decision, NotSaved, Phone, PhoneError, PhoneOutput, Store},
    relay::{Frame, RelayUrl, TicketId, mailbox_address},
    request::{MatchNumber, Operation, Outcome},
    seed::SealedSeed,
    time::Now,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";
const NOW: Now = Now { unix: 1_700_000_000, mono: 5_000 };

#[derive(Default)]
struct Disk {
    saved: Vec<u8>,
    broken: bool,
}

impl Store for Disk {
    fn save(&mut self, state: &[u8]) -> Result<(), NotSaved> {
        if self.broken {
            return Err(NotSaved("read-only".into()));
        }
        self.saved = state.to_vec();
        Ok(())
    }
}

struct World {
    rng: ChaCha20Rng,
    disk: Disk,
    phone: Phone,
    unlock: UnlockRoot,
    relay: RelayUrl,
    now: Now,
}

fn device() -> DeviceRoot {
    DeviceRoot::from_slice(&[1; 32]).unwrap()
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let unlock = UnlockRoot::from_slice(&[2; 32]).unwrap();
        let mut disk = Disk::default();
        let identity = PhoneIdentity::derive("pixel", &unlock).unwrap();
        let phone = Phone::create(device(), &identity, &mut Context { now: NOW, rng: &mut rng, store: &mut disk }).unwrap();
        Self { rng, disk, phone, unlock, relay: "ws://127.0.0.1:7700".parse().unwrap(), now: NOW }
    }

    fn phone<T>(&mut self, call: impl FnOnce(&mut Phone, &UnlockRoot, &mut Context<'_>) -> T) -> T {
        let mut ctx = Context { now: self.now, rng: &mut self.rng, store: &mut self.disk };
        call(&mut self.phone, &self.unlock, &mut ctx)
    }

    fn pair(&mut self) -> (CiPairing, CiKey) {
        let laptop = AwaitP1::make("acme/widget", self.relay.clone(), &mut self.rng);
        let code = laptop.code().to_text().parse().unwrap();
        let (phone, p1) = AwaitP2::start(self.phone.device(), code, &mut self.rng).unwrap();
        let (laptop, p2) = laptop.receive(&p1, &mut self.rng).unwrap();
        let (phone, p3) = phone.receive(&p2, self.phone.device(), &self.phone.identity(), &mut self.rng).unwrap();
        let laptop = laptop.receive(&p3).unwrap();
        let (laptop, p4) = laptop.check(&phone.digits()).unwrap();
        let (paired, p5) = phone.receive(&p4).unwrap();
        self.phone(|phone, _, ctx| phone.add_pairing(paired, ctx)).unwrap();
        let paired = laptop.receive(&p5).unwrap();
        (paired.pairing, paired.key)
    }

    fn enrolled(&mut self) -> SealedSeed {
        self.phone(|phone, unlock, ctx| phone.enroll(&parse_otpauth(URI).unwrap(), &[], unlock, ctx)).unwrap()
    }

    /// Carries frames until nobody has any; gives the events and the end.
    fn run(&mut self, exchange: &mut Exchange) -> (Vec<Event>, Option<Result<Finished, Failure>>) {
        let mut events = Vec::new();
        loop {
            let mut quiet = true;
            while let Some(output) = exchange.poll_output() {
                quiet = false;
                match output {
                    Output::Connect => {
                        self.phone.connected(&self.relay, &[7; 32]);
                        exchange.connected([7; 32], self.now, &mut self.rng);
                    }
                    Output::Send(frame) => self.deliver(&frame),
                    Output::Event(event) => events.push(event),
                    Output::Finished(end) => return (events, Some(end)),
                    _ => panic!("unknown output"),
                }
            }
            while let Some(output) = self.phone.poll_output() {
                quiet = false;
                if let PhoneOutput::Send { frame, .. } = output
                    && !matches!(Frame::parse(&frame).unwrap(), Frame::Prove { .. })
                {
                    exchange.received(&frame, self.now, &mut self.rng);
                }
            }
            if quiet {
                return (events, None);
            }
        }
    }

    fn deliver(&mut self, frame: &[u8]) {
        let relay = self.relay.clone();
        let bytes = match Frame::parse(frame).unwrap() {
            Frame::Open { circuit, ticket, tail, .. } => {
                let ticket = countersign_core::relay::parse_ticket(ticket).unwrap();
                let mailbox = mailbox_address(&ticket.mailbox_public);
                Frame::Incoming { circuit, mailbox, ticket_id: TicketId::default(), tail }.encode()
            }
            _ => frame.to_vec(),
        };
        self.phone(|phone, _, ctx| phone.received(&relay, &bytes, ctx));
    }
}

fn ask(sealed: &SealedSeed, codes: u8) -> Ask {
    Ask { sealed: Some(sealed.clone()), codes, seed_name: "npm".into(), reason: "release 1.2".into(), ..Ask::new(Operation::Code, 60_000) }
}

fn number(events: &[Event]) -> MatchNumber {
    let found = events.iter().find_map(|event| if let Event::Number(number) = event { Some(number.clone()) } else { None });
    found.expect("a number")
}

fn yes(number: &MatchNumber) -> Decision {
    Decision { number: number.digits().to_owned(), codes: None, grant: true }
}

#[test]
fn a_code_exists_only_because_the_phone_approved() {
    let mut world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enrolled();
    let mut exchange = Exchange::new(pairing, key, ask(&sealed, 2), world.now);
    let (events, end) = world.run(&mut exchange);
    assert!(end.is_none());
    let pending = world.phone.pending(world.now);
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].label.as_str(), pending[0].pairing.as_str(), pending[0].first_use), ("ACME:release", "acme/widget", true));
    let (id, decision) = (pending[0].request_id, yes(&number(&events)));
    world
        .phone(|phone, unlock, ctx| {
            phone.decide(&id, &decision, ctx)?;
            phone.approve(&id, unlock, None, ctx)
        })
        .unwrap();
    let (_, end) = world.run(&mut exchange);
    let Some(Ok(Finished::Approved(approval))) = end else { panic!("{end:?}") };
    assert_eq!(approval.codes.len(), 2);
    for code in &approval.codes {
        assert_eq!(code.1.expose(), compute(&parse_otpauth(URI).unwrap(), code.0).expose());
    }
    exchange.report(Outcome::Used);
    world.run(&mut exchange);
    assert_eq!(world.phone.history().last().unwrap().outcome, countersign_core::phone::HistoryOutcome::Used);
    // A restart knows the burnt steps.
    let reopened = Phone::open(device(), &world.disk.saved).unwrap();
    assert!(reopened.seeds()[0].used);
}

#[test]
fn an_answer_that_comes_late_is_known_to_be_late() {
    let mut world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enrolled();
    let mut exchange = Exchange::new(pairing, key, ask(&sealed, 1), world.now);
    let (events, _) = world.run(&mut exchange);
    let (id, decision) = (world.phone.pending(world.now)[0].request_id, yes(&number(&events)));
    // The job's connection is lost, the phone approves, and 40 seconds later the job is back.
    exchange.disconnected(false, world.now, &mut world.rng);
    world
        .phone(|phone, unlock, ctx| {
            phone.decide(&id, &decision, ctx)?;
            phone.approve(&id, unlock, None, ctx)
        })
        .unwrap();
    while world.phone.poll_output().is_some() {}
    world.now = Now { unix: NOW.unix + 40, mono: NOW.mono + 40_000 };
    exchange.tick(world.now, &mut world.rng);
    let (_, end) = world.run(&mut exchange);
    let Some(Ok(Finished::Approved(approval))) = end else { panic!("{end:?}") };
    assert_eq!(approval.phone_now, NOW.unix + 40);
    assert_eq!(approval.ends_in(approval.codes[0].0, world.now.mono), 0);
}

#[test]
fn a_wrong_number_ends_the_request() {
    let mut world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enrolled();
    let mut exchange = Exchange::new(pairing, key, ask(&sealed, 1), world.now);
    world.run(&mut exchange);
    let id = world.phone.pending(world.now)[0].request_id;
    let decision = Decision { number: "not it".into(), codes: None, grant: true };
    assert_eq!(world.phone(|phone, _, ctx| phone.decide(&id, &decision, ctx)), Err(PhoneError::WrongNumber));
    assert_eq!(world.run(&mut exchange).1, Some(Err(Failure::WrongNumber)));
    assert!(world.phone.pending(world.now).is_empty());
}

#[test]
fn nothing_leaves_when_the_state_can_not_be_saved() {
    let mut world = World::new();
    let (pairing, key) = world.pair();
    let sealed = world.enrolled();
    let mut exchange = Exchange::new(pairing, key, ask(&sealed, 1), world.now);
    let (events, _) = world.run(&mut exchange);
    let id = world.phone.pending(world.now)[0].request_id;
    world.disk.broken = true;
    let decision = yes(&number(&events));
    let result = world.phone(|phone, unlock, ctx| {
        phone.decide(&id, &decision, ctx)?;
        phone.approve(&id, unlock, None, ctx)
    });
    assert!(matches!(result, Err(PhoneError::NotSaved(_))), "{result:?}");
    assert_eq!(world.run(&mut exchange).1, None);
    // The human mends the disk and says yes again.
    world.disk.broken = false;
    world.phone(|phone, unlock, ctx| phone.approve(&id, unlock, None, ctx)).unwrap();
    assert!(matches!(world.run(&mut exchange).1, Some(Ok(Finished::Approved(_)))));
}
