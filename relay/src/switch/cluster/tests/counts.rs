//! What operators are told of a cluster: OPENs and MEETs that concern two relays are counted at one of them, circuits at both.

use countersign_core::relay::{CloseReason, Frame, Role, Ticket};

use super::{
    super::super::{
        Stats,
        tests::{mailbox_key, ticket},
    },
    net::Net,
};
use crate::{limits::Limits, metrics::Snapshot};

fn counts<const NODES: usize>(net: &Net, count: impl Fn(&Stats) -> u64) -> [u64; NODES] {
    std::array::from_fn(|node| count(&net.nodes[node].switch.stats()))
}

/// How many OPENs waited, were delivered, wait now; at each relay.
fn opens(net: &Net) -> [[u64; 3]; 3] {
    [counts(net, |stats| stats.opens_waited), counts(net, |stats| stats.opens_delivered), counts(net, |stats| stats.waiting)]
}

/// What the page of metrics of a relay says.
#[track_caller]
fn tells(net: &Net, node: usize, line: &str) {
    let page = Snapshot { switch: net.nodes[node].switch.stats(), has_nats: true, ..Snapshot::default() }.encode();
    let line = format!("countersign_relay_{line}");
    assert!(page.lines().any(|other| other == line), "{line} is not in\n{page}");
}

#[test]
fn a_meeting_across_relays_is_one() {
    for order in [[Role::Laptop, Role::Phone], [Role::Phone, Role::Laptop]] {
        let mut net = Net::new(3, 1, Limits::default());
        let ends = [net.meet(0, order[0]), net.meet(1, order[1])];
        net.carry();
        for end in ends {
            net.expect(end, &[Frame::Met { circuit: 1 }]);
        }
        // At the laptop's relay. Each of both has its end of the circuit.
        let expected = if order[0] == Role::Laptop { [1, 0, 0] } else { [0, 1, 0] };
        assert_eq!(counts(&net, |stats| stats.meets_met), expected);
        net.send(ends[0], &Frame::Data { circuit: 1, tail: b"p1" });
        net.carry();
        for count in [|stats: &Stats| stats.circuits, |stats: &Stats| stats.rendezvous, |stats: &Stats| stats.frames_forwarded] {
            assert_eq!(counts(&net, count), [1, 1, 0]);
        }
        net.meet(2, Role::Phone);
        net.carry();
        tells(&net, 2, "meets_total{result=\"rendezvous_taken\"} 1");
        assert_eq!(counts(&net, |stats| stats.meets_met), expected);
    }
    let mut net = Net::new(3, 1, Limits::default());
    let _ = [net.meet(2, Role::Laptop), net.meet(2, Role::Phone)];
    net.carry();
    assert_eq!(counts(&net, |stats| stats.meets_met), [0, 0, 1]);
}

#[test]
fn a_meeting_that_the_other_relay_does_not_answer_is_told() {
    let mut net = Net::new(2, 1, Limits::default());
    let laptop = net.meet(0, Role::Laptop);
    net.carry();
    net.loses = Box::new(|_, from, _| from == 0);
    net.meet(1, Role::Phone);
    net.run(10_000);
    net.expect(laptop, &[Frame::Close { circuit: 1, reason: CloseReason::PeerGone }]);
    tells(&net, 0, "meets_total{result=\"peer_gone\"} 1");
    assert_eq!(counts(&net, |stats| stats.meets_met), [0, 0]);
}

#[test]
fn an_open_is_counted_where_it_waits_and_where_it_is_delivered() {
    let mut net = Net::new(3, 1, Limits::default());
    let ci = net.connect(1);
    net.open(ci, 1, &ticket(), &mailbox_key(1), b"m1");
    assert_eq!(opens(&net), [[0; 3], [0; 3], [0, 1, 0]], "the others are asked first");
    net.carry();
    assert_eq!(opens(&net), [[0, 1, 0], [0; 3], [0, 1, 0]]);
    // Asked for again and again, and still one.
    net.run(60_000);
    assert_eq!(opens(&net), [[0, 1, 0], [0; 3], [0, 1, 0]]);
    net.prove(2, 1);
    net.carry();
    assert_eq!(opens(&net), [[0, 1, 0], [0, 0, 1], [0; 3]]);
    // To a phone that is there, at another relay or its own, no OPEN waits.
    let own = net.connect(2);
    net.open(ci, 2, &ticket(), &mailbox_key(1), b"m1");
    net.open(own, 1, &ticket(), &mailbox_key(1), b"m1");
    net.carry();
    assert_eq!(opens(&net), [[0, 1, 0], [0, 0, 3], [0; 3]]);
    // What the phone's relay refuses is told and counted by the job's.
    net.open(ci, 3, &Ticket { max_bytes: 1, ..ticket() }, &mailbox_key(1), b"m1");
    net.carry();
    tells(&net, 1, "opens_total{result=\"limit\"} 1");
    tells(&net, 2, "opens_total{result=\"limit\"} 0");
    assert_eq!(counts(&net, |stats| stats.circuits_total), [0, 2, 3]);
}

#[test]
fn relays_are_counted_that_are_heard() {
    let mut net = Net::new(3, 1, Limits::default());
    tells(&net, 0, "nats_connected 1");
    tells(&net, 0, "nats_relays 2");
    net.down(0);
    net.run(10_000);
    tells(&net, 0, "nats_connected 0");
    tells(&net, 0, "nats_relays 0");
    tells(&net, 1, "nats_relays 1");
}
