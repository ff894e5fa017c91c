//! What the relay itself counts.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{honest::Honest, raw::dial};

/// Only a hang takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Where a relay with `admin=127.0.0.1:9477` tells it. Only for tests with a network of their own: everybody else's is there, too.
pub(crate) const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9477);

/// Counts of one moment, by name and labels.
pub(crate) async fn counts<const COUNT: usize>(names: [&str; COUNT]) -> [u64; COUNT] {
    let mut stream = dial(Ipv4Addr::LOCALHOST, ADMIN).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    names.map(|name| {
        let start = format!("countersign_relay_{name} ");
        let count = page.lines().find_map(|line| line.strip_prefix(&start));
        count.unwrap_or_else(|| panic!("no {name} in:\n{page}")).parse().unwrap()
    })
}

/// Waits for what nobody is told of; meanwhile the honest phone is asked again and again.
pub(crate) async fn wait_for<const COUNT: usize>(names: [&str; COUNT], wanted: [u64; COUNT], honest: &mut Honest) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        honest.requests(1).await;
        let found = counts(names).await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{names:?} are {found:?}, not {wanted:?}");
    }
}
