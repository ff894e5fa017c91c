//! Handshakes of the suites and the transport after them.

use zeroize::Zeroizing;

use super::{ChannelError, resolver::Resolver};
use crate::{
    keys::{ChannelKey, ChannelPublic, PairingId, Secret32},
    labels,
};

/// Tag and key that Noise adds to a plaintext, at most: an ephemeral, an encrypted static and two tags.
const MAX_OVERHEAD: usize = 32 + 48 + 16;

/// Messages that a side may have written and then thrown away, because what they imply could not be saved.
pub(crate) const MAX_SKIPPED: u64 = 7;

/// Which handshake, and the byte that names it in the prologue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Suite 1: a request by a paired CI.
    Keyed,
    /// Pairing.
    Pairing,
}

impl Suite {
    /// The byte on the wire.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Keyed => 0x01,
            Self::Pairing => 0x10,
        }
    }

    const fn pattern(self) -> &'static str {
        match self {
            Self::Keyed => "Noise_KKpsk0_25519_ChaChaPoly_SHA256",
            Self::Pairing => "Noise_XKpsk3_25519_ChaChaPoly_SHA256",
        }
    }

    const fn psk_place(self) -> u8 {
        match self {
            Self::Keyed => 0,
            Self::Pairing => 3,
        }
    }
}

/// Who sends first, and the peer's static key where the pattern knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    /// Sends the first message; knows the peer.
    Initiator(ChannelPublic),
    /// Answers a peer it knows.
    Responder(ChannelPublic),
    /// Answers a peer whose static arrives in the handshake.
    OpenResponder,
}

/// A handshake under way.
pub(crate) struct Handshake(snow::HandshakeState);

impl Handshake {
    /// Begins a handshake with `ephemeral` as its one ephemeral secret.
    pub(crate) fn new(
        suite: Suite,
        side: Side,
        pairing: &PairingId,
        own: &ChannelKey,
        psk: &Secret32,
        ephemeral: Secret32,
    ) -> Result<Self, ChannelError> {
        let prologue = [labels::PROLOGUE.as_bytes(), &[0, suite.byte()], pairing].concat();
        let params = suite.pattern().parse().map_err(|_| ChannelError::Malformed)?;
        let build = || {
            let builder = snow::Builder::with_resolver(params, Box::new(Resolver::new(ephemeral)))
                .prologue(&prologue)?
                // snow copies the static secret into our wiping X25519 and the psk into its own state, see docs/THREAT_MODEL.md.
                .local_private_key(own.secret().expose())?
                .psk(suite.psk_place(), psk.expose())?;
            match &side {
                Side::Initiator(peer) => builder.remote_public_key(peer)?.build_initiator(),
                Side::Responder(peer) => builder.remote_public_key(peer)?.build_responder(),
                Side::OpenResponder => builder.build_responder(),
            }
        };
        build().map(Self).map_err(|_| ChannelError::Malformed)
    }

    /// The next message, carrying `payload`.
    pub(crate) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let mut message = vec![0; payload.len() + MAX_OVERHEAD];
        let length = self.0.write_message(payload, &mut message).map_err(|_| ChannelError::TooLong)?;
        message.truncate(length);
        Ok(message)
    }

    /// The payload of the peer's next message.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        let mut payload = Zeroizing::new(vec![0; message.len()]);
        let length = self.0.read_message(message, &mut payload).map_err(|_| ChannelError::Decrypt)?;
        payload.truncate(length);
        Ok(payload)
    }

    /// The peer's static key, once it is known.
    pub(crate) fn peer(&self) -> Option<ChannelPublic> {
        self.0.get_remote_static().and_then(|key| key.try_into().ok())
    }

    /// Ends the handshake; `None` in the hash never happens with SHA-256.
    pub(crate) fn finish(self) -> Result<Transport, ChannelError> {
        let hash = self.0.get_handshake_hash().try_into().map_err(|_| ChannelError::Malformed)?;
        let state = self.0.into_transport_mode().map_err(|_| ChannelError::Malformed)?;
        Ok(Transport { state, hash })
    }
}

/// The channel after its handshake. Messages must be read in the order they were written.
pub(crate) struct Transport {
    state: snow::TransportState,
    hash: [u8; 32],
}

impl Transport {
    /// The final handshake hash, 32 bytes.
    pub(crate) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Encrypts the next message.
    pub(crate) fn write(&mut self, plain: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let mut message = vec![0; plain.len() + 16];
        let length = self.state.write_message(plain, &mut message).map_err(|_| ChannelError::TooLong)?;
        message.truncate(length);
        Ok(message)
    }

    /// Decrypts the peer's next message; up to [`MAX_SKIPPED`] before it may never have left the peer. A failure changes nothing.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        let expected = self.state.receiving_nonce();
        for nonce in expected..=expected.saturating_add(MAX_SKIPPED) {
            self.state.set_receiving_nonce(nonce);
            let mut plain = Zeroizing::new(vec![0; message.len()]);
            if let Ok(length) = self.state.read_message(message, &mut plain) {
                plain.truncate(length);
                return Ok(plain);
            }
        }
        self.state.set_receiving_nonce(expected);
        Err(ChannelError::Decrypt)
    }
}
