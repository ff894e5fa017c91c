//! Time goes by: what is due happens, and everybody does what follows from it.

use std::cmp::Reverse;

use countersign_core::{
    ci::{Event, Output},
    keys::PairingId,
    phone::{Context, Decision, PhoneOutput},
    relay::Frame,
    request::Outcome,
};
use countersign_relay::switch::{ConnId, Output as SwitchOutput};

use super::{Due, IP, World, unlock};
use crate::sim::{
    Leg, Mood,
    node::{Job, JobId},
};

impl World {
    /// Runs until every job ended or `mono` is reached, and then until the wire is quiet.
    pub fn run_until(&mut self, mono: u64) {
        loop {
            self.settle();
            let next_due = self.queue.peek().map(|Reverse((at, _))| *at);
            let timers = self.jobs.iter().filter(|job| job.end.is_none()).filter_map(|job| job.exchange.poll_timeout());
            let next = timers.chain(self.phone.poll_timeout()).chain(next_due).chain([self.mono + 1_000]).min().unwrap();
            let done = !self.jobs.is_empty() && self.jobs.iter().all(|job| job.end.is_some()) && next_due.is_none();
            if next > mono || done {
                return;
            }
            self.mono = next.max(self.mono);
            while let Some(Reverse((at, id))) = self.queue.peek().copied() {
                if at > self.mono {
                    break;
                }
                self.queue.pop();
                let due = self.due.remove(&id).unwrap();
                self.happen(due);
                self.settle();
            }
            self.tick();
        }
    }

    fn tick(&mut self) {
        let (now, ci_now) = (self.now(), self.ci_now());
        self.switch.tick(now);
        for job in self.jobs.iter_mut().filter(|job| job.end.is_none()) {
            job.exchange.tick(ci_now, &mut self.rng);
        }
        self.phone.tick(&mut Context { now, rng: &mut self.rng, store: &mut self.disk });
    }

    fn happen(&mut self, due: Due) {
        let (now, ci_now) = (self.now(), self.ci_now());
        match due {
            Due::ToRelay(conn, mut frame) => match self.switch.forward(conn, &mut frame) {
                Some(to) => self.switch_output(SwitchOutput::Send { conn: to, bytes: frame }),
                None => self.switch.frame(conn, &frame, now),
            },
            Due::FromRelay(conn, frame) => match self.owners.get(&conn) {
                Some(Some(job)) => {
                    let job = &mut self.jobs[*job];
                    match Frame::parse(&frame) {
                        Ok(Frame::Hello { nonce, .. }) => job.exchange.connected(nonce, ci_now, &mut self.rng),
                        _ => job.exchange.received(&frame, ci_now, &mut self.rng),
                    }
                }
                Some(None) if self.phone_conn == Some(conn) => match Frame::parse(&frame) {
                    Ok(Frame::Hello { nonce, .. }) => self.phone.connected(&self.url, &nonce),
                    _ => {
                        let mut ctx = Context { now, rng: &mut self.rng, store: &mut self.disk };
                        self.phone.received(&self.url, &frame, &mut ctx);
                    }
                },
                _ => {}
            },
            Due::PhoneConnects => self.connect_phone(),
            Due::Human => self.human_acts(),
            Due::Test(action) => action(self),
        }
    }

    /// Moves everything that is ready.
    pub(super) fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for job in 0..self.jobs.len() {
                while let Some(output) = self.jobs[job].exchange.poll_output() {
                    quiet = false;
                    self.job_output(job, output);
                }
            }
            while let Some(output) = self.phone.poll_output() {
                quiet = false;
                self.phone_output(output);
            }
            while let Some(output) = self.switch.poll_output() {
                quiet = false;
                self.switch_output(output);
            }
            if quiet {
                return;
            }
        }
    }

    fn job_output(&mut self, job: JobId, output: Output) {
        match output {
            Output::Connect => {
                if self.relay_up {
                    let conn = self.new_conn(Some(job));
                    self.jobs[job].conn = Some(conn);
                    let now = self.now();
                    self.switch.connected(conn, IP, now, &mut self.rng);
                } else {
                    let now = self.ci_now();
                    self.jobs[job].exchange.disconnected(false, now, &mut self.rng);
                }
            }
            Output::Send(frame) => {
                if let Some(conn) = self.jobs[job].conn {
                    self.travel(Leg::FromCi, conn, &frame);
                }
            }
            Output::Event(event) => {
                if let Event::Number(number) = &event {
                    self.jobs[job].numbers.push(number.clone());
                }
                self.jobs[job].events.push(event);
            }
            Output::Finished(end) => {
                if end.is_ok() {
                    self.jobs[job].exchange.report(Outcome::Used);
                }
                self.jobs[job].end = Some(end);
                self.jobs[job].ended_at = self.mono;
            }
            other => panic!("unknown output {other:?}"),
        }
    }

    fn phone_output(&mut self, output: PhoneOutput) {
        match output {
            PhoneOutput::Send { frame, .. } => {
                if let Some(conn) = self.phone_conn {
                    self.travel(Leg::FromPhone, conn, &frame);
                }
            }
            PhoneOutput::Event(countersign_core::phone::PhoneEvent::Asked(pairing)) => {
                let now = self.now();
                let pending = self.phone.pending(now).into_iter().find(|pending| pending.pairing_id == pairing).unwrap();
                self.human.prompts.push(pending.request_id);
                self.schedule(self.human.reaction, Due::Human);
            }
            _ => {}
        }
    }

    pub(super) fn switch_output(&mut self, output: SwitchOutput) {
        match output {
            SwitchOutput::Send { conn, bytes } => {
                let leg = if self.owners.get(&conn).is_some_and(Option::is_some) { Leg::ToCi } else { Leg::ToPhone };
                self.travel(leg, conn, &bytes);
            }
            SwitchOutput::Disconnect { conn } => self.lose(conn),
            // Its relays have no keys for it.
            SwitchOutput::Wake(_) => {}
            SwitchOutput::Publish { .. } => panic!("one relay has nobody to talk to"),
        }
    }

    fn travel(&mut self, leg: Leg, conn: ConnId, frame: &[u8]) {
        self.wire.push((leg, frame.to_vec()));
        for (delay, bytes) in self.adversary.act(leg, frame) {
            let due = match leg {
                Leg::FromCi | Leg::FromPhone => Due::ToRelay(conn, bytes),
                Leg::ToCi | Leg::ToPhone => Due::FromRelay(conn, bytes),
            };
            self.schedule(delay, due);
        }
    }

    /// A connection ends on both sides.
    pub(super) fn lose(&mut self, conn: ConnId) {
        self.switch.disconnected(conn);
        let (now, ci_now) = (self.now(), self.ci_now());
        match self.owners.remove(&conn) {
            Some(Some(job)) if self.jobs[job].conn == Some(conn) => {
                self.jobs[job].conn = None;
                self.jobs[job].exchange.disconnected(false, ci_now, &mut self.rng);
            }
            Some(None) if self.phone_conn == Some(conn) => {
                self.phone_conn = None;
                self.phone.disconnected(&self.url, &Context { now, rng: &mut self.rng, store: &mut self.disk });
                self.schedule(500, Due::PhoneConnects);
            }
            _ => {}
        }
    }

    fn connect_phone(&mut self) {
        if self.phone_conn.is_some() {
            return;
        }
        if !self.relay_up || !self.phone_up {
            return self.schedule(500, Due::PhoneConnects);
        }
        let conn = self.new_conn(None);
        self.phone_conn = Some(conn);
        let now = self.now();
        self.switch.connected(conn, IP, now, &mut self.rng);
    }

    /// The human looks at the phone and at the logs of the jobs they started.
    fn human_acts(&mut self) {
        let now = self.now();
        for pending in self.phone.pending(now) {
            let mut ctx = Context { now, rng: &mut self.rng, store: &mut self.disk };
            match self.human.mood {
                Mood::Ignore => {}
                Mood::Deny => self.phone.deny(&pending.request_id, "not now", &mut ctx).unwrap(),
                Mood::Mistype => {
                    let decision = Decision { number: "000000".into(), codes: None, grant: true };
                    assert!(self.phone.decide(&pending.request_id, &decision, &mut ctx).is_err());
                }
                Mood::Approve | Mood::ApproveWithoutGrant => {
                    let Some(number) = number_in_log(&self.jobs, &pending.pairing_id) else { continue };
                    let decision = Decision { number, codes: None, grant: self.human.mood == Mood::Approve };
                    // A disk that breaks at this moment leaves the request waiting; the run decides what comes of it.
                    let decided = self.phone.decide(&pending.request_id, &decision, &mut ctx);
                    if decided.and_then(|()| self.phone.approve(&pending.request_id, &unlock(), None, &mut ctx)).is_ok() {
                        self.human.approved_at.push(now.mono);
                    }
                }
            }
        }
    }

    pub(super) fn new_conn(&mut self, owner: Option<JobId>) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.owners.insert(conn, owner);
        conn
    }

    pub(super) fn schedule(&mut self, delay: u64, due: Due) {
        self.next_due += 1;
        self.queue.push(Reverse((self.mono + delay, self.next_due)));
        self.due.insert(self.next_due, due);
    }
}

/// The number that the latest live job of this pairing shows.
fn number_in_log(jobs: &[Job], id: &PairingId) -> Option<String> {
    let live = jobs.iter().rev().filter(|job| job.end.is_none() && job.pairing == *id);
    live.filter_map(|job| job.numbers.last()).next().map(|number| number.digits().to_owned())
}
