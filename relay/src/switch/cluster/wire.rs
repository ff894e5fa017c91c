//! Messages between the relays of a cluster (docs/PROTOCOL.md §7.9).

use countersign_core::relay::{CloseReason, MAX_FRAME, Mailbox, Rendezvous, Role, TicketId};

use super::NodeId;
use crate::limits::MAX_NODE_MESSAGE;

const VERSION: u8 = 1;
/// INCOMING and DATA without their tails.
const INCOMING: usize = 53;
const DATA: usize = 5;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) from: NodeId,
    /// Of the sender's clock.
    pub(super) stamp: u64,
    pub(super) body: Body<'a>,
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// I am here.
    Heartbeat,
    /// I am going.
    Bye,
    /// Who has this mailbox?
    Find { query: u64, mailbox: Mailbox },
    /// I have had it since `stamp`, or (0) have not.
    Answer { query: u64, mailbox: Mailbox, stamp: u64 },
    /// `holder` has had this mailbox since `stamp`.
    Up { mailbox: Mailbox, stamp: u64, holder: NodeId },
    /// Somebody waits here at a rendezvous, since `stamp`.
    Seek { rendezvous: Rendezvous, role: Role, stamp: u64 },
    /// The rendezvous that you seek since `stamp` is burnt, or was begun before.
    Taken { rendezvous: Rendezvous, stamp: u64 },
    /// How far the numbered messages of this link went, and which of yours are followed (0: none).
    Ping { epoch: u64, last: u64, follows: u64 },
    /// A numbered message about one circuit.
    Link { epoch: u64, number: u64, circuit: u64, what: Link<'a> },
}

/// A message about a circuit. The circuit's number is chosen by the relay that sends OPEN or JOIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link<'a> {
    /// ci's relay: an OPEN whose ticket and signature are good.
    Open {
        mailbox: Mailbox,
        ticket_id: TicketId,
        max_bytes: u32,
        opens_per_hour: u16,
        expires: u64,
        tail: &'a [u8],
    },
    /// The laptop's relay: the other end of this rendezvous is with me.
    Join {
        rendezvous: Rendezvous,
    },
    /// The answer to OPEN and JOIN: joined.
    Opened,
    /// The answer to OPEN and JOIN: not delivered, not here or not now.
    Away,
    Data {
        tail: &'a [u8],
    },
    Close {
        reason: CloseReason,
    },
}

impl<'a> Message<'a> {
    /// Reads a message; `None` if it is none, or of a version or kind that this relay does not know.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > MAX_NODE_MESSAGE {
            return None;
        }
        let mut rest = bytes;
        let [version, kind] = array(&mut rest)?;
        if version != VERSION {
            return None;
        }
        let from = NodeId(array(&mut rest)?);
        let stamp = number(&mut rest)?;
        let body = parse_body(kind, &mut rest)?;
        rest.is_empty().then_some(Self { from, stamp, body })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(self.body.length_hint()));
        out.bytes(&[VERSION, self.body.kind()]).bytes(&self.from.0).number(self.stamp);
        match self.body {
            Body::Heartbeat | Body::Bye => {}
            Body::Find { query, mailbox } => _ = out.number(query).bytes(mailbox.as_bytes()),
            Body::Answer { query, mailbox, stamp } => _ = out.number(query).bytes(mailbox.as_bytes()).number(stamp),
            Body::Up { mailbox, stamp, holder } => _ = out.bytes(mailbox.as_bytes()).number(stamp).bytes(&holder.0),
            Body::Seek { rendezvous, role, stamp } => {
                out.bytes(&rendezvous).bytes(&[u8::from(role == Role::Phone)]).number(stamp);
            }
            Body::Taken { rendezvous, stamp } => _ = out.bytes(&rendezvous).number(stamp),
            Body::Ping { epoch, last, follows } => _ = out.number(epoch).number(last).number(follows),
            Body::Link { epoch, number, circuit, what } => {
                out.number(epoch).number(number).number(circuit);
                match what {
                    Link::Open { mailbox, ticket_id, max_bytes, opens_per_hour, expires, tail } => {
                        out.bytes(mailbox.as_bytes()).bytes(&ticket_id).bytes(&max_bytes.to_be_bytes());
                        out.bytes(&opens_per_hour.to_be_bytes()).number(expires).bytes(tail);
                    }
                    Link::Join { rendezvous } => _ = out.bytes(&rendezvous),
                    Link::Opened | Link::Away => {}
                    Link::Data { tail } => _ = out.bytes(tail),
                    Link::Close { reason } => _ = out.bytes(&[reason.into()]),
                }
            }
        }
        out.0
    }
}

impl Body<'_> {
    fn kind(&self) -> u8 {
        match self {
            Self::Heartbeat => 0x01,
            Self::Bye => 0x02,
            Self::Find { .. } => 0x10,
            Self::Answer { .. } => 0x11,
            Self::Up { .. } => 0x12,
            Self::Seek { .. } => 0x20,
            Self::Taken { .. } => 0x21,
            Self::Ping { .. } => 0x30,
            Self::Link { what, .. } => match what {
                Link::Open { .. } => 0x40,
                Link::Join { .. } => 0x41,
                Link::Opened => 0x42,
                Link::Away => 0x43,
                Link::Data { .. } => 0x44,
                Link::Close { .. } => 0x45,
            },
        }
    }

    fn length_hint(&self) -> usize {
        128 + match self {
            Self::Link { what: Link::Open { tail, .. } | Link::Data { tail }, .. } => tail.len(),
            _ => 0,
        }
    }
}

fn parse_body<'a>(kind: u8, rest: &mut &'a [u8]) -> Option<Body<'a>> {
    Some(match kind {
        0x01 => Body::Heartbeat,
        0x02 => Body::Bye,
        0x10 => Body::Find { query: number(rest)?, mailbox: mailbox(rest)? },
        0x11 => Body::Answer { query: number(rest)?, mailbox: mailbox(rest)?, stamp: number(rest)? },
        0x12 => Body::Up { mailbox: mailbox(rest)?, stamp: number(rest)?, holder: NodeId(array(rest)?) },
        0x20 => {
            let rendezvous = array(rest)?;
            let role = match array(rest)? {
                [0] => Role::Laptop,
                [1] => Role::Phone,
                _ => return None,
            };
            Body::Seek { rendezvous, role, stamp: number(rest)? }
        }
        0x21 => Body::Taken { rendezvous: array(rest)?, stamp: number(rest)? },
        0x30 => Body::Ping { epoch: number(rest)?, last: number(rest)?, follows: number(rest)? },
        0x40..=0x45 => {
            let (epoch, place, circuit) = (number(rest)?, number(rest)?, number(rest)?);
            Body::Link { epoch, number: place, circuit, what: parse_link(kind, rest)? }
        }
        _ => return None,
    })
}

fn parse_link<'a>(kind: u8, rest: &mut &'a [u8]) -> Option<Link<'a>> {
    Some(match kind {
        0x40 => Link::Open {
            mailbox: mailbox(rest)?,
            ticket_id: array(rest)?,
            max_bytes: array(rest).map(u32::from_be_bytes)?,
            opens_per_hour: array(rest).map(u16::from_be_bytes)?,
            expires: number(rest)?,
            tail: tail(rest, MAX_FRAME - INCOMING)?,
        },
        0x41 => Link::Join { rendezvous: array(rest)? },
        0x42 => Link::Opened,
        0x43 => Link::Away,
        0x44 => Link::Data { tail: tail(rest, MAX_FRAME - DATA)? },
        0x45 => {
            let [reason] = array(rest)?;
            Link::Close { reason: reason.into() }
        }
        _ => return None,
    })
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (field, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*field)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    array(bytes).map(u64::from_be_bytes)
}

fn mailbox(bytes: &mut &[u8]) -> Option<Mailbox> {
    array(bytes).map(Mailbox::from_bytes)
}

/// All that is left, if a frame can hold it.
fn tail<'a>(bytes: &mut &'a [u8], max: usize) -> Option<&'a [u8]> {
    let tail = std::mem::take(bytes);
    (tail.len() <= max).then_some(tail)
}

struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies() -> Vec<Body<'static>> {
        let mailbox = Mailbox::from_bytes([5; 32]);
        let rendezvous = [6; 16];
        let link = |what| Body::Link { epoch: 1, number: 2, circuit: 3, what };
        let open = |tail| Link::Open { mailbox, ticket_id: [7; 16], max_bytes: 8, opens_per_hour: 9, expires: 10, tail };
        vec![
            Body::Heartbeat,
            Body::Bye,
            Body::Find { query: 1, mailbox },
            Body::Answer { query: 1, mailbox, stamp: 2 },
            Body::Up { mailbox, stamp: 3, holder: NodeId([4; 16]) },
            Body::Seek { rendezvous, role: Role::Laptop, stamp: 1 },
            Body::Seek { rendezvous, role: Role::Phone, stamp: 1 },
            Body::Taken { rendezvous, stamp: 1 },
            Body::Ping { epoch: 1, last: 2, follows: 3 },
            link(open(b"")),
            link(open(&[1; MAX_FRAME - INCOMING])),
            link(Link::Join { rendezvous }),
            link(Link::Opened),
            link(Link::Away),
            link(Link::Data { tail: &[2; MAX_FRAME - DATA] }),
            link(Link::Close { reason: CloseReason::PeerGone }),
        ]
    }

    #[test]
    fn every_message_goes_there_and_back_and_no_part_of_it_is_one() {
        for body in bodies() {
            let message = Message { from: NodeId([1; 16]), stamp: 2, body };
            let bytes = message.encode();
            assert!(bytes.len() <= MAX_NODE_MESSAGE);
            assert_eq!(Message::parse(&bytes), Some(message));
            let has_tail = matches!(body, Body::Link { what: Link::Open { .. } | Link::Data { .. }, .. });
            for length in 0..bytes.len().min(120) {
                assert!(has_tail || Message::parse(&bytes[..length]).is_none(), "{body:?} cut to {length}");
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(has_tail && bytes.len() < 1000 || Message::parse(&longer).is_none(), "{body:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_no_message() {
        let good = Message { from: NodeId([1; 16]), stamp: 2, body: Body::Heartbeat }.encode();
        for (at, value) in [(0, 0), (0, 2), (1, 0), (1, 0x46), (1, 0xff)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(Message::parse(&bad), None);
        }
        let seek = Body::Seek { rendezvous: [6; 16], role: Role::Phone, stamp: 1 };
        let mut bad = Message { from: NodeId([1; 16]), stamp: 2, body: seek }.encode();
        bad[42] = 2;
        assert_eq!(Message::parse(&bad), None);
    }
}
