//! Wake-ups on the two ends: the phone registers and renews tickets, ci hears of it. The relay is played by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use countersign_core::{
    ci::{Ask, CiPairing, Event, Exchange, Failure, Finished, Output},
    keys::{CiKey, CiRoot, DeviceRoot, Secret32, UnlockRoot},
    pairing::{AwaitP1, AwaitP2, PhoneIdentity},
    phone::{Context, NotSaved, Parts, Phone, PhoneError, PhoneEvent, PhoneOutput, PushAddress, Store, WakeUpState},
    relay::{ErrorCode, Frame, Mailbox, PushStatus, RelayUrl, TicketId, WakeResult, mailbox_address, parse_ticket},
    request::Operation,
    time::Now,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const NOW: Now = Now { unix: 1_700_000_000, mono: 5_000 };

#[derive(Default)]
struct Disk(Parts);

impl Store for Disk {
    fn save(&mut self, part: &str, sealed: &[u8]) -> Result<(), NotSaved> {
        self.0.insert(part.to_owned(), sealed.to_vec());
        Ok(())
    }
}

struct World {
    rng: ChaCha20Rng,
    disk: Disk,
    phone: Phone,
    relay: RelayUrl,
}

fn address() -> PushAddress {
    PushAddress { endpoint: "https://push.example.org/abc".into(), p256dh: [4; 65], auth: [7; 16] }
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let identity = PhoneIdentity::derive("pixel", &UnlockRoot::from_slice(&[2; 32]).unwrap()).unwrap();
        let mut disk = Disk::default();
        let device = DeviceRoot::from_slice(&[1; 32]).unwrap();
        let phone = Phone::create(device, &identity, &mut Context { now: NOW, rng: &mut rng, store: &mut disk }).unwrap();
        Self { rng, disk, phone, relay: "ws://127.0.0.1:7700".parse().unwrap() }
    }

    fn phone<T>(&mut self, call: impl FnOnce(&mut Phone, &mut Context<'_>) -> T) -> T {
        call(&mut self.phone, &mut Context { now: NOW, rng: &mut self.rng, store: &mut self.disk })
    }

    fn pair(&mut self, push: &[u8]) -> (CiPairing, CiKey) {
        let laptop = AwaitP1::make("acme/widget", self.relay.clone(), &mut self.rng);
        let code = laptop.code().to_text().parse().unwrap();
        let (phone, p1) = AwaitP2::start(self.phone.device(), code, &mut self.rng).unwrap();
        let (laptop, p2) = laptop.receive(&p1, &mut self.rng).unwrap();
        let phone = phone.with_push(push.to_vec());
        let (phone, p3) = phone.receive(&p2, self.phone.device(), &self.phone.identity(), &mut self.rng).unwrap();
        let (laptop, p4) = laptop.receive(&p3).unwrap().check(&phone.digits()).unwrap();
        let paired = phone.receive(&p4).unwrap();
        let p5 = self.phone(|phone, ctx| phone.add_pairing(paired, ctx)).unwrap();
        let paired = laptop.receive(&p5).unwrap();
        (paired.pairing, paired.key)
    }

    fn hear(&mut self, frame: &Frame<'_>) {
        let relay = self.relay.clone();
        self.phone(|phone, ctx| phone.received(&relay, &frame.encode(), ctx));
    }

    /// What the phone sends and tells.
    fn outputs(&mut self) -> (Vec<Vec<u8>>, Vec<PhoneEvent>) {
        let (mut frames, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.phone.poll_output() {
            match output {
                PhoneOutput::Send { frame, .. } => frames.push(frame),
                PhoneOutput::Event(event) => events.push(event),
                _ => panic!("unknown output"),
            }
        }
        (frames, events)
    }

    fn connect(&mut self, mailbox: Mailbox) -> Vec<Vec<u8>> {
        let relay = self.relay.clone();
        self.phone.connected(&relay, &[7; 32]);
        assert!(matches!(Frame::parse(&self.outputs().0[0]), Ok(Frame::Prove { .. })));
        self.hear(&Frame::Proved { mailbox });
        self.outputs().0
    }

    fn state(&self) -> WakeUpState {
        self.phone.pairings()[0].wake_up
    }
}

fn mailbox(pairing: &CiPairing) -> Mailbox {
    mailbox_address(&parse_ticket(&pairing.ticket).unwrap().mailbox_public)
}

fn sealed(mailbox: Mailbox, sealed: &[u8]) -> Frame<'_> {
    Frame::PushSealed { mailbox, status: PushStatus::Ok, key: [4; 65], sealed }
}

/// Runs a request to its end, with the phone connected.
fn run(world: &mut World, pairing: &CiPairing, key: CiKey, operation: Operation) -> Result<Finished, Failure> {
    let mut exchange = Exchange::new(pairing.clone(), key, Ask::new(operation, 60_000), NOW);
    loop {
        while let Some(output) = exchange.poll_output() {
            match output {
                Output::Connect => exchange.connected([7; 32], NOW, &mut world.rng),
                Output::Send(frame) => match Frame::parse(&frame).unwrap() {
                    Frame::Open { circuit, tail, .. } => {
                        let incoming = Frame::Incoming { circuit, mailbox: mailbox(pairing), ticket_id: TicketId::default(), tail };
                        world.hear(&incoming);
                    }
                    frame => world.hear(&frame),
                },
                Output::Finished(end) => return end,
                _ => {}
            }
        }
        let frames = world.outputs().0;
        assert!(!frames.is_empty(), "both wait");
        frames.iter().for_each(|frame| exchange.received(frame, NOW, &mut world.rng));
    }
}

#[test]
fn a_phone_that_has_an_address_pairs_with_it() {
    let mut world = World::new();
    let push = vec![9; 753];
    let (pairing, _) = world.pair(&push);
    assert_eq!(parse_ticket(&pairing.ticket).unwrap().push, push);
    assert_eq!(world.state(), WakeUpState::Ready);
}

#[test]
fn an_address_is_registered_and_reaches_the_laptop_with_a_new_ticket() {
    let mut world = World::new();
    let (pairing, key) = world.pair(&[]);
    let to = mailbox(&pairing);
    assert!(world.connect(to).is_empty(), "a phone without an address asks for nothing");
    world.phone(|phone, ctx| phone.set_wake_up(None, Some(address()), ctx)).unwrap();
    let (frames, _) = world.outputs();
    let Ok(Frame::Push { mailbox: asked, subscription: Some(subscription) }) = Frame::parse(&frames[0]) else { panic!("no PUSH") };
    assert_eq!((asked, subscription.endpoint), (to, address().endpoint.as_bytes()));
    world.hear(&sealed(to, b"sealed one"));
    assert_eq!(world.outputs().1, [PhoneEvent::WakeUpRegistered(world.phone.pairings()[0].id)]);
    assert_eq!(world.state(), WakeUpState::NeedsTicket);
    // A restart and the next connection: the same address is no news.
    world.phone = Phone::open(DeviceRoot::from_slice(&[1; 32]).unwrap(), &world.disk.0, NOW.unix).unwrap();
    assert!(matches!(Frame::parse(&world.connect(to)[0]), Ok(Frame::Push { .. })));
    world.hear(&sealed(to, b"sealed one"));
    assert!(world.outputs().1.is_empty());

    let Ok(Finished::Ticket(ticket)) = run(&mut world, &pairing, key, Operation::Ticket) else { panic!("no ticket") };
    let (old, new) = (parse_ticket(&pairing.ticket).unwrap(), parse_ticket(&ticket).unwrap());
    assert_eq!(new.push, b"sealed one");
    assert_eq!(countersign_core::relay::Ticket { push: Vec::new(), ..new }, old);
    assert_eq!(world.state(), WakeUpState::Ready);
    assert!(world.phone.pending(NOW).is_empty(), "nobody was asked");

    // The relay got another key: the laptop's ticket is stale.
    world.connect(to);
    world.hear(&sealed(to, b"sealed two"));
    assert_eq!(world.state(), WakeUpState::NeedsTicket);
    world.phone(|phone, ctx| phone.set_wake_up(None, None, ctx)).unwrap();
    assert_eq!(world.state(), WakeUpState::Off);
}

#[test]
fn what_was_not_asked_for_is_not_stored() {
    let mut world = World::new();
    let (pairing, _) = world.pair(&[]);
    let to = mailbox(&pairing);
    world.connect(to);
    world.hear(&sealed(to, b"a gift"));
    assert_eq!((world.state(), world.outputs().1), (WakeUpState::Off, vec![]), "no address, nothing asked");
    world.phone(|phone, ctx| phone.set_wake_up(None, Some(address()), ctx)).unwrap();
    world.hear(&sealed(to, b"sealed one"));
    world.outputs();
    world.hear(&sealed(to, b"another"));
    assert_eq!(world.outputs().1, [], "one answer to one question");
    world.phone(|phone, ctx| phone.set_wake_up(None, Some(PushAddress { auth: [8; 16], ..address() }), ctx)).unwrap();
    world.phone(|phone, ctx| phone.set_wake_up(None, None, ctx)).unwrap();
    world.hear(&sealed(to, b"late"));
    assert_eq!((world.state(), world.outputs().1), (WakeUpState::Off, vec![]), "no longer wanted");
}

#[test]
fn only_the_holder_of_the_pairings_keys_gets_a_ticket() {
    let mut world = World::new();
    let (pairing, key) = world.pair(&[9; 100]);
    world.connect(mailbox(&pairing));
    let stranger = CiKey { root: CiRoot::from_slice(&[3; 32]).unwrap(), psk: Secret32::from_bytes([3; 32]) };
    assert_eq!(run(&mut world, &pairing, stranger, Operation::Ticket), Err(Failure::Refused));
    assert!(run(&mut world, &pairing, key, Operation::Ticket).is_ok());
}

#[test]
fn a_relay_that_does_not_know_push_is_asked_once() {
    let mut world = World::new();
    let (pairing, _) = world.pair(&[]);
    world.phone(|phone, ctx| phone.set_wake_up(None, Some(address()), ctx)).unwrap();
    assert_eq!(world.connect(mailbox(&pairing)).len(), 1);
    world.hear(&Frame::Error { code: ErrorCode::Malformed });
    let relay = world.relay.clone();
    let expected = [PhoneEvent::WakeUpRefused(relay.clone(), PushStatus::Off), PhoneEvent::RelayError(relay, ErrorCode::Malformed)];
    assert_eq!(world.outputs().1, expected);
    assert!(world.connect(mailbox(&pairing)).is_empty());
}

#[test]
fn a_relay_says_that_it_will_not() {
    let mut world = World::new();
    let (pairing, _) = world.pair(&[]);
    world.phone(|phone, ctx| phone.set_wake_up(None, Some(address()), ctx)).unwrap();
    let to = mailbox(&pairing);
    world.connect(to);
    for _ in 0..2 {
        world.hear(&Frame::PushSealed { mailbox: to, status: PushStatus::Refused, key: [4; 65], sealed: &[] });
    }
    assert_eq!(world.outputs().1, [PhoneEvent::WakeUpRefused(world.relay.clone(), PushStatus::Refused)]);
    assert_eq!(world.state(), WakeUpState::Off);
}

#[test]
fn an_address_of_its_own_goes_before_the_one_for_all() {
    let mut world = World::new();
    let relay = world.relay.clone();
    let own = PushAddress { endpoint: "https://push.example.org/own".into(), ..address() };
    world.phone(|phone, ctx| phone.set_wake_up(None, Some(address()), ctx)).unwrap();
    world.phone(|phone, ctx| phone.set_wake_up(Some(&relay), Some(own.clone()), ctx)).unwrap();
    assert_eq!(world.phone.wake_up(&relay), Some(own));
    assert_eq!(world.phone.wake_up(&"wss://other.example.org".parse().unwrap()), Some(address()));
    for bad in ["", "ftp://push.example.org", "https://push.example.org/a b"] {
        let bad = PushAddress { endpoint: bad.into(), ..address() };
        assert_eq!(world.phone(|phone, ctx| phone.set_wake_up(None, Some(bad), ctx)), Err(PhoneError::PushAddress));
    }
    assert_eq!(format!("{:?}", address()), "PushAddress(..)");
    let mut set = |n: usize, address| {
        let relay = format!("wss://relay-{n}.example.org").parse().unwrap();
        world.phone(|phone, ctx| phone.set_wake_up(Some(&relay), address, ctx))
    };
    (0..62).for_each(|n| set(n, Some(address())).unwrap());
    assert!(matches!(set(62, Some(address())), Err(PhoneError::Full { .. })));
    assert_eq!((set(0, Some(address())), set(0, None), set(62, Some(address()))), (Ok(()), Ok(()), Ok(())));
}

#[test]
fn ci_hears_what_came_of_a_wake_up_while_it_waits() {
    let mut world = World::new();
    let (pairing, key) = world.pair(&[9; 100]);
    let mut exchange = Exchange::new(pairing, key, Ask::new(Operation::Ping, 60_000), NOW);
    exchange.connected([7; 32], NOW, &mut world.rng);
    let mut hear = |frame: Frame<'_>| {
        exchange.received(&frame.encode(), NOW, &mut world.rng);
        let outputs = std::iter::from_fn(|| exchange.poll_output());
        outputs.filter_map(|output| if let Output::Event(event) = output { Some(event) } else { None }).collect::<Vec<_>>()
    };
    assert_eq!(hear(Frame::Wake { circuit: 1, result: WakeResult::Sent }), [], "nothing waits yet");
    assert_eq!(hear(Frame::Waiting { circuit: 1 }), [Event::PhoneAway]);
    assert_eq!(hear(Frame::Wake { circuit: 1, result: WakeResult::Gone }), [Event::Woken(WakeResult::Gone)]);
    assert_eq!(hear(Frame::Wake { circuit: 1, result: WakeResult::Other(9) }), []);
    assert_eq!(hear(Frame::Wake { circuit: 2, result: WakeResult::Sent }), []);
}

#[test]
fn without_tls_only_this_machine_is_an_address() {
    let mut world = World::new();
    let mut set = |endpoint: &str| {
        let address = PushAddress { endpoint: endpoint.into(), ..address() };
        world.phone(|phone, ctx| phone.set_wake_up(None, Some(address), ctx))
    };
    for good in ["https://push.example.org/a", "http://localhost:80/a", "http://127.0.0.1/a", "http://[::1]:9999/a", "apns:00", "fcm:a"] {
        assert_eq!(set(good), Ok(()), "{good}");
    }
    for bad in [
        "http://push.example.org/a",
        "http://localhost.example.org/",
        "http://127.0.0.1@example.org/",
        "http://10.0.0.1/",
        "http://",
        "push.example.org",
    ] {
        assert_eq!(set(bad), Err(PhoneError::PushAddress), "{bad}");
    }
}
