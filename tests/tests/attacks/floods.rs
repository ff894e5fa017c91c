//! Too many connections.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use countersign_core::relay::ErrorCode;
use countersign_relay::limits::Limits;
use countersign_tests::process::program;

use crate::{
    honest::{Honest, Keys},
    raw::{Raw, Told, attacker, dial},
    target::Target,
};

/// A connection that has proven a mailbox of its own: anybody can.
async fn proven(from: Ipv4Addr, to: SocketAddr, origin: &str) -> Result<Raw, Told> {
    let mut raw = Raw::try_open(from, to).await?;
    if !raw.send(&Keys::make().prove(origin, &raw.nonce)).await {
        return Err(raw.told().await);
    }
    raw.recv().await;
    Ok(raw)
}

#[tokio::test]
async fn from_one_address() {
    let limits = Limits::default().with_connections_per_ip(20);
    let target = Target::program(&["--max-connections-per-ip", "20"], &limits);
    let mut honest = Honest::start(&target.url).await;
    let (mut inside, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        match Raw::try_open(attacker(1), target.address()).await {
            Ok(raw) => inside.push(raw),
            Err(told) => refused.push(told),
        }
    }
    honest.requests(5).await;
    assert_eq!(inside.len(), 20);
    // Closed at once, without a word.
    assert!(refused.iter().all(|told| *told == Told::default()), "{refused:?}");
    // A place that is given up can be taken again, and connections that come and go cost the others nothing.
    drop(inside);
    for _ in 0..300 {
        drop(dial(attacker(1), target.address()).await);
    }
    honest.requests(5).await;
    target.check_memory();
}

#[tokio::test]
async fn from_many_addresses() {
    let mut limits = Limits::default().with_connections_per_ip(20);
    limits.max_connections = 60;
    let target = Target::program(&["--max-connections", "60", "--max-connections-per-ip", "20"], &limits);
    let mut honest = Honest::start(&target.url).await;
    let origin = target.url.origin().to_owned();
    let (mut inside, mut refused) = (Vec::new(), 0);
    for n in 0..90 {
        match proven(attacker(n % 5), target.address(), &origin).await {
            Ok(raw) => inside.push(raw),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0 && inside.len() >= 59, "the relay is not full: {}", inside.len());
    // It is, but not for others: who has most makes room.
    honest.requests(10).await;
    let mut told = Vec::new();
    for mut raw in inside {
        // Who is still there hears nothing, so it is asked.
        if raw.send(&[0x99]).await {
            told.push(raw.told().await.error);
        }
    }
    let cut = told.iter().filter(|error| **error == Some(ErrorCode::Limit)).count();
    let stayed = told.iter().filter(|error| **error == Some(ErrorCode::Malformed)).count();
    assert!(cut >= 1 && stayed >= 30, "{told:?}");
    honest.requests(1).await;
    target.check_memory();
}

#[tokio::test]
async fn from_a_few_addresses_that_had_everything_first() {
    let mut limits = Limits::default().with_connections_per_ip(20);
    limits.max_connections = 40;
    let target = Target::program(&["--max-connections", "40", "--max-connections-per-ip", "20"], &limits);
    let origin = target.url.origin().to_owned();
    let mut greedy = Vec::new();
    for n in 0..40 {
        greedy.push(proven(attacker(n % 2), target.address(), &origin).await.unwrap());
    }
    // More newcomers than any of them has connections: both give way, until everybody has about as many.
    let mut newcomers = Vec::new();
    for n in 2..37 {
        newcomers.push(proven(attacker(n), target.address(), &origin).await.unwrap());
    }
    for mut newcomer in newcomers {
        assert!(newcomer.send(&[0x99]).await);
        assert_eq!(newcomer.told().await.error, Some(ErrorCode::Malformed));
    }
    target.check_memory();
}

#[tokio::test]
async fn of_strangers() {
    let target = Target::tight(&["max_strangers=50"], 400);
    let mut honest = Honest::start(&target.url).await;
    let mut crowd = Vec::new();
    for n in 0..300 {
        // Half of them say nothing at all, half get as far as HELLO.
        if n % 2 == 0 {
            crowd.push(dial(attacker(n % 20), target.address()).await.unwrap());
        } else if let Ok(raw) = Raw::try_open(attacker(n % 20), target.address()).await {
            crowd.push(raw.stream);
        }
    }
    honest.requests(5).await;
    // The oldest of them have been cut.
    let mut byte = [0];
    for stream in &mut crowd[..100] {
        while tokio::io::AsyncReadExt::read(stream, &mut byte).await.is_ok_and(|length| length > 0) {}
    }
    target.check_memory();
}

#[tokio::test]
async fn until_there_are_no_more_files() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 80; exec \"$0\" --listen 127.0.0.1:0"]).arg(program("countersign-relay"));
    let limits = Limits::default().within_files(80);
    assert_eq!(limits.max_connections, 60);
    let target = Target::start(command, limits.memory_bound(false));
    let mut honest = Honest::start(&target.url).await;
    honest.requests_on_one_connection(1).await;
    let origin = target.url.origin().to_owned();
    let mut inside = Vec::new();
    for n in 0..120 {
        if let Ok(raw) = proven(attacker(n % 6), target.address(), &origin).await {
            inside.push(raw);
        }
    }
    assert!((40..120).contains(&inside.len()), "{}", inside.len());
    // Who is connected goes on, and who comes new gets in.
    honest.requests_on_one_connection(3).await;
    honest.requests(3).await;
    let said = target.running.err_so_far();
    assert!(!said.contains("not_accepting"), "it never ran out: {said}");
    drop(inside);
    honest.requests(3).await;
    target.check_memory();
}
