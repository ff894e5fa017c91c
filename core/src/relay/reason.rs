//! Codes of one byte: why a circuit or a connection ended, what came of a wake-up (docs/PROTOCOL.md §7.1, §7.7).

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $byte:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A code of a later version. A reason or error is then treated as final: nothing that is known to help can be tried.
            Other(u8),
        }

        impl From<u8> for $name {
            fn from(byte: u8) -> Self {
                match byte {
                    $($byte => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }

        impl From<$name> for u8 {
            fn from(code: $name) -> u8 {
                match code {
                    $($name::$variant => $byte,)*
                    $name::Other(byte) => byte,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Other(byte) => write!(f, "unknown code {byte}"),
                }
            }
        }
    };
}

codes! {
    /// Why a circuit was closed.
    CloseReason {
        /// Everything was said.
        Done = 0, "done";
        /// The connection of the other end is gone.
        PeerGone = 1, "the other end's connection is gone";
        /// The ticket is bad, expired, denied, or not this sender's.
        TicketRefused = 2, "the ticket was refused";
        /// A limit of the relay was reached: try later.
        Limit = 3, "a limit of the relay was reached";
        /// The phone could not authenticate the message, or had seen it before.
        Refused = 4, "the phone refused the message";
        /// The phone does not know the session to resume.
        SessionUnknown = 5, "the phone does not know this session";
        /// The phone could not do its work, e.g. not write to its storage.
        PhoneFailed = 6, "the phone failed";
        /// Waited too long.
        Timeout = 7, "waited too long";
        /// The rendezvous was used before.
        RendezvousTaken = 8, "the rendezvous was used before";
    }
}

codes! {
    /// Why the relay ends a connection.
    ErrorCode {
        /// A frame that the protocol does not allow.
        Malformed = 1, "the relay could not understand a frame";
        /// The signature of a PROVE is not valid for this mailbox, relay and nonce.
        BadProof = 2, "the relay did not accept the proof";
        /// A limit of the relay was reached: try later.
        Limit = 3, "a limit of the relay was reached";
        /// Neither PROVE, OPEN nor MEET came in time.
        AuthTimeout = 4, "the relay waited too long for a first request";
        /// The relay is being stopped: connect again.
        ShuttingDown = 5, "the relay is shutting down";
        /// The connection is too old: connect again.
        SessionOver = 6, "the relay ends connections of this age";
    }
}

codes! {
    /// What came of a wake-up.
    WakeResult {
        /// The push service took it.
        Sent = 0, "a wake-up was sent to the phone";
        /// The phone's push address is no longer good: the phone must register again and ci needs a new ticket.
        Gone = 1, "the phone's wake-up address is gone";
        /// The push service was not reached, or did not take it.
        Failed = 2, "no wake-up could be sent to the phone";
        /// The ticket was used for enough wake-ups in this hour.
        Limit = 3, "the phone was woken often enough in this hour";
    }
}

codes! {
    /// What the relay says to a phone that asks for its key or registers a push address.
    PushStatus {
        /// Here it is.
        Ok = 0, "the relay sends wake-ups";
        /// This relay sends no wake-ups.
        Off = 1, "this relay sends no wake-ups";
        /// The relay would not send to this address.
        Refused = 2, "the relay does not send wake-ups to this address: it takes https URLs of public push services, up to 640 bytes";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_goes_there_and_back() {
        for byte in 0..=255_u8 {
            assert_eq!(u8::from(CloseReason::from(byte)), byte);
            assert_eq!(u8::from(ErrorCode::from(byte)), byte);
            assert_eq!(u8::from(WakeResult::from(byte)), byte);
            assert_eq!(u8::from(PushStatus::from(byte)), byte);
        }
        assert_eq!(CloseReason::from(9), CloseReason::Other(9));
        assert_eq!(ErrorCode::from(0), ErrorCode::Other(0));
    }
}
