//! What can go wrong on the way to a relay.

use std::io;

use countersign_core::relay::ErrorCode;

/// Why there is no connection to the relay, or no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No name, no route, nobody listens, or broken before the handshake was over.
    #[error("cannot reach the relay")]
    Unreachable(#[source] io::Error),
    /// The connection did not come about in `CONNECT_TIMEOUT`.
    #[error("the relay did not answer in time")]
    TimedOut,
    /// The certificate is not valid for this host, or TLS failed in another way.
    #[error("no secure connection to the relay")]
    Tls(#[source] io::Error),
    /// Something answers, but does not speak this protocol: mostly a mistyped URL.
    #[error("what answers at this address is not a Countersign relay: {0}")]
    NotARelay(String),
    /// What answers there has no relay to pass on to now, or takes nobody at the moment: a proxy whose relay is being restarted (5xx), or
    /// one that limits rates (429). Holds the HTTP status.
    #[error("the relay is not available now: its address answers {0}; try again in a moment")]
    Unavailable(u16),
    /// The relay speaks a version of the protocol that this program does not know.
    #[error("the relay speaks version {0} of the protocol and this program version 1: update the older one")]
    Version(u8),
    /// The relay refused the connection in its first frame.
    #[error("the relay refused the connection: {0}")]
    Refused(ErrorCode),
    /// The relay closed the connection.
    #[error("the relay closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection to the relay broke")]
    Broken(#[source] io::Error),
    /// Nothing was heard for `SILENCE`, or after a ping, or nothing could be sent for `SEND_TIMEOUT`.
    #[error("the relay fell silent")]
    Silent,
    /// A message is longer than `MAX_FRAME`.
    #[error("a message is longer than a relay takes")]
    TooBig,
}
