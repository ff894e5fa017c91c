//! IPv6: whoever has one address has a /64 of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    honest::Honest,
    metrics::{ADMIN, counts, wait_for},
    network::alone,
    raw::{Raw, Told, attacker},
    target::Target,
};

const PORT: u16 = 7700;
const MAX: usize = 8;

/// Address `host` of the /64 with this number, for documentation (RFC 3849). They differ in all of the lower half.
fn address(subnet: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, subnet, host, 0, 0, host + 1)
}

/// Connects from each of these; gives who got in, and what the others were told.
async fn flood(from: impl Iterator<Item = IpAddr>, to: SocketAddr) -> (Vec<Raw>, Vec<Told>) {
    let (mut inside, mut refused) = (Vec::new(), Vec::new());
    for from in from {
        match Raw::try_open(from, to).await {
            Ok(raw) => inside.push(raw),
            Err(told) => refused.push(told),
        }
    }
    (inside, refused)
}

#[test]
fn many_addresses_of_one_64() {
    alone(async |network| {
        const RELAY: u16 = 0xffff;
        const MANY: u16 = 60;
        const OTHERS: u16 = 24;
        network.add((0..MANY).map(|host| address(0, host)));
        network.add((1..=OTHERS).flat_map(|subnet| [address(subnet, 0), address(subnet, 1)]));
        network.add([address(RELAY, 1)]);
        let (listen, origin, admin) = (format!("listen=[::]:{PORT}"), format!("origin=ws://127.0.0.1:{PORT}"), format!("admin={ADMIN}"));
        let per_address = format!("max_connections_per_ip={MAX}");
        // Who is inside stays.
        let target = Target::tight(&["auth_timeout=60000", &per_address, &listen, &origin, &admin], 200);
        let to = SocketAddr::from((address(RELAY, 1), PORT));
        let mut honest = Honest::start(&target.url).await;

        // One connection from each address of a /64: together they have as many as one address.
        let (mut inside, refused) = flood((0..MANY).map(|host| address(0, host).into()), to).await;
        assert_eq!((inside.len(), refused.len()), (MAX, usize::from(MANY) - MAX));
        // Closed at once, without a word.
        assert!(refused.iter().all(|told| *told == Told::default()), "{refused:?}");
        assert_eq!(counts(["connections_refused_total{reason=\"address\"}"]).await, [refused.len() as u64]);
        honest.requests(2).await;

        // Others, whose addresses differ in one bit of the upper half, are counted apart.
        let others = (1..=OTHERS).flat_map(|subnet| [address(subnet, 0).into(), address(subnet, 1).into()]);
        let (others, refused) = flood(others, to).await;
        assert_eq!((others.len(), refused.len()), (2 * usize::from(OTHERS), 0));

        // IPv4 addresses are not one /64, although that is what they look like to a socket of both kinds.
        let to_v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        for n in [1, 2] {
            let (here, refused) = flood((0..=MAX).map(|_| attacker(n).into()), to_v4).await;
            assert_eq!((here.len(), refused.len()), (MAX, 1));
        }
        honest.requests(2).await;

        // A place that is given up is there for any address of the /64.
        inside.pop();
        wait_for(["connections"], [(1 + inside.len() + others.len()) as u64], &mut honest).await;
        let (again, refused) = flood([address(0, MANY - 1), address(0, 0)].map(IpAddr::from).into_iter(), to).await;
        assert_eq!((again.len(), refused.len()), (1, 1));
        target.check_memory();
    });
}
