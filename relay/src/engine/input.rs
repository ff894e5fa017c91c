//! What comes in on a connection: TLS, then HTTP, then WebSocket messages for the switch.

use rand_core::OsRng;

use super::{
    Engine,
    conn::{Gone, Phase},
    find,
};
use crate::{
    limits::{FRAME_PRICE, PROOF_PRICE},
    proxy::{Proxied, parse_proxy_header},
    switch::{self, ConnId},
    websocket::{self, Answer, Decoder, Item, Message},
};

impl Engine {
    /// Takes in bytes from a socket.
    pub(super) fn input(&mut self, id: ConnId, bytes: &mut [u8]) {
        let Some(conn) = find(&mut self.conns, id) else { return };
        conn.heard = true;
        if let Phase::Proxied(header) = &mut conn.phase {
            let mut header = std::mem::take(header);
            header.extend_from_slice(bytes);
            return self.proxied(id, &mut header);
        }
        if !conn.is_tls() {
            return self.plain(id, bytes);
        }
        let mut plain = std::mem::take(&mut self.buffers.plain);
        plain.clear();
        let decrypted = conn.decrypt(bytes, &mut plain, &mut self.buffers.scratch);
        let stranger = conn.is_stranger();
        if !plain.is_empty() {
            if matches!(&conn.phase, Phase::Head(head) if head.is_empty()) {
                self.counters.tls_handshakes.add_one();
            }
            self.plain(id, &mut plain);
        }
        self.buffers.plain = plain;
        if let Err(Gone) = decrypted {
            if stranger {
                self.counters.handshakes_tls_failed.add_one();
            }
            // Not cut: an alert that says why may be on its way.
            self.close(id);
            self.switch.disconnected(id);
            self.dispatch();
        }
    }

    /// The header of the PROXY protocol, as far as it has come.
    fn proxied(&mut self, id: ConnId, bytes: &mut [u8]) {
        match parse_proxy_header(bytes) {
            Ok(None) => {
                if let Some(conn) = find(&mut self.conns, id) {
                    conn.phase = Phase::Proxied(bytes.to_vec());
                }
            }
            Ok(Some(Proxied { client, length })) => {
                let Some(conn) = find(&mut self.conns, id) else { return };
                conn.phase = Phase::Head(Vec::new());
                let client = client.unwrap_or(conn.peer);
                if !self.counts(id, client) {
                    return self.remove(id);
                }
                let rest = bytes.get_mut(length..).unwrap_or_default();
                if !rest.is_empty() {
                    self.input(id, rest);
                }
            }
            Err(_) => {
                self.counters.handshakes_websocket_failed.add_one();
                self.remove(id);
            }
        }
    }

    fn plain(&mut self, id: ConnId, bytes: &mut [u8]) {
        let Some(conn) = find(&mut self.conns, id) else { return };
        match &mut conn.phase {
            Phase::Proxied(_) | Phase::Closing => {}
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
                self.counters.handshakes_websocket_failed.add_one();
                let _ = conn.send_raw(text, &mut self.buffers.scratch);
                self.close(id);
            }
            Answer::Upgrade { response, taken, headers } => {
                // Lossy: a proxy adds the address to a line that its client began, with whatever bytes.
                let forwarded = headers.get_all("x-forwarded-for").iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
                let forwarded: Vec<_> = forwarded.collect();
                let client = self.proxies.client_of(conn.peer, forwarded.iter().map(AsRef::as_ref));
                if !self.counts(id, client) {
                    return self.remove(id);
                }
                let Some(conn) = find(&mut self.conns, id) else { return };
                conn.phase = Phase::Open(Decoder::default());
                // Together with HELLO.
                if conn.hold_back(&response, &mut self.buffers.scratch).is_err() {
                    return self.gone(id);
                }
                let (ip, now) = (conn.network.address(), self.now);
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

    /// Sends a message on to another connection, from where it lies.
    fn pass_on(&mut self, to: ConnId, message: &mut Message<'_>) {
        let Some(conn) = find(&mut self.conns, to) else { return };
        let sent = match message.reframe() {
            Some(frame) => conn.send_raw(frame, &mut self.buffers.scratch),
            None => conn.send(message, &mut self.buffers.scratch),
        };
        self.has_sent(to, sent);
        self.dispatch();
    }

    /// WebSocket frames.
    fn frames(&mut self, id: ConnId, mut bytes: &mut [u8]) {
        let now = self.now;
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
                Item::Message(mut message) => {
                    conn.message_since = None;
                    if let Some(to) = self.switch.forward(id, message.as_mut()) {
                        self.pass_on(to, &mut message);
                        continue;
                    }
                    if switch::is_proof(&message) {
                        work += PROOF_PRICE;
                    }
                    self.switch.frame(id, &message, now);
                    self.dispatch();
                    self.greet(id);
                }
                Item::Ping(payload) => asked = Some(payload),
                Item::Pong | Item::Fragment => {}
                Item::Close(code) => {
                    conn.close_code = code.unwrap_or(conn.close_code);
                    self.close(id);
                    self.switch.disconnected(id);
                    return self.dispatch();
                }
            }
        }
        self.work = self.work.saturating_add(work);
        let (Some(asked), Some(conn)) = (asked, find(&mut self.conns, id)) else { return };
        let sent = conn.send_raw(&websocket::pong(&asked), &mut self.buffers.scratch);
        let slow = conn.unwritten() > self.limits.out_queue;
        if slow {
            self.counters.slow_readers.add_one();
        }
        if sent.is_err() || slow {
            self.gone(id);
        }
    }
}
