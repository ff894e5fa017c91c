//! Whom the networks of `--trusted-proxy` trust.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};

use super::{super::options::Options, Findings};

pub(super) fn check_proxies(options: &Options, findings: &mut Findings) {
    let networks = options.trusted_proxy.as_deref().unwrap_or_default();
    if options.proxy_protocol == Some(true) && networks.is_empty() {
        findings.problem("the PROXY protocol is believed from trusted proxies alone: add --trusted-proxy CIDR");
    }
    for network in networks {
        if let Some(meant) = meant(network) {
            findings.problem(meant);
        }
    }
    let (v4, v6): (Vec<IpNet>, Vec<IpNet>) = networks.iter().map(IpNet::trunc).partition(|network| network.addr().is_ipv4());
    for (family, networks, share) in [("IPv4", &v4, share_of_v4(&v4)), ("IPv6", &v6, share_of_v6(&v6))] {
        if share >= 0.5 {
            let names: Vec<String> = networks.iter().map(ToString::to_string).collect();
            let (names, whom) = (names.join(" and "), if share < 1.0 { "at least half of all" } else { "all" });
            findings.warning(format!(
                "the trusted proxies {names} are {whom} {family} addresses, so clients can claim any address: name your proxies alone"
            ));
        }
    }
}

/// What to write in the place of a network that is not written as one.
fn meant(network: &IpNet) -> Option<String> {
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(96)
    {
        let v4 = IpNet::new(v4.into(), length).ok()?.trunc();
        return Some(format!("the trusted proxy {network} matches nobody, because IPv4 inside IPv6 counts as IPv4: write {v4}"));
    }
    if network.addr() == network.network() {
        return None;
    }
    let alone = IpNet::from(network.addr());
    Some(format!(
        "the trusted proxy {network} is an address inside a network: write {} for the whole network, or {alone} for the address alone",
        network.trunc()
    ))
}

/// How much of all addresses there are in these, which may overlap.
fn share_of_v4(networks: &Vec<IpNet>) -> f64 {
    IpNet::aggregate(networks).iter().map(|network| part(network.prefix_len())).sum()
}

/// The same of those that are given out to the world.
fn share_of_v6(networks: &Vec<IpNet>) -> f64 {
    /// 2000::/3.
    fn world() -> Ipv6Net {
        Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
    }
    let share = |network: &IpNet| match network {
        IpNet::V6(network) if network.contains(&world()) => 1.0,
        IpNet::V6(network) if world().contains(network) => part(network.prefix_len() - world().prefix_len()),
        _ => 0.0,
    };
    IpNet::aggregate(networks).iter().map(share).sum()
}

fn part(prefix_len: u8) -> f64 {
    0.5_f64.powi(prefix_len.into())
}
