//! Pairing with laptop and phone at different relays.

use countersign_core::relay::{CloseReason, Frame, Role};

use super::net::{At, Net};
use crate::limits::Limits;

const MET: Frame<'static> = Frame::Met { circuit: 1 };

fn close(reason: CloseReason) -> Frame<'static> {
    Frame::Close { circuit: 1, reason }
}

fn told(net: &mut Net, at: At) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| net.take(at)).collect()
}

#[test]
fn strangers_meet_across_relays() {
    for order in [[Role::Laptop, Role::Phone], [Role::Phone, Role::Laptop]] {
        for pause in [0, 5_000] {
            let mut net = Net::new(3, 1, Limits::default());
            let first = net.meet(0, order[0]);
            net.run(pause);
            let second = net.meet(1, order[1]);
            net.carry();
            net.expect(first, &[MET]);
            net.expect(second, &[MET]);
            net.send(first, &Frame::Data { circuit: 1, tail: b"p1" });
            net.send(second, &Frame::Data { circuit: 1, tail: b"p2" });
            net.carry();
            net.expect(second, &[Frame::Data { circuit: 1, tail: b"p1" }]);
            net.expect(first, &[Frame::Data { circuit: 1, tail: b"p2" }]);
            // Burnt, wherever the next one comes.
            for node in 0..3 {
                let third = net.meet(node, Role::Phone);
                net.carry();
                net.expect(third, &[close(CloseReason::RendezvousTaken)]);
            }
            net.disconnect(first);
            net.carry();
            net.expect(second, &[close(CloseReason::PeerGone)]);
            let fourth = net.meet(2, Role::Laptop);
            net.carry();
            net.expect(fourth, &[close(CloseReason::RendezvousTaken)]);
            net.check();
        }
    }
}

#[test]
fn of_two_in_the_same_role_the_first_stays() {
    let mut net = Net::new(3, 1, Limits::default());
    let first = net.meet(0, Role::Phone);
    net.run(1_000);
    let second = net.meet(1, Role::Phone);
    net.carry();
    net.expect(second, &[close(CloseReason::RendezvousTaken)]);
    let laptop = net.meet(2, Role::Laptop);
    net.carry();
    net.expect(laptop, &[MET]);
    net.expect(first, &[MET]);
}

#[test]
fn a_race_of_three_joins_two() {
    for seed in 0..50 {
        let mut net = Net::new(3, seed, Limits::default());
        let roles = [Role::Phone, Role::Laptop, Role::Phone];
        let ends = [0, 1, 2].map(|node| net.meet(node, roles[node]));
        net.run(5_000);
        let told = ends.map(|end| told(&mut net, end));
        assert_eq!(told[1], [MET.encode()]);
        let met = told.iter().filter(|told| **told == [MET.encode()]).count();
        let taken = told.iter().filter(|told| **told == [close(CloseReason::RendezvousTaken).encode()]).count();
        assert_eq!((met, taken), (2, 1), "seed {seed}");
        net.check();
    }
}

#[test]
fn one_that_is_withdrawn_is_free_again() {
    let mut net = Net::new(2, 1, Limits::default());
    let first = net.meet(0, Role::Phone);
    net.carry();
    net.disconnect(first);
    let laptop = net.meet(1, Role::Laptop);
    net.carry();
    net.expect(laptop, &[]);
    let again = net.meet(0, Role::Phone);
    net.carry();
    net.expect(laptop, &[MET]);
    net.expect(again, &[MET]);
}

#[test]
fn a_lost_message_leaves_nobody_waiting() {
    for lost in 1..40 {
        for length in [1, 4, 30] {
            let mut net = Net::new(2, 1, Limits::default());
            net.carried = 0;
            net.loses = Box::new(move |n, _, _| (lost..lost + length).contains(&n));
            let ends = [net.meet(0, Role::Laptop), net.meet(1, Role::Phone)];
            net.run(60_000);
            let told = ends.map(|end| told(&mut net, end));
            for told in &told {
                assert!(!told.is_empty(), "lost {lost}, {length}: {told:?}");
            }
            // Either both have a circuit, or neither.
            let closed = told.each_ref().map(|told| matches!(Frame::parse(told.last().unwrap()), Ok(Frame::Close { .. })));
            assert_eq!(closed[0], closed[1], "lost {lost}, {length}");
            net.check();
        }
    }
}

#[test]
fn without_nats_they_meet_later() {
    let mut net = Net::new(2, 1, Limits::default());
    net.down(0);
    let ends = [net.meet(0, Role::Laptop), net.meet(1, Role::Phone)];
    net.run(20_000);
    for end in ends {
        net.expect(end, &[]);
    }
    net.up(0);
    net.carry();
    for end in ends {
        net.expect(end, &[MET]);
    }
}
