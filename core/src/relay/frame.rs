//! Frames: a type byte, fixed-size fields and an opaque tail (docs/PROTOCOL.md §7.1).

use super::{CloseReason, ErrorCode, MAX_ENDPOINT, MAX_SEALED_PUSH, MAX_TICKET, Mailbox, PushStatus, Subscription, WakeResult, parse};
use crate::keys::{PublicKey, Signature};

/// Version of the relay protocol, in HELLO.
pub const VERSION: u8 = 1;
/// Longest frame, in bytes.
pub const MAX_FRAME: usize = 16_384;
/// Most ticket ids in a PROVE.
pub const MAX_DENY: usize = 256;
/// The bit that circuits numbered by the relay (INCOMING) have, and those numbered by an end (OPEN, MEET) have not.
pub const RELAY_CIRCUIT: Circuit = 0x8000_0000;

/// Names a circuit on one connection.
pub type Circuit = u32;
/// What the relay chose for one connection and both proofs sign; 32 random bytes.
pub type Nonce = [u8; 32];
/// Names a ticket; 16 bytes, random.
pub type TicketId = [u8; 16];
/// Where the two ends of a pairing meet; 16 bytes, random, used once.
pub type Rendezvous = [u8; 16];

/// Which end of a pairing MEETs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The end that shows the pairing code.
    Laptop,
    /// The end that scanned it.
    Phone,
}

/// One frame. Tails, tickets and deny lists are borrowed from the bytes they were parsed from: a relay that forwards a tail copies
/// it once and reads none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// relay->: the first frame of a connection.
    Hello {
        /// [`VERSION`]; others parse, so that an end can say what is wrong.
        version: u8,
        /// Signed by the proofs of this connection.
        nonce: Nonce,
        /// The relay's clock in Unix seconds. A hint; nothing relies on it.
        time: u64,
    },
    /// phone->: this connection answers for a mailbox.
    Prove {
        /// The mailbox key.
        mailbox_public: PublicKey,
        /// Made by [`super::MailboxProof`].
        signature: Signature,
        /// Tickets of this mailbox that are no longer good, at most [`MAX_DENY`]; replaces the list sent before.
        deny: &'a [TicketId],
    },
    /// ci->: opens a circuit to the mailbox of a ticket.
    Open {
        /// Chosen by ci, without [`RELAY_CIRCUIT`].
        circuit: Circuit,
        /// A signed ticket, at most [`MAX_TICKET`] bytes, unread.
        ticket: &'a [u8],
        /// Made by [`super::OpenProof`], zeros with a keyless ticket.
        signature: Signature,
        /// The first message.
        tail: &'a [u8],
    },
    /// both->: opens a circuit to whoever comes with the same rendezvous and the other role.
    Meet {
        /// Chosen by this end, without [`RELAY_CIRCUIT`].
        circuit: Circuit,
        /// Which end this is.
        role: Role,
        /// From the pairing code.
        rendezvous: Rendezvous,
    },
    /// phone->: seal my push address for this mailbox, or only tell the relay's key.
    Push {
        /// Proven on this connection.
        mailbox: Mailbox,
        /// What to seal; `None` asks for the key alone.
        subscription: Option<Subscription<'a>>,
    },
    /// relay->phone: the proof was accepted.
    Proved {
        /// Which mailbox.
        mailbox: Mailbox,
    },
    /// relay->phone: somebody opened a circuit.
    Incoming {
        /// Chosen by the relay, with [`RELAY_CIRCUIT`].
        circuit: Circuit,
        /// Which of the phone's mailboxes.
        mailbox: Mailbox,
        /// With which ticket.
        ticket_id: TicketId,
        /// The first message.
        tail: &'a [u8],
    },
    /// relay->ci: the phone has the first message.
    Opened {
        /// Which OPEN.
        circuit: Circuit,
    },
    /// relay->ci: the phone is away, the OPEN waits.
    Waiting {
        /// Which OPEN.
        circuit: Circuit,
    },
    /// relay->: the other end is here.
    Met {
        /// Which MEET.
        circuit: Circuit,
    },
    /// relay->phone: another connection proved this mailbox; its circuits here are over.
    Evicted {
        /// Which mailbox.
        mailbox: Mailbox,
    },
    /// relay->: the relay closes the connection.
    Error {
        /// Why.
        code: ErrorCode,
    },
    /// relay->ci: what came of waking the phone. The OPEN goes on waiting.
    Wake {
        /// Which OPEN.
        circuit: Circuit,
        /// What came of it.
        result: WakeResult,
    },
    /// relay->phone: the answer to a PUSH.
    PushSealed {
        /// For which mailbox.
        mailbox: Mailbox,
        /// What came of it.
        status: PushStatus,
        /// The relay's VAPID public key, zeros if it sends no wake-ups.
        key: [u8; 65],
        /// The sealed push address, at most [`MAX_SEALED_PUSH`] bytes; empty if nothing was sealed.
        sealed: &'a [u8],
    },
    /// any: a message.
    Data {
        /// On which circuit.
        circuit: Circuit,
        /// The message.
        tail: &'a [u8],
    },
    /// any: a circuit is over.
    Close {
        /// Which circuit.
        circuit: Circuit,
        /// Why.
        reason: CloseReason,
    },
}

/// The bytes are no frame. All of these are the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// No bytes, or an unknown first one.
    #[error("a frame of an unknown type")]
    Type,
    /// A field is cut short, a length is over its limit, or bytes are left over.
    #[error("a frame of the wrong length")]
    Length,
    /// A field has a value that does not exist.
    #[error("a frame with an impossible field")]
    Field,
}

impl<'a> Frame<'a> {
    /// Reads one whole frame.
    ///
    /// # Errors
    /// [`FrameError::Type`], [`FrameError::Length`] (also over [`MAX_FRAME`]), [`FrameError::Field`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let (&kind, mut rest) = bytes.split_first().ok_or(FrameError::Type)?;
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::Length);
        }
        match kind {
            0x01 | 0x10..=0x13 | 0x20..=0x28 | 0x30 | 0x31 => {}
            _ => return Err(FrameError::Type),
        }
        match kind {
            0x12 => parse_meet(&mut rest),
            0x13 => parse_push(&mut rest),
            _ => parse_fields(kind, &mut rest).ok_or(FrameError::Length),
        }
    }

    /// Writes the frame. Lengths are the caller's to keep: a frame over [`MAX_FRAME`] is written, and refused by every reader.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match *self {
            Self::Hello { version, nonce, time } => join(0x01, &[&[version], &nonce, &time.to_be_bytes()]),
            Self::Prove { ref mailbox_public, ref signature, deny } => {
                join(0x10, &[mailbox_public, signature, &length(deny.len()), deny.as_flattened()])
            }
            Self::Open { circuit, ticket, ref signature, tail } => {
                join(0x11, &[&circuit.to_be_bytes(), &length(ticket.len()), ticket, signature, tail])
            }
            Self::Meet { circuit, role, ref rendezvous } => {
                join(0x12, &[&circuit.to_be_bytes(), &[u8::from(role == Role::Phone)], rendezvous])
            }
            Self::Push { ref mailbox, subscription: None } => join(0x13, &[mailbox.as_bytes(), &[0]]),
            Self::Push { ref mailbox, subscription: Some(ref it) } => {
                join(0x13, &[mailbox.as_bytes(), &[1], &it.p256dh, &it.auth, &length(it.endpoint.len()), it.endpoint])
            }
            Self::Proved { ref mailbox } => join(0x20, &[mailbox.as_bytes()]),
            Self::Incoming { circuit, ref mailbox, ref ticket_id, tail } => {
                join(0x21, &[&circuit.to_be_bytes(), mailbox.as_bytes(), ticket_id, tail])
            }
            Self::Opened { circuit } => join(0x22, &[&circuit.to_be_bytes()]),
            Self::Waiting { circuit } => join(0x23, &[&circuit.to_be_bytes()]),
            Self::Met { circuit } => join(0x24, &[&circuit.to_be_bytes()]),
            Self::Evicted { ref mailbox } => join(0x25, &[mailbox.as_bytes()]),
            Self::Error { code } => join(0x26, &[&[code.into()]]),
            Self::Wake { circuit, result } => join(0x27, &[&circuit.to_be_bytes(), &[result.into()]]),
            Self::PushSealed { ref mailbox, status, ref key, sealed } => {
                join(0x28, &[mailbox.as_bytes(), &[status.into()], key, &length(sealed.len()), sealed])
            }
            Self::Data { circuit, tail } => join(0x30, &[&circuit.to_be_bytes(), tail]),
            Self::Close { circuit, reason } => join(0x31, &[&circuit.to_be_bytes(), &[reason.into()]]),
        }
    }
}

/// A DATA frame where it lies, to be given the number that the other end knows the circuit by: all that a relay does to it.
pub struct DataFrame<'a> {
    circuit: &'a mut [u8; size_of::<Circuit>()],
    tail: &'a [u8],
}

impl<'a> DataFrame<'a> {
    /// Looks at one frame; `None` if it is no DATA, or longer than [`MAX_FRAME`].
    #[must_use]
    pub fn parse(frame: &'a mut [u8]) -> Option<Self> {
        if frame.len() > MAX_FRAME {
            return None;
        }
        let (&mut 0x30, rest) = frame.split_first_mut()? else { return None };
        let (circuit, tail) = rest.split_first_chunk_mut()?;
        Some(Self { circuit, tail })
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        Circuit::from_be_bytes(*self.circuit)
    }

    /// What it carries.
    #[must_use]
    pub fn tail(&self) -> &[u8] {
        self.tail
    }

    /// Gives it another circuit.
    pub fn set_circuit(&mut self, circuit: Circuit) {
        *self.circuit = circuit.to_be_bytes();
    }
}

fn parse_fields<'a>(kind: u8, rest: &mut &'a [u8]) -> Option<Frame<'a>> {
    let frame = match kind {
        0x01 => Frame::Hello { version: parse::u8(rest)?, nonce: parse::array(rest)?, time: parse::u64(rest)? },
        0x10 => {
            let (mailbox_public, signature) = (parse::array(rest)?, parse::array(rest)?);
            let count = usize::from(parse::u16(rest)?);
            if count > MAX_DENY {
                return None;
            }
            let (deny, _) = parse::slice(rest, count * size_of::<TicketId>())?.as_chunks();
            Frame::Prove { mailbox_public, signature, deny }
        }
        0x11 => {
            let circuit = parse::u32(rest)?;
            let length = usize::from(parse::u16(rest)?);
            if length > MAX_TICKET {
                return None;
            }
            let (ticket, signature) = (parse::slice(rest, length)?, parse::array(rest)?);
            Frame::Open { circuit, ticket, signature, tail: tail(rest) }
        }
        0x20 => Frame::Proved { mailbox: Mailbox::from_bytes(parse::array(rest)?) },
        0x21 => Frame::Incoming {
            circuit: parse::u32(rest)?,
            mailbox: Mailbox::from_bytes(parse::array(rest)?),
            ticket_id: parse::array(rest)?,
            tail: tail(rest),
        },
        0x22 => Frame::Opened { circuit: parse::u32(rest)? },
        0x23 => Frame::Waiting { circuit: parse::u32(rest)? },
        0x24 => Frame::Met { circuit: parse::u32(rest)? },
        0x25 => Frame::Evicted { mailbox: Mailbox::from_bytes(parse::array(rest)?) },
        0x26 => Frame::Error { code: parse::u8(rest)?.into() },
        0x27 => Frame::Wake { circuit: parse::u32(rest)?, result: parse::u8(rest)?.into() },
        0x28 => {
            let mailbox = Mailbox::from_bytes(parse::array(rest)?);
            let (status, key) = (parse::u8(rest)?.into(), parse::array(rest)?);
            let length = usize::from(parse::u16(rest)?);
            if length > MAX_SEALED_PUSH {
                return None;
            }
            Frame::PushSealed { mailbox, status, key, sealed: parse::slice(rest, length)? }
        }
        0x30 => Frame::Data { circuit: parse::u32(rest)?, tail: tail(rest) },
        _ => Frame::Close { circuit: parse::u32(rest)?, reason: parse::u8(rest)?.into() },
    };
    parse::end(rest)?;
    Some(frame)
}

fn parse_meet<'a>(rest: &mut &[u8]) -> Result<Frame<'a>, FrameError> {
    let circuit = parse::u32(rest).ok_or(FrameError::Length)?;
    let role = parse::u8(rest).ok_or(FrameError::Length)?;
    let rendezvous = parse::array(rest).ok_or(FrameError::Length)?;
    parse::end(rest).ok_or(FrameError::Length)?;
    let role = match role {
        0 => Role::Laptop,
        1 => Role::Phone,
        _ => return Err(FrameError::Field),
    };
    Ok(Frame::Meet { circuit, role, rendezvous })
}

fn parse_push<'a>(rest: &mut &'a [u8]) -> Result<Frame<'a>, FrameError> {
    let mailbox = parse::array(rest).map(Mailbox::from_bytes).ok_or(FrameError::Length)?;
    let subscription = match parse::u8(rest).ok_or(FrameError::Length)? {
        0 => None,
        1 => Some(parse_subscription(rest).ok_or(FrameError::Length)?),
        _ => return Err(FrameError::Field),
    };
    parse::end(rest).ok_or(FrameError::Length)?;
    Ok(Frame::Push { mailbox, subscription })
}

fn parse_subscription<'a>(rest: &mut &'a [u8]) -> Option<Subscription<'a>> {
    let (p256dh, auth) = (parse::array(rest)?, parse::array(rest)?);
    let length = usize::from(parse::u16(rest)?);
    if length == 0 || length > MAX_ENDPOINT {
        return None;
    }
    Some(Subscription { p256dh, auth, endpoint: parse::slice(rest, length)? })
}

fn tail<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    std::mem::take(rest)
}

/// A u16 length. What does not fit is over the limit of its field anyway and refused by the reader.
fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn join(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    bytes.push(kind);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}
