//! What goes over the wire to and from a relay (docs/PROTOCOL.md §7).
//!
//! [`Frame`] reads and writes frames, [`Ticket`] is the permission a phone gives to a sender, [`MailboxProof`] and [`OpenProof`] are
//! what the two of them sign, [`RelayUrl`] names a relay. The relay itself is the package `countersign-relay`, the connection to
//! one is `countersign-link`.

mod frame;
mod parse;
mod proof;
mod push;
mod reason;
mod ticket;
mod url;

pub use frame::{Circuit, DataFrame, Frame, FrameError, MAX_DENY, MAX_FRAME, Nonce, RELAY_CIRCUIT, Rendezvous, Role, TicketId, VERSION};
pub use proof::{MailboxProof, OpenProof};
pub use push::{MAX_ENDPOINT, MAX_SEALED_PUSH, Subscription};
pub use reason::{CloseReason, ErrorCode, PushStatus, WakeResult};
pub use ticket::{MAX_TICKET, Mailbox, Ticket, TicketError, mailbox_address, parse_ticket};
pub use url::{MAX_RELAY_URL, RelayUrl, RelayUrlError};
