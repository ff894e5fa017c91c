//! What comes in on a connection: TLS, then HTTP, then WebSocket messages for the switch.

use rand_core::OsRng;

use super::{
    Engine,
    conn::{Gone, Phase},
    find,
};
use crate::{
    limits::{FRAME_PRICE, PROOF_PRICE},
    switch::{self, ConnId},
    websocket::{self, Answer, Decoder, Item},
};

impl Engine {
    /// Takes in bytes from a socket.
    pub(super) fn input(&mut self, id: ConnId, bytes: &mut [u8]) {
        let Some(conn) = find(&mut self.conns, id) else { return };
        conn.heard = true;
        if !conn.is_tls() {
            return self.plain(id, bytes);
        }
        let mut plain = std::mem::take(&mut self.buffers.plain);
        plain.clear();
        let decrypted = conn.decrypt(bytes, &mut plain, &mut self.buffers.scratch);
        if !plain.is_empty() {
            self.plain(id, &mut plain);
        }
        self.buffers.plain = plain;
        if let Err(Gone) = decrypted {
            self.gone(id);
        }
    }

    fn plain(&mut self, id: ConnId, bytes: &mut [u8]) {
        let Some(conn) = find(&mut self.conns, id) else { return };
        match &mut conn.phase {
            Phase::Closing => {}
            Phase::Open(_) => self.frames(id, bytes),
            Phase::Head(head) if head.is_empty() => self.head(id, bytes, 0),
            Phase::Head(head) => {
                let mut head = std::mem::take(head);
                let known = head.len();
                head.extend_from_slice(bytes);
                self.head(id, &mut head, known);
            }
        }
    }

    /// The head of the request, as far as it has come; it was looked at when there were `known` bytes.
    fn head(&mut self, id: ConnId, bytes: &mut [u8], known: usize) {
        let Some(conn) = find(&mut self.conns, id) else { return };
        match websocket::answer(bytes, known, self.limits.max_head) {
            Answer::More => conn.phase = Phase::Head(bytes.to_vec()),
            Answer::Refuse(text) => {
                let _ = conn.send_raw(text, &mut self.buffers.scratch);
                self.close(id);
            }
            Answer::Upgrade { response, taken, .. } => {
                conn.phase = Phase::Open(Decoder::default());
                // Together with HELLO.
                if conn.hold_back(&response, &mut self.buffers.scratch).is_err() {
                    return self.gone(id);
                }
                let (ip, now) = (conn.network.address(), self.now());
                self.deadlines.ping.begin(id, now.mono);
                self.switch.connected(id, ip, now, &mut OsRng);
                self.dispatch();
                if find(&mut self.conns, id).is_some_and(|conn| conn.flush().is_err()) {
                    return self.gone(id);
                }
                self.plain(id, bytes.get_mut(taken..).unwrap_or_default());
            }
        }
    }

    /// WebSocket frames.
    fn frames(&mut self, id: ConnId, mut bytes: &mut [u8]) {
        let now = self.now();
        let mut work = 0;
        // RFC 6455 §5.5.3: who is asked more often than it answers may answer the last time only.
        let mut asked = None;
        loop {
            let Some(conn) = find(&mut self.conns, id) else { return };
            let Phase::Open(decoder) = &mut conn.phase else { return };
            let item = match decoder.next(&mut bytes) {
                Ok(None) => break,
                Ok(Some(item)) => item,
                Err(violation) => {
                    conn.close_code = violation.close_code();
                    self.switch.not_a_frame(id);
                    return self.dispatch();
                }
            };
            work += FRAME_PRICE;
            match item {
                Item::Message(message) => {
                    conn.message_since = None;
                    if switch::is_proof(&message) {
                        work += PROOF_PRICE;
                    }
                    self.switch.frame(id, &message, now);
                    self.dispatch();
                    self.greet(id);
                }
                Item::Ping(payload) => asked = Some(payload.into_owned()),
                Item::Pong | Item::Fragment => {}
                Item::Close(code) => {
                    conn.close_code = code.unwrap_or(conn.close_code);
                    self.close(id);
                    self.switch.disconnected(id);
                    return self.dispatch();
                }
            }
        }
        self.charge(id, work);
        let (Some(asked), Some(conn)) = (asked, find(&mut self.conns, id)) else { return };
        let sent = conn.send_raw(&websocket::pong(&asked), &mut self.buffers.scratch);
        if sent.is_err() || conn.unwritten() > self.limits.out_queue {
            self.gone(id);
        }
    }
}
