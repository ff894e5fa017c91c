//! The world: an event queue, virtual clocks, and the parts.

mod run;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::{IpAddr, Ipv4Addr},
};

use countersign_core::{
    ci::{Ask, CiPairing, Event, Exchange, Failure, Finished},
    keys::{CiKey, DeviceRoot, PairingId, UnlockRoot},
    otp::parse_otpauth,
    pairing::{AwaitP1, AwaitP2, PhoneIdentity},
    phone::{Context, Phone},
    relay::{Frame, RelayUrl},
    request::{CancelReason, Operation},
    seed::SealedSeed,
    time::Now,
};
use countersign_relay::{
    limits::Limits,
    switch::{ConnId, Output as SwitchOutput, Switch},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use super::{
    Adversary, Honest, Human, Leg, Mood,
    node::{Disk, Job, JobId},
};

/// How a job ended.
pub type End = Result<Finished, Failure>;

const START: u64 = 1_700_000_000;
const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const URI: &str = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME";

/// What a world holds in secret, for searching what the adversary saw.
pub struct Seed;

impl Seed {
    /// The otpauth URI that every world enrols.
    pub const URI: &'static str = URI;
}

enum Due {
    /// A frame for the relay.
    ToRelay(ConnId, Vec<u8>),
    /// A frame for whoever has this connection.
    FromRelay(ConnId, Vec<u8>),
    /// The phone's connection attempt succeeds or fails.
    PhoneConnects,
    /// The human acts on a pending request.
    Human,
    /// Something scheduled by the test.
    Test(Box<dyn FnOnce(&mut World)>),
}

/// Everything.
pub struct World {
    /// The phone.
    pub phone: Phone,
    /// Its disk.
    pub disk: Disk,
    /// Its owner.
    pub human: Human,
    /// Stands on every leg.
    pub adversary: Box<dyn Adversary>,
    /// The sealed seed.
    pub sealed: SealedSeed,
    /// Every frame the adversary saw.
    pub wire: Vec<(Leg, Vec<u8>)>,
    /// Seconds that CI's wall clock is off.
    pub ci_clock_off: i64,
    /// Whether the relay can be connected to.
    pub relay_up: bool,
    /// Whether the phone tries to connect.
    pub phone_up: bool,
    mono: u64,
    rng: ChaCha20Rng,
    switch: Switch,
    url: RelayUrl,
    jobs: Vec<Job>,
    phone_conn: Option<ConnId>,
    owners: HashMap<ConnId, Option<JobId>>,
    next_conn: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    due: HashMap<u64, Due>,
    next_due: u64,
    pairings: Vec<(CiPairing, String)>,
}

fn device() -> DeviceRoot {
    DeviceRoot::from_slice(&[1; 32]).unwrap()
}

fn unlock() -> UnlockRoot {
    UnlockRoot::from_slice(&[2; 32]).unwrap()
}

impl World {
    /// A phone with one enrolled seed and `pairings` pairings, connected to a relay. The same `seed` gives the same run.
    #[must_use]
    pub fn new(seed: u64, pairings: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let url: RelayUrl = "ws://127.0.0.1:7700".parse().unwrap();
        let mut disk = Disk::default();
        let now = Now { unix: START, mono: 0 };
        let mut ctx = Context { now, rng: &mut rng, store: &mut disk };
        let mut phone = Phone::create(device(), &PhoneIdentity::derive("phone", &unlock()).unwrap(), &mut ctx).unwrap();
        let sealed = phone.enroll(&parse_otpauth(URI).unwrap(), &[], &unlock(), &mut ctx).unwrap();
        let made = (0..pairings).map(|number| pair(&mut phone, &format!("job {number}"), &url, &mut ctx)).collect();
        let mut world = Self {
            switch: Switch::new(std::slice::from_ref(&url), Limits::default()),
            phone,
            disk,
            human: Human::new(Mood::Approve),
            adversary: Box::new(Honest),
            sealed,
            wire: Vec::new(),
            ci_clock_off: 0,
            relay_up: true,
            phone_up: true,
            mono: 0,
            rng,
            url,
            jobs: Vec::new(),
            phone_conn: None,
            owners: HashMap::new(),
            next_conn: 1,
            queue: BinaryHeap::new(),
            due: HashMap::new(),
            next_due: 0,
            pairings: made,
        };
        world.schedule(0, Due::PhoneConnects);
        world
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn mono(&self) -> u64 {
        self.mono
    }

    /// The phone's wall clock.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { unix: START + self.mono / 1000, mono: self.mono }
    }

    fn ci_now(&self) -> Now {
        let now = self.now();
        Now { unix: now.unix.saturating_add_signed(self.ci_clock_off), ..now }
    }

    /// The public part of a pairing and its key.
    #[must_use]
    pub fn pairing(&self, number: usize) -> (CiPairing, CiKey) {
        let (pairing, key) = &self.pairings[number];
        (pairing.clone(), key.parse().unwrap())
    }

    /// An ask for `codes` codes of the enrolled seed.
    #[must_use]
    pub fn ask(&self, codes: u8, timeout_ms: u64) -> Ask {
        Ask { sealed: Some(self.sealed.clone()), codes, seed_name: "npm".into(), ..Ask::new(Operation::Code, timeout_ms) }
    }

    /// Starts a job of pairing `number`.
    pub fn start(&mut self, number: usize, ask: Ask) -> JobId {
        let (pairing, key) = self.pairing(number);
        let id = pairing.pairing_id;
        let exchange = Exchange::new(pairing, key, ask, self.ci_now());
        self.jobs.push(Job { pairing: id, exchange, conn: None, numbers: Vec::new(), events: Vec::new(), end: None, ended_at: 0 });
        self.jobs.len() - 1
    }

    /// Runs `action` at `mono`.
    pub fn at(&mut self, mono: u64, action: impl FnOnce(&mut Self) + 'static) {
        self.schedule(mono.saturating_sub(self.mono), Due::Test(Box::new(action)));
    }

    /// How a job ended, if it did.
    #[must_use]
    pub fn end(&self, job: JobId) -> Option<&End> {
        self.jobs[job].end.as_ref()
    }

    /// When a job ended, monotonic milliseconds; 0 if it did not.
    #[must_use]
    pub fn ended_at(&self, job: JobId) -> u64 {
        self.jobs[job].ended_at
    }

    /// What a job was told on its way.
    #[must_use]
    pub fn events(&self, job: JobId) -> &[Event] {
        &self.jobs[job].events
    }

    /// Codes that a job was given.
    #[must_use]
    pub fn codes(&self, job: JobId) -> Vec<(u64, String)> {
        match &self.jobs[job].end {
            // The tests compare codes.
            Some(Ok(Finished::Approved(approval))) => approval.codes.iter().map(|code| (code.0, code.1.expose().to_owned())).collect(),
            _ => Vec::new(),
        }
    }

    /// Interrupts a job.
    pub fn interrupt(&mut self, job: JobId) {
        self.jobs[job].exchange.cancel(CancelReason::Interrupted);
    }

    /// The relay's process dies and starts anew: every connection and everything in memory is gone.
    pub fn restart_relay(&mut self) {
        self.switch = Switch::new(std::slice::from_ref(&self.url), Limits::default());
        let conns: Vec<ConnId> = self.owners.keys().copied().collect();
        for conn in conns {
            self.lose(conn);
        }
    }

    /// The phone's process is killed and starts anew from its disk.
    pub fn restart_phone(&mut self) {
        self.phone = Phone::open(device(), &self.disk.saved, self.now().unix).unwrap();
        match self.phone_conn {
            Some(conn) => self.lose(conn),
            None => self.schedule(10, Due::PhoneConnects),
        }
    }

    /// Cuts the phone's connection; it comes back while `phone_up`.
    pub fn cut_phone(&mut self) {
        if let Some(conn) = self.phone_conn {
            self.lose(conn);
        }
    }

    /// A connection of somebody who is neither a job nor the phone.
    pub fn stranger(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn - 1)
    }

    /// Connects a stranger; gives the nonce of its HELLO.
    pub fn knock(&mut self, stranger: ConnId) -> [u8; 32] {
        let now = self.now();
        self.switch.connected(stranger, IP, now, &mut self.rng);
        match self.answers(stranger).first().map(|frame| Frame::parse(frame)) {
            Some(Ok(Frame::Hello { nonce, .. })) => nonce,
            other => panic!("no HELLO but {other:?}"),
        }
    }

    /// Sends a stranger's frame; gives what the relay answers to it.
    pub fn say(&mut self, stranger: ConnId, frame: &[u8]) -> Vec<Vec<u8>> {
        let now = self.now();
        self.switch.frame(stranger, frame, now);
        self.answers(stranger)
    }

    fn answers(&mut self, stranger: ConnId) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        while let Some(output) = self.switch.poll_output() {
            match output {
                SwitchOutput::Send { conn, bytes } if conn == stranger => answers.push(bytes),
                other => self.switch_output(other),
            }
        }
        answers
    }

    /// Review only: one more pairing.
    pub fn add(&mut self, name: &str) {
        let (now, url) = (self.now(), self.url.clone());
        let made = pair(&mut self.phone, name, &url, &mut Context { now, rng: &mut self.rng, store: &mut self.disk });
        self.pairings.push(made);
    }

    /// Review only: whole approval.
    pub fn finished(&self, job: JobId) -> Option<countersign_core::ci::Approval> {
        match &self.jobs[job].end {
            Some(Ok(Finished::Approved(a))) => Some(a.clone()),
            _ => None,
        }
    }

    /// Takes a pairing back on the phone.
    pub fn revoke(&mut self, pairing: &PairingId) {
        let now = self.now();
        self.phone.revoke(pairing, &mut Context { now, rng: &mut self.rng, store: &mut self.disk }).unwrap();
    }

    /// Allows or denies a pairing the use of a seed.
    pub fn allow(&mut self, pairing: &PairingId, seed: &[u8; 16], allowed: bool) {
        let now = self.now();
        self.phone.allow(pairing, seed, allowed, &mut Context { now, rng: &mut self.rng, store: &mut self.disk }).unwrap();
    }
}

fn pair(phone: &mut Phone, name: &str, url: &RelayUrl, ctx: &mut Context<'_>) -> (CiPairing, String) {
    let laptop = AwaitP1::make(name, url.clone(), &mut ctx.rng);
    let code = laptop.code().to_text().parse().unwrap();
    let (ours, p1) = AwaitP2::start(phone.device(), code, &mut ctx.rng).unwrap();
    let (laptop, p2) = laptop.receive(&p1, &mut ctx.rng).unwrap();
    let (ours, p3) = ours.receive(&p2, phone.device(), &phone.identity(), &mut ctx.rng).unwrap();
    let (laptop, p4) = laptop.receive(&p3).unwrap().check(&ours.digits()).unwrap();
    let paired = ours.receive(&p4).unwrap();
    let p5 = phone.add_pairing(paired, ctx).unwrap();
    let paired = laptop.receive(&p5).unwrap();
    (paired.pairing, paired.key.to_text().to_string())
}
