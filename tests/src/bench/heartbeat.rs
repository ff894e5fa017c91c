//! What it costs a relay to keep phones that do nothing: its pings, their pongs, its ticks.

use std::time::Duration;

use mio::Events;

use super::{
    ends::Phones,
    net::Net,
    server::Yard,
    usage::{self, Clock, Shares},
};

const TURN: Duration = Duration::from_millis(100);

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heartbeat {
    /// Phones that did nothing but answer.
    pub phones: usize,
    /// For how long.
    pub time: Duration,
    /// Pings they answered, all together.
    pub pings: u64,
    /// What it took.
    pub shares: Shares,
}

/// Connects `phones` phones and then watches for `time`.
pub(super) fn measure(yard: &Yard, phones: usize, time: Duration) -> Heartbeat {
    let server = yard.relay(false);
    let (mut net, mut events) = (Net::new(), Events::with_capacity(1024));
    let mut standing = Phones::new(&server.target);
    standing.grow(&mut net, &mut events, phones);
    usage::settled(server.pid(), std::thread::sleep);
    net.pings = 0;
    let clock = Clock::start(server.pid());
    while clock.elapsed() < time {
        net.turn(TURN, &mut events, &mut |net, id, event| {
            standing.handle(net, id, event);
        });
    }
    Heartbeat { phones, time: clock.elapsed(), pings: net.pings, shares: clock.shares() }
}
