//! Pairing over the network: MEET, the core's typestates, the six digits (docs/PROTOCOL.md §6).

use std::{sync::Arc, time::Duration};

use countersign_core::{
    keys::PairingId,
    pairing::{AwaitP2, PAIRING_TTL_MS, PairingCode, PairingCodeError, PhonePaired},
    phone::PhoneError,
    relay::{Circuit, CloseReason, Frame, Role},
};
use countersign_link::Link;
use rand_core::OsRng;
use tokio::time::timeout;

use crate::{AuthenticatorError, PairingUi, engine::Engine, net::describe, wake_up::seal_for};

/// The one circuit of this connection.
const CIRCUIT: Circuit = 1;

/// How long a laptop that shows a pairing code may take to come: it waits at the relay already.
pub(crate) const LAPTOP_PATIENCE: Duration = Duration::from_secs(20);
/// How long the last message may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// A pairing that both people have agreed to; nothing is stored yet.
pub(crate) struct Agreed {
    meeting: Meeting,
    paired: PhonePaired,
}

/// Whether this is the whole text of a pairing code, usable or not: for an app in which it may come in pieces.
#[must_use]
pub fn is_pairing_code(text: &str) -> bool {
    !matches!(text.parse::<PairingCode>(), Err(PairingCodeError::Prefix | PairingCodeError::Checksum))
}

/// Meets the laptop that shows `code`, up to the moment where its person has typed the digits. Dropped, it leaves nothing behind.
pub(crate) async fn agree(engine: &Engine, code: &str, ui: &dyn PairingUi) -> Result<Agreed, AuthenticatorError> {
    let code: PairingCode = code.trim().parse()?;
    if engine.look(|phone| phone.has_paired(&code.pairing_id())) {
        return Err(PhoneError::PairingUsed.into());
    }
    let agreed = timeout(Duration::from_millis(PAIRING_TTL_MS), attempt(engine, code, ui)).await;
    agreed.unwrap_or_else(|_| Err(ended("the pairing code has expired; nothing was stored")))
}

/// Stores the pairing and tells the laptop. To be run to its end: from the first step on it is stored.
pub(crate) async fn finish(engine: Arc<Engine>, agreed: Agreed) -> Result<PairingId, AuthenticatorError> {
    let Agreed { mut meeting, paired } = agreed;
    let id = paired.pairing_id;
    let p5 = engine.call(|phone, ctx| phone.add_pairing(paired, ctx))?;
    let told = timeout(GOODBYE, meeting.say(&p5)).await;
    meeting.link.close().await;
    match told {
        Ok(Ok(())) => Ok(id),
        _ => Err(AuthenticatorError::StartAgain(
            "the pairing is stored here, but the laptop may not know: if it reports a failure, revoke the pairing and pair again".into(),
        )),
    }
}

async fn attempt(engine: &Engine, code: PairingCode, ui: &dyn PairingUi) -> Result<Agreed, AuthenticatorError> {
    let (relay, rendezvous) = (code.relay.clone(), code.rendezvous);
    let push = seal_for(engine, &relay, &code.pairing_id()).await;
    let unreachable = |error| AuthenticatorError::TryAgain(format!("{relay}: {}. The pairing code is still good", describe(&error)));
    let (link, _) = (engine.dial)(relay.clone()).await.map_err(unreachable)?;
    let mut meeting = Meeting { link };
    meeting.send(&Frame::Meet { circuit: CIRCUIT, role: Role::Phone, rendezvous }).await?;
    timeout(LAPTOP_PATIENCE, meeting.met()).await.unwrap_or_else(|_| Err(nobody()))?;
    let (pairing, p1) = engine.look(|phone| AwaitP2::start(phone.device(), code, &mut OsRng))?;
    meeting.say(&p1).await?;
    let p2 = meeting.hear().await?;
    let pairing = pairing.with_push(push);
    let (pairing, p3) = engine.look(|phone| pairing.receive(&p2, phone.device(), &phone.identity(), &mut OsRng))?;
    meeting.say(&p3).await?;
    ui.show_digits(pairing.name().to_owned(), pairing.digits()).map_err(|_| ended("the app could not show the digits"))?;
    let p4 = meeting.hear().await?;
    Ok(Agreed { meeting, paired: pairing.receive(&p4)? })
}

fn nobody() -> AuthenticatorError {
    AuthenticatorError::TryAgain(
        "the laptop is not at the relay. If it still shows this code, scan it again; if not, start again there with: countersign pair"
            .into(),
    )
}

/// The two ends at one rendezvous.
struct Meeting {
    link: Link,
}

impl Meeting {
    async fn send(&mut self, frame: &Frame<'_>) -> Result<(), AuthenticatorError> {
        self.link.send(&frame.encode()).await.map_err(|error| ended(&describe(&error)))
    }

    async fn say(&mut self, message: &[u8]) -> Result<(), AuthenticatorError> {
        self.send(&Frame::Data { circuit: CIRCUIT, tail: message }).await
    }

    /// Waits for the laptop to come.
    async fn met(&mut self) -> Result<(), AuthenticatorError> {
        loop {
            let bytes = self.link.recv().await.map_err(|error| ended(&describe(&error)))?;
            match Frame::parse(&bytes) {
                Ok(Frame::Met { circuit: CIRCUIT }) => return Ok(()),
                Ok(frame) => refuse_end(&frame)?,
                Err(_) => return Err(ended("the relay sent something unreadable")),
            }
        }
    }

    /// The laptop's next message.
    async fn hear(&mut self) -> Result<Vec<u8>, AuthenticatorError> {
        loop {
            let bytes = self.link.recv().await.map_err(|error| ended(&describe(&error)))?;
            match Frame::parse(&bytes) {
                Ok(Frame::Data { circuit: CIRCUIT, tail }) => return Ok(tail.to_vec()),
                Ok(frame) => refuse_end(&frame)?,
                Err(_) => return Err(ended("the relay sent something unreadable")),
            }
        }
    }
}

fn refuse_end(frame: &Frame<'_>) -> Result<(), AuthenticatorError> {
    match frame {
        Frame::Close { circuit: CIRCUIT, reason } => Err(ended(match reason {
            CloseReason::RendezvousTaken => "this pairing code was used before",
            CloseReason::Timeout => "the laptop did not come in time",
            _ => "the laptop ended the pairing: its digits were wrong, or it was interrupted; nothing was stored",
        })),
        Frame::Error { code } => Err(ended(&code.to_string())),
        _ => Ok(()),
    }
}

fn ended(why: &str) -> AuthenticatorError {
    AuthenticatorError::StartAgain(format!("{why}. Start again with a new pairing code (countersign pair)"))
}
