//! Wake-ups: what an app brings, and a short connection of its own to ask a relay (docs/PROTOCOL.md §7.7).

use std::time::Duration;

use countersign_core::{
    keys::{DeviceRoot, PairingId, SigningKey},
    phone::PushAddress,
    relay::{Frame, MailboxProof, PushStatus, RelayUrl, Subscription, mailbox_address},
};
use countersign_link::LinkError;
use data_encoding::BASE64URL_NOPAD;
use rand_core::OsRng;
use tokio::time::timeout;

use crate::{
    AuthenticatorError,
    engine::Engine,
    net::{Dial, describe},
};

/// Longest wait for a relay's answer, once it is connected.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where push messages reach this phone.
///
/// Whoever has it can wake this phone: there is no `Debug`, and it belongs in no log.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
pub enum PushTarget {
    /// A subscription, as Web Push and UnifiedPush libraries give it.
    WebPush {
        /// URL of the push service.
        endpoint: String,
        /// The public key of its messages: 65 bytes, base64url.
        p256dh: String,
        /// Their authentication secret: 16 bytes, base64url.
        auth: String,
    },
    /// Apple's push service, for relays with a gateway to it; others refuse it.
    Apns {
        /// The device token, as the system gives it, hexadecimal.
        token: String,
    },
    /// Google's push service, for relays with a gateway to it; others refuse it.
    Fcm {
        /// The registration token.
        token: String,
    },
}

impl PushTarget {
    pub(crate) fn to_address(&self) -> Result<PushAddress, AuthenticatorError> {
        match self {
            Self::WebPush { endpoint, p256dh, auth } => {
                let decode = |text: &str| BASE64URL_NOPAD.decode(text.trim().trim_end_matches('=').as_bytes()).unwrap_or_default();
                let keys = (decode(p256dh).try_into(), decode(auth).try_into());
                let (Ok(p256dh), Ok(auth)) = keys else { return Err(countersign_core::phone::PhoneError::PushAddress.into()) };
                Ok(PushAddress { endpoint: endpoint.trim().to_owned(), p256dh, auth })
            }
            Self::Apns { token } => Ok(PushAddress::token("apns", token)),
            Self::Fcm { token } => Ok(PushAddress::token("fcm", token)),
        }
    }
}

/// What a relay answered to a PUSH.
struct Answer {
    status: PushStatus,
    key: [u8; 65],
    sealed: Vec<u8>,
}

/// The VAPID public key of a relay, base64url; nothing if it sends no wake-ups.
pub(crate) async fn key_of(dial: &Dial, relay: &str) -> Result<Option<String>, AuthenticatorError> {
    let relay: RelayUrl = relay.trim().parse().map_err(|error| AuthenticatorError::BadInput(format!("{error}")))?;
    // Any mailbox will do, and one of ours would be taken from the connection that stays.
    let nobody = DeviceRoot::make(&mut OsRng).derive_mailbox(&PairingId::default());
    let answer = ask(dial, &relay, &nobody, None).await;
    let answer = answer.map_err(|error| AuthenticatorError::TryAgain(format!("{relay}: {}; try again", describe(&error))))?;
    Ok(answer.filter(|answer| answer.status == PushStatus::Ok).map(|answer| BASE64URL_NOPAD.encode(&answer.key)))
}

/// Has the relay of a pairing that is being made seal this phone's push address, if there is one. Nothing if it does not: pairing works without.
pub(crate) async fn seal_for(engine: &Engine, relay: &RelayUrl, id: &PairingId) -> Vec<u8> {
    let (address, mailbox) = engine.look(|phone| (phone.wake_up(relay), phone.device().derive_mailbox(id)));
    let Some(address) = address else { return Vec::new() };
    let subscription = Subscription { p256dh: address.p256dh, auth: address.auth, endpoint: address.endpoint.as_bytes() };
    match ask(&engine.dial, relay, &mailbox, Some(subscription)).await {
        Ok(Some(answer)) if answer.status == PushStatus::Ok => answer.sealed,
        _ => Vec::new(),
    }
}

/// Asks on a connection of its own; nothing if the relay does not know PUSH.
async fn ask(dial: &Dial, relay: &RelayUrl, key: &SigningKey, subscription: Option<Subscription<'_>>) -> Result<Option<Answer>, LinkError> {
    let (mut link, hello) = dial(relay.clone()).await?;
    let signature = MailboxProof { origin: relay.origin(), nonce: &hello.nonce }.sign(key);
    link.send(&Frame::Prove { mailbox_public: key.public(), signature, deny: &[] }.encode()).await?;
    link.send(&Frame::Push { mailbox: mailbox_address(&key.public()), subscription }.encode()).await?;
    let answered = timeout(PATIENCE, async {
        loop {
            match Frame::parse(&link.recv().await?) {
                Ok(Frame::PushSealed { status, key, sealed, .. }) => return Ok(Some(Answer { status, key, sealed: sealed.to_vec() })),
                Ok(Frame::Error { .. }) => return Ok(None),
                _ => {}
            }
        }
    });
    let answer = answered.await.unwrap_or(Err(LinkError::Silent));
    link.close().await;
    answer
}
