//! What the phone says: M2 and M4.

use rand_core::{CryptoRng, RngCore};

use super::{Asked, Exchange, LONGEST_BUSY_PAUSE_MS, Output, Session};
use crate::{
    ci::{Approval, Event, Failure, Finished, session::Acked},
    relay::{Circuit, Frame},
    request::{AckState, CancelReason, Operation, PhoneMessage, RequestResult, Status},
    time::Now,
};

impl Exchange {
    pub(super) fn message(&mut self, of: Circuit, tail: &[u8], now: Now, rng: &mut (impl RngCore + CryptoRng)) {
        match std::mem::replace(&mut self.session, Session::Over) {
            Session::AwaitAck { state, circuit, waited, .. } if circuit == of => match state.receive(tail) {
                Ok((ack, acked)) => {
                    if self.goes_on(ack.state, ack.now, waited, circuit, now, rng) {
                        self.confirm(acked, ack.now, circuit, tail, now);
                    }
                    self.proceed(now, rng);
                }
                Err(_) => self.fail(Failure::Protocol),
            },
            Session::AwaitTicket { state, m2, circuit, since } if circuit == of && m2 == tail => {
                // As below.
                self.session = Session::AwaitTicket { state, m2, circuit, since };
            }
            Session::AwaitTicket { state, circuit, .. } if circuit == of => match state.receive(tail, &self.pairing) {
                Ok(ticket) => {
                    self.close(circuit);
                    self.finish(Ok(Finished::Ticket(ticket)));
                }
                Err(_) => self.fail(Failure::Protocol),
            },
            Session::AwaitResult { asked, circuit, not_before } if circuit == Some(of) && asked.m2 == tail => {
                // The relay delivered M2 twice.
                self.session = Session::AwaitResult { asked, circuit, not_before };
            }
            Session::AwaitResult { mut asked, circuit: Some(circuit), .. } if circuit == of => {
                match asked.state.receive(tail, &self.pairing) {
                    Ok(PhoneMessage::Result(result)) => self.answered(result, asked, circuit, now),
                    Ok(PhoneMessage::Cancel(CancelReason::Shutdown)) => {
                        // Nothing was approved: whoever starts the phone again is asked afresh.
                        self.close(circuit);
                        self.session = Session::Fresh { not_before: now.mono.saturating_add(self.backoff.next_pause(rng)) };
                    }
                    Ok(PhoneMessage::Cancel(_)) => self.fail(Failure::PhoneFailed),
                    Ok(PhoneMessage::Ticket(_)) | Err(_) => self.fail(Failure::Protocol),
                }
            }
            other => self.session = other,
        }
    }

    /// Whether M3 is due; if not, does what the Ack asks for instead.
    fn goes_on(
        &mut self,
        state: AckState,
        phone_now: u64,
        waited: bool,
        circuit: Circuit,
        now: Now,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> bool {
        self.busy = state == AckState::Busy;
        match state {
            AckState::Ok if self.ask.operation == Operation::Ping => {
                self.close(circuit);
                self.finish(Ok(Finished::Pong { phone_now }));
            }
            AckState::Ok => return true,
            AckState::Busy => {
                self.close(circuit);
                let jitter = rng.next_u64() % (self.busy_pause / 2);
                self.session = Session::Fresh { not_before: now.mono.saturating_add(self.busy_pause).saturating_add(jitter) };
                self.busy_pause = (self.busy_pause * 3 / 2).min(LONGEST_BUSY_PAUSE_MS);
                self.outputs.push_back(Output::Event(Event::PhoneBusy));
            }
            AckState::Clock if waited && !self.retried_clock => {
                self.retried_clock = true;
                self.close(circuit);
                self.session = Session::Fresh { not_before: 0 };
            }
            AckState::Clock => {
                let difference = i128::from(phone_now) - i128::from(now.unix);
                let difference = i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX });
                self.fail(Failure::Clock { difference });
            }
            AckState::UnknownSeed => self.fail(Failure::UnknownSeed),
            AckState::Policy => self.fail(Failure::Policy),
            AckState::Malformed => self.fail(Failure::Protocol),
        }
        false
    }

    fn confirm(&mut self, acked: Acked, phone_now: u64, circuit: Circuit, m2: &[u8], now: Now) {
        if self.ask.operation == Operation::Ticket {
            return match acked.renew(self.key.root.derive_sender().public()) {
                Ok((state, m3)) => {
                    self.outputs.push_back(Output::Send(Frame::Data { circuit, tail: &m3 }.encode()));
                    self.session = Session::AwaitTicket { state: Box::new(state), m2: m2.to_vec(), circuit, since: now.mono };
                }
                Err(_) => self.fail(Failure::Protocol),
            };
        }
        match acked.confirm(self.ask.enroll.clone()) {
            Ok((state, m3)) => {
                self.outputs.push_back(Output::Send(Frame::Data { circuit, tail: &m3 }.encode()));
                self.outputs.push_back(Output::Event(Event::Number(state.number().clone())));
                let phone_ms = phone_now.saturating_mul(1000);
                let asked = Box::new(Asked { state, m2: m2.to_vec(), m3, phone_ms, mono: now.mono });
                self.session = Session::AwaitResult { asked, circuit: Some(circuit), not_before: 0 };
            }
            Err(_) => self.fail(Failure::Protocol),
        }
    }

    fn answered(&mut self, result: RequestResult, asked: Box<Asked>, circuit: Circuit, now: Now) {
        let failure = match result.status {
            Status::Approved => {
                let approval = Approval::new(result, (asked.phone_ms, asked.mono), now.mono);
                let too_late = approval.codes.is_empty() && approval.sealed.is_empty();
                self.finish(if too_late { Err(Failure::TooLate) } else { Ok(Finished::Approved(approval)) });
                self.session = Session::Answered { asked, circuit };
                return;
            }
            Status::Denied => Failure::Denied { reason: result.reason },
            Status::Expired => Failure::TimedOut,
            Status::WrongNumber => Failure::WrongNumber,
            Status::Policy => Failure::Policy,
            Status::Busy => Failure::CodesAhead,
            Status::Failed => Failure::PhoneFailed,
        };
        self.close(circuit);
        self.fail(failure);
    }
}
