//! The relay with other limits than the program has flags for: `tight-relay [NAME=NUMBER...] [cert=FILE key=FILE] [listen=ADDRESS
//! origin=URL] [admin=ADDRESS]`, times in milliseconds. Everything else is the program's: same library, same runtime, same allocator, same pages.
#![allow(clippy::print_stdout, clippy::panic, clippy::expect_used, reason = "a program of the tests")]

use countersign_relay::{Config, Relay, TlsFiles};
use countersign_tests::tight;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    countersign_relay::use_small_pages();
    let mut config = Config::default();
    let (mut cert, mut key) = (None, None);
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("cert", file)) => cert = Some(file.into()),
            Some(("key", file)) => key = Some(file.into()),
            Some(("listen", address)) => config.listen = address.parse().expect("an address"),
            Some(("origin", url)) => config.origins = vec![url.parse().expect("a relay URL")],
            Some(("admin", address)) => config.admin = Some(address.parse().expect("an address")),
            _ => assert!(tight::set(&mut config.limits, &argument), "tight-relay does not know {argument}"),
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
