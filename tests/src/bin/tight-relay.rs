//! The relay with other limits than the program has flags for: `tight-relay [NAME=NUMBER...] [cert=FILE key=FILE] [listen=ADDRESS
//! origin=URL] [admin=ADDRESS]`, times in milliseconds. Everything else is the program's: same library, same runtime, same allocator.
#![allow(clippy::print_stdout, clippy::panic, clippy::expect_used, reason = "a program of the tests")]

use std::time::Duration;

use countersign_relay::{Config, Relay, TlsFiles, limits::Limits};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn set(limits: &mut Limits, name: &str, value: usize) {
    let time = Duration::from_millis(value as u64);
    match name {
        "handshake_timeout" => limits.handshake_timeout = time,
        "auth_timeout" => limits.auth_timeout = time,
        "message_timeout" => limits.message_timeout = time,
        "ping_interval" => limits.ping_interval = time,
        "pong_timeout" => limits.pong_timeout = time,
        "close_timeout" => limits.close_timeout = time,
        "max_connections" => limits.max_connections = value,
        "max_connections_per_ip" => limits.max_connections_per_ip = value,
        "max_strangers" => limits.max_strangers = value,
        "max_held" => limits.max_held = value,
        "max_waiting" => limits.max_waiting = value,
        "max_denied" => limits.max_denied = value,
        "max_open_rate_table" => limits.max_open_rate_table = value,
        "max_read_per_second_per_ip" => limits.max_read_per_second_per_ip = value,
        _ => panic!("tight-relay knows no {name}"),
    }
}

fn main() {
    let mut config = Config::default();
    let (mut cert, mut key) = (None, None);
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("cert", file)) => cert = Some(file.into()),
            Some(("key", file)) => key = Some(file.into()),
            Some(("listen", address)) => config.listen = address.parse().expect("an address"),
            Some(("origin", url)) => config.origins = vec![url.parse().expect("a relay URL")],
            Some(("admin", address)) => config.admin = Some(address.parse().expect("an address")),
            Some((name, value)) => set(&mut config.limits, name, value.parse().expect("a number")),
            None => panic!("{argument} is not NAME=NUMBER"),
        }
    }
    config.tls = cert.zip(key).map(|(cert, key)| TlsFiles { cert, key });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let relay = Relay::bind(config).await.expect("a free port");
        println!("listening on {}", relay.origin());
        relay.serve(std::future::pending()).await;
    });
}
