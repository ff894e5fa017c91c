//! A phone's push subscription, on its way to the relay that seals it (docs/PROTOCOL.md §7.7).

/// Longest endpoint, in bytes: what fits into a ticket after sealing.
pub const MAX_ENDPOINT: usize = 640;
/// Longest sealed push address, in bytes: what is left of [`super::MAX_TICKET`].
pub const MAX_SEALED_PUSH: usize = super::MAX_TICKET - 161;

/// Where a phone is reached by Web Push (RFC 8030), and the keys of its messages (RFC 8291).
///
/// Whoever has it can wake the phone: `Debug` reveals nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// The phone's P-256 public key for push messages, uncompressed; 65 bytes.
    pub p256dh: [u8; 65],
    /// The authentication secret; 16 bytes.
    pub auth: [u8; 16],
    /// URL of the push service, 1 to [`MAX_ENDPOINT`] bytes; the relay decides whether it is one.
    pub endpoint: &'a [u8],
}

impl std::fmt::Debug for Subscription<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_reveals_nothing() {
        let subscription = Subscription { p256dh: [4; 65], auth: [9; 16], endpoint: b"https://push.example.org/secret" };
        assert_eq!(format!("{subscription:?}"), "Subscription(..)");
    }
}
