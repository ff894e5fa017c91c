//! The circuit to the phone, and what the relay says of it.

use rand_core::{CryptoRng, RngCore};

use super::{Exchange, Output, Session};
use crate::{
    ci::{Event, Failure},
    relay::{Circuit, CloseReason, ErrorCode, Frame, Nonce, OpenProof, WakeResult},
    time::Now,
};

impl Exchange {
    pub(super) fn open(&mut self, nonce: &Nonce, tail: &[u8]) -> Circuit {
        let circuit = self.next_circuit;
        self.next_circuit = self.next_circuit.wrapping_add(1) & 0x7fff_ffff;
        let ticket = &self.pairing.ticket;
        let proof = OpenProof { origin: self.pairing.relay.origin(), nonce, circuit, ticket, tail };
        let signature = proof.sign(&self.key.root.derive_sender());
        self.outputs.push_back(Output::Send(Frame::Open { circuit, ticket, signature, tail }.encode()));
        circuit
    }

    pub(super) fn close(&mut self, circuit: Circuit) {
        self.outputs.push_back(Output::Send(Frame::Close { circuit, reason: CloseReason::Done }.encode()));
    }

    pub(super) fn phone_away(&mut self, of: Circuit, now: Now) {
        match &mut self.session {
            Session::AwaitAck { circuit, away, waited, .. } if *circuit == of && !*away => {
                *away = true;
                *waited = true;
            }
            Session::AwaitResult { circuit, .. } if *circuit == Some(of) => {}
            _ => return,
        }
        self.busy = false;
        self.relay_works(now);
        self.outputs.push_back(Output::Event(Event::PhoneAway));
    }

    /// What a relay of a later version says of it is no news.
    pub(super) fn woken(&mut self, of: Circuit, result: WakeResult) {
        let waits = match &self.session {
            Session::AwaitAck { circuit, away, .. } => *away && *circuit == of,
            Session::AwaitResult { circuit, .. } => *circuit == Some(of),
            _ => false,
        };
        if waits && !matches!(result, WakeResult::Other(_)) {
            self.outputs.push_back(Output::Event(Event::Woken(result)));
        }
    }

    pub(super) fn opened(&mut self, of: Circuit, now: Now) {
        match &mut self.session {
            Session::AwaitAck { circuit, away, since, .. } if *circuit == of => {
                *away = false;
                *since = now.mono;
            }
            Session::AwaitResult { circuit, .. } if *circuit == Some(of) => self.outputs.push_back(Output::Event(Event::Resumed)),
            _ => return,
        }
        self.relay_works(now);
    }

    /// The relay took an OPEN: only this shows that it is of use.
    fn relay_works(&mut self, now: Now) {
        self.last_up = now.mono;
        self.relay_error = None;
        self.backoff.reset();
    }

    pub(super) fn closed(&mut self, of: Circuit, reason: CloseReason, now: Now, rng: &mut (impl RngCore + CryptoRng)) {
        match &self.session {
            Session::AwaitAck { circuit, .. } | Session::AwaitTicket { circuit, .. } if *circuit == of => {}
            Session::AwaitResult { circuit, .. } if *circuit == Some(of) => {}
            _ => return,
        }
        let pause = now.mono.saturating_add(self.backoff.next_pause(rng));
        match (reason, std::mem::replace(&mut self.session, Session::Over)) {
            (CloseReason::TicketRefused, _) => self.fail(Failure::TicketRefused),
            (CloseReason::PhoneFailed, _) => self.fail(Failure::PhoneFailed),
            (CloseReason::Refused, _) => self.fail(Failure::Refused),
            (CloseReason::Other(_), _) => self.fail(Failure::Protocol),
            // The phone forgot the session without an approval: nothing was lost, a new request is due.
            (CloseReason::SessionUnknown, _) => self.session = Session::Fresh { not_before: pause },
            (reason, before) => {
                if reason == CloseReason::Limit {
                    self.relay_error = Some(ErrorCode::Limit);
                }
                self.session = match before {
                    Session::AwaitResult { asked, .. } => Session::AwaitResult { asked, circuit: None, not_before: pause },
                    _ => Session::Fresh { not_before: pause },
                };
            }
        }
    }
}
