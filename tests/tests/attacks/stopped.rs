//! A machine that stands still and goes on: the relay is stopped (SIGSTOP) for longer than any silence may last.

use std::time::Duration;

use countersign_core::relay::Frame;
use tokio::time::sleep;

use crate::{
    honest::{Honest, Keys},
    raw::{Raw, attacker},
    target::Target,
};

const TIMES: [&str; 2] = ["ping_interval=1000", "pong_timeout=3000"];
/// Longer than both together. Not to wait for anything: that this time passes is what is tested.
const STANDSTILL: Duration = Duration::from_secs(5);
const PHONES: u16 = 20;

#[tokio::test]
async fn who_has_answered_is_kept_and_who_has_not_is_cut() {
    let target = Target::tight(&TIMES, 100);
    let mut honest = Honest::start(&target.url).await;
    let origin = target.url.origin().to_owned();
    let mut phones = Vec::new();
    for n in 0..PHONES {
        let (keys, mut phone) = (Keys::make(), Raw::open(attacker(n), target.address()).await);
        assert!(phone.send(&keys.prove(&origin, &phone.nonce)).await);
        assert!(matches!(Frame::parse(&phone.recv().await), Ok(Frame::Proved { .. })));
        phones.push((keys, phone));
    }
    let silent = Raw::open(attacker(PHONES), target.address()).await;
    // Asked whether they are there, they answer a relay that no longer listens.
    let mut pings = Vec::new();
    for (_, phone) in &mut phones {
        pings.push(phone.ping().await);
    }
    target.running.signal("STOP");
    for ((_, phone), ping) in phones.iter_mut().zip(pings) {
        assert!(phone.pong(&ping).await);
    }
    sleep(STANDSTILL).await;
    target.running.signal("CONT");
    // The relay saw at one moment that it is too late for an answer, and that there is one.
    for (keys, phone) in &mut phones {
        assert!(phone.send(&keys.prove(&origin, &phone.nonce)).await);
        assert!(matches!(Frame::parse(&phone.recv().await), Ok(Frame::Proved { .. })));
    }
    assert_eq!(silent.told().await.error, None);
    honest.requests(5).await;
    target.check_memory();
}
