//! Wake-ups over real sockets, against a push service that misbehaves in every way.

use std::time::Duration;

use countersign_core::relay::{CloseReason, Frame, PushStatus, Subscription, Ticket, WakeResult};
use countersign_relay::{
    Config, PushConfig,
    limits::{Limits, MAX_WAKES_IN_FLIGHT_PER_IP},
};
use p256::{SecretKey, elliptic_curve::sec1::ToEncodedPoint as _};

use crate::{
    ends::{End, Running, mailbox, ticket},
    push_service::{Answer, PushService},
};

fn p256dh() -> [u8; 65] {
    SecretKey::from_slice(&[5; 32]).unwrap().public_key().to_encoded_point(false).as_bytes().try_into().unwrap()
}

/// Fast where a person would wait.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.wake_pause = Duration::from_millis(1);
    limits.wake_rest = Duration::ZERO;
    limits
}

struct World {
    relay: Running,
    ci: End,
    _keys: tempfile::TempDir,
    circuit: u32,
}

impl World {
    async fn new(limits: Limits, allow_private: bool) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let contact = "mailto:op@example.org".to_owned();
        let push = Some(PushConfig { keys: keys.path().join("push.toml"), contact, allow_private });
        let relay = Running::start(Config { push, limits, ..Config::default() }).await;
        let ci = relay.end().await;
        Self { relay, ci, _keys: keys, circuit: 0 }
    }

    /// A phone comes, has its push address sealed, and goes; gives the ticket that it would sign.
    async fn ticket(&mut self, endpoint: &str) -> Ticket {
        let mut phone = self.relay.phone(&[]).await;
        let subscription = Subscription { p256dh: p256dh(), auth: [9; 16], endpoint: endpoint.as_bytes() };
        phone.send(Frame::Push { mailbox: mailbox(), subscription: Some(subscription) }).await;
        let answer = phone.recv().await;
        let Ok(Frame::PushSealed { status: PushStatus::Ok, sealed, .. }) = Frame::parse(&answer) else { panic!("{endpoint} was refused") };
        // A circuit to it tells when the relay has noticed that the phone is gone.
        let circuit = self.next();
        self.ci.open(circuit, &ticket(), b"m1").await;
        self.ci.expect(Frame::Opened { circuit }).await;
        drop(phone);
        self.ci.expect(Frame::Close { circuit, reason: CloseReason::PeerGone }).await;
        Ticket { push: sealed.to_vec(), ..ticket() }
    }

    fn next(&mut self) -> u32 {
        self.circuit += 1;
        self.circuit
    }

    /// Opens, and gives what came of the wake-up.
    async fn wake(&mut self, ticket: &Ticket) -> WakeResult {
        let circuit = self.next();
        self.ci.open(circuit, ticket, b"m1").await;
        self.ci.expect(Frame::Waiting { circuit }).await;
        let answer = self.ci.recv().await;
        let Ok(Frame::Wake { circuit: of, result }) = Frame::parse(&answer) else { panic!("no WAKE") };
        assert_eq!(of, circuit);
        self.ci.send(Frame::Close { circuit, reason: CloseReason::Done }).await;
        result
    }
}

/// What comes of a wake-up to a service with these answers, and how often it was asked.
async fn woken(answers: &[Answer]) -> (WakeResult, usize) {
    let mut service = PushService::start(answers).await;
    let mut world = World::new(limits(), true).await;
    let ticket = world.ticket(&service.endpoint()).await;
    let result = world.wake(&ticket).await;
    (result, service.more())
}

#[tokio::test]
async fn a_push_message_is_sent_as_the_rfcs_say() {
    let mut service = PushService::start(&[Answer::Status(201, "Location: /m/1\r\n")]).await;
    let mut world = World::new(limits(), true).await;
    let ticket = world.ticket(&service.endpoint()).await;
    assert!(!ticket.push.windows(12).any(|window| window == b"secret-token"));
    assert_eq!(world.wake(&ticket).await, WakeResult::Sent);
    let got = service.received().await;
    assert!(got.head.starts_with("POST /send/secret-token?x=1 HTTP/1.1\r\n"), "{}", got.head);
    let expected = [
        ("host", service.address.to_string()),
        ("ttl", "150".to_owned()),
        ("urgency", "high".to_owned()),
        ("topic", "countersign".to_owned()),
        ("content-encoding", "aes128gcm".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(got.header(name), Some(value.as_str()), "{}", got.head);
    }
    assert!(got.header("authorization").unwrap().starts_with("vapid t=ey"));
    // Header (16 + 4 + 1 + 65), the content, the delimiter and the tag: the same length for everybody.
    assert_eq!(got.body.len(), 86 + 13 + 1 + 16);
    // The next one is encrypted anew.
    assert_eq!(world.wake(&ticket).await, WakeResult::Sent);
    assert_ne!(service.received().await.body, got.body);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_told_at_once() {
    for status in [404, 410] {
        assert_eq!(woken(&[Answer::Status(status, "")]).await, (WakeResult::Gone, 1));
    }
}

#[tokio::test]
async fn a_busy_service_is_asked_again_when_it_says() {
    let ok = Answer::Status(201, "");
    assert_eq!(woken(&[Answer::Status(429, "Retry-After: 0\r\n"), ok.clone()]).await, (WakeResult::Sent, 2));
    let past = Answer::Status(503, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    assert_eq!(woken(&[past, ok.clone()]).await, (WakeResult::Sent, 2));
    assert_eq!(woken(&[Answer::Status(500, ""), Answer::Status(502, "Retry-After: soon\r\n"), ok.clone()]).await, (WakeResult::Sent, 3));
    // Not for longer than a wake-up may take, and not for ever.
    for long in ["Retry-After: 3600\r\n", "Retry-After: 18446744073709551615\r\n", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n"] {
        assert_eq!(woken(&[Answer::Status(429, long), ok.clone()]).await, (WakeResult::Failed, 1));
    }
    assert_eq!(woken(&[Answer::Status(500, "")]).await, (WakeResult::Failed, 3));
    assert_eq!(woken(&[Answer::Status(500, ""), Answer::Status(410, "")]).await, (WakeResult::Gone, 2));
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    for status in [400, 401, 403, 413] {
        assert_eq!(woken(&[Answer::Status(status, "")]).await, (WakeResult::Failed, 1));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut elsewhere = PushService::start(&[Answer::Status(201, "")]).await;
    let location: &'static str = format!("Location: {}\r\n", elsewhere.endpoint()).leak();
    for status in [301, 302, 303, 307, 308] {
        assert_eq!(woken(&[Answer::Status(status, location)]).await, (WakeResult::Failed, 1));
    }
    assert_eq!(elsewhere.more(), 0);
}

#[tokio::test]
async fn a_service_that_never_answers_or_never_ends_is_given_up() {
    let mut service = PushService::start(&[Answer::Silence]).await;
    let mut limits = limits();
    limits.wake_attempt_timeout = Duration::from_millis(200);
    limits.wake_attempts = 2;
    let mut world = World::new(limits, true).await;
    let ticket = world.ticket(&service.endpoint()).await;
    assert_eq!(world.wake(&ticket).await, WakeResult::Failed);
    assert_eq!(service.more(), 2);
    assert_eq!(woken(&[Answer::Endless]).await, (WakeResult::Failed, 3));
    // Nobody listens there any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ticket = world.ticket(&format!("http://{closed}/")).await;
    assert_eq!(world.wake(&ticket).await, WakeResult::Failed);
}

#[tokio::test]
async fn only_so_many_are_sent_at_a_time() {
    let mut service = PushService::start(&[Answer::Silence]).await;
    let mut limits = limits();
    limits.max_wakes_in_flight = 1;
    let mut world = World::new(limits, true).await;
    let ticket = world.ticket(&service.endpoint()).await;
    let circuit = world.next();
    world.ci.open(circuit, &ticket, b"m1").await;
    world.ci.expect(Frame::Waiting { circuit }).await;
    service.received().await;
    assert_eq!(world.wake(&ticket).await, WakeResult::Failed);
    assert_eq!(service.more(), 0);
}

#[tokio::test]
async fn a_name_that_leads_inwards_is_not_connected_to() {
    let mut service = PushService::start(&[Answer::Status(201, "")]).await;
    let mut world = World::new(limits(), false).await;
    // The name says nothing; its address does, and only then.
    let ticket = world.ticket(&format!("https://localhost:{}/send", service.address.port())).await;
    assert_eq!(world.wake(&ticket).await, WakeResult::Failed);
    assert_eq!(service.more(), 0);
}

#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let service = PushService::start(&[Answer::Silence]).await;
    let mut limits = limits();
    limits.max_waiting_per_mailbox = 2 * MAX_WAKES_IN_FLIGHT_PER_IP;
    let mut world = World::new(limits, true).await;
    let ticket = world.ticket(&service.endpoint()).await;
    // Whoever has a mailbox makes tickets as they like.
    for n in 0..MAX_WAKES_IN_FLIGHT_PER_IP {
        let circuit = world.next();
        world.ci.open(circuit, &Ticket { ticket_id: [n as u8; 16], ..ticket.clone() }, b"m1").await;
        world.ci.expect(Frame::Waiting { circuit }).await;
    }
    assert_eq!(world.wake(&Ticket { ticket_id: [99; 16], ..ticket }).await, WakeResult::Limit);
}
