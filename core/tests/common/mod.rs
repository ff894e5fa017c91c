//! A phone with a disk, and a wire to it that only renames circuits.
#![allow(dead_code, reason = "each test uses its part")]

use countersign_core::{
    ci::{Ask, CiPairing, Event, Exchange, Failure, Finished, Output},
    keys::{CiKey, DeviceRoot, UnlockRoot},
    otp::parse_otpauth,
    pairing::{AwaitP1, AwaitP2, PhoneIdentity},
    phone::{Context, Decision, NotSaved, Parts, Phone, PhoneOutput, Store},
    relay::{Frame, RelayUrl, TicketId, mailbox_address},
    request::{MatchNumber, Operation},
    seed::SealedSeed,
    time::Now,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";
pub(crate) const NOW: Now = Now { unix: 1_700_000_000, mono: 5_000 };

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) saved: Parts,
    pub(crate) broken: bool,
    /// How many more writes succeed; all of them if there is no number.
    pub(crate) writes: Option<usize>,
}

impl Store for Disk {
    fn save(&mut self, part: &str, sealed: &[u8]) -> Result<(), NotSaved> {
        if self.broken || self.writes == Some(0) {
            return Err(NotSaved("read-only".into()));
        }
        self.writes = self.writes.map(|left| left - 1);
        self.saved.insert(part.to_owned(), sealed.to_vec());
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) rng: ChaCha20Rng,
    pub(crate) disk: Disk,
    pub(crate) phone: Phone,
    pub(crate) unlock: UnlockRoot,
    pub(crate) relay: RelayUrl,
    pub(crate) now: Now,
}

pub(crate) fn device() -> DeviceRoot {
    DeviceRoot::from_slice(&[1; 32]).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let unlock = UnlockRoot::from_slice(&[2; 32]).unwrap();
        let mut disk = Disk::default();
        let identity = PhoneIdentity::derive("pixel", &unlock).unwrap();
        let phone = Phone::create(device(), &identity, &mut Context { now: NOW, rng: &mut rng, store: &mut disk }).unwrap();
        Self { rng, disk, phone, unlock, relay: "ws://127.0.0.1:7700".parse().unwrap(), now: NOW }
    }

    pub(crate) fn phone<T>(&mut self, call: impl FnOnce(&mut Phone, &UnlockRoot, &mut Context<'_>) -> T) -> T {
        let mut ctx = Context { now: self.now, rng: &mut self.rng, store: &mut self.disk };
        call(&mut self.phone, &self.unlock, &mut ctx)
    }

    pub(crate) fn pair(&mut self) -> (CiPairing, CiKey) {
        let laptop = AwaitP1::make("acme/widget", self.relay.clone(), &mut self.rng);
        let code = laptop.code().to_text().parse().unwrap();
        let (phone, p1) = AwaitP2::start(self.phone.device(), code, &mut self.rng).unwrap();
        let (laptop, p2) = laptop.receive(&p1, &mut self.rng).unwrap();
        let (phone, p3) = phone.receive(&p2, self.phone.device(), &self.phone.identity(), &mut self.rng).unwrap();
        let laptop = laptop.receive(&p3).unwrap();
        let (laptop, p4) = laptop.check(&phone.digits()).unwrap();
        let paired = phone.receive(&p4).unwrap();
        let p5 = self.phone(|phone, _, ctx| phone.add_pairing(paired, ctx)).unwrap();
        let paired = laptop.receive(&p5).unwrap();
        (paired.pairing, paired.key)
    }

    pub(crate) fn enrolled(&mut self) -> SealedSeed {
        self.phone(|phone, unlock, ctx| phone.enroll(&parse_otpauth(URI).unwrap(), &[], unlock, ctx)).unwrap()
    }

    /// Carries frames until nobody has any; gives the events and the end.
    pub(crate) fn run(&mut self, exchange: &mut Exchange) -> (Vec<Event>, Option<Result<Finished, Failure>>) {
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

    pub(crate) fn deliver(&mut self, frame: &[u8]) {
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

pub(crate) fn ask(sealed: &SealedSeed, codes: u8) -> Ask {
    Ask { sealed: Some(sealed.clone()), codes, seed_name: "npm".into(), reason: "release 1.2".into(), ..Ask::new(Operation::Code, 60_000) }
}

pub(crate) fn number(events: &[Event]) -> MatchNumber {
    let found = events.iter().find_map(|event| if let Event::Number(number) = event { Some(number.clone()) } else { None });
    found.expect("a number")
}

pub(crate) fn yes(number: &MatchNumber) -> Decision {
    Decision { number: number.digits().to_owned(), codes: None, grant: true }
}
