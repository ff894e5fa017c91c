//! Pairing this machine with a phone: the shell around the laptop's typestates (docs/PROTOCOL.md §6).

use std::{future::Future, io, time::Duration};

use countersign_core::{
    pairing::{AwaitP1, LaptopPaired, PAIRING_TTL_MS, PairingCode, PairingError},
    relay::{CloseReason, Frame, RelayUrl, Role},
};
use countersign_link::{Link, LinkError};
use rand_core::OsRng;
use tokio::time::timeout;

use crate::driver::chain;

/// The only circuit of the connection.
const CIRCUIT: u32 = 1;

/// What the human sees and types while pairing.
pub trait PairUi: Send {
    /// The relay is there: the phone may scan this code.
    fn show_code(&mut self, code: &PairingCode);
    /// Reads the six digits that the phone of this name shows.
    fn read_digits(&mut self, phone: &str) -> impl Future<Output = io::Result<String>> + Send;
}

/// Why a pairing attempt ended. Nothing was stored on this side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairFailure {
    /// No connection to the relay.
    #[error("{}", chain(.0))]
    Relay(LinkError),
    /// The connection was lost.
    #[error("the connection to the relay was lost: {}", chain(.0))]
    Lost(LinkError),
    /// The connection was lost after the digits were right: the phone may have stored the pairing.
    #[error("the connection was lost before the phone said that it stored the pairing")]
    LostAtTheEnd,
    /// Five minutes are over.
    #[error("nobody finished the pairing within five minutes")]
    TimedOut,
    /// Two others met with this code.
    #[error("this pairing code was used already")]
    Taken,
    /// The phone gave up.
    #[error("the phone ended the pairing")]
    PhoneLeft,
    /// Not the phone that scanned the code, or the wrong digits.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// The digits could not be read.
    #[error("no digits were typed: {0}")]
    Input(io::Error),
}

/// Pairs with whichever phone scans the code, under `name` (shown on the phone). Takes five minutes at most; dropping it ends the attempt.
///
/// # Errors
/// [`PairFailure`].
pub async fn pair(relay: &RelayUrl, name: &str, ui: &mut impl PairUi) -> Result<LaptopPaired, PairFailure> {
    let (link, _) = Link::connect(relay).await.map_err(PairFailure::Relay)?;
    let mut circuit = PairingCircuit { link };
    let attempt = timeout(Duration::from_millis(PAIRING_TTL_MS), talk(&mut circuit, relay, name, ui));
    let end = attempt.await.unwrap_or(Err(PairFailure::TimedOut));
    circuit.finish().await;
    end
}

async fn talk(circuit: &mut PairingCircuit, relay: &RelayUrl, name: &str, ui: &mut impl PairUi) -> Result<LaptopPaired, PairFailure> {
    let p1 = AwaitP1::make(name, relay.clone(), &mut OsRng);
    let meet = Frame::Meet { circuit: CIRCUIT, role: Role::Laptop, rendezvous: p1.code().rendezvous };
    circuit.link.send(&meet.encode()).await.map_err(PairFailure::Lost)?;
    ui.show_code(p1.code());
    let (p3, p2) = p1.receive(&circuit.receive().await?, &mut OsRng)?;
    circuit.send(&p2).await?;
    let digits = p3.receive(&circuit.receive().await?)?;
    let phone = digits.phone_name().to_owned();
    // The phone sends nothing now; if it leaves, there is no use in typing.
    let typed = tokio::select! {
        typed = ui.read_digits(&phone) => typed.map_err(PairFailure::Input)?,
        message = circuit.receive() => return Err(message.map_or_else(|failure| failure, |_| PairingError::Peer.into())),
    };
    let (p5, p4) = digits.check(&typed)?;
    circuit.send(&p4).await?;
    let p5_bytes = circuit.receive().await.map_err(|failure| match failure {
        PairFailure::Lost(_) | PairFailure::PhoneLeft => PairFailure::LostAtTheEnd,
        other => other,
    })?;
    Ok(p5.receive(&p5_bytes)?)
}

/// The circuit between the two ends.
struct PairingCircuit {
    link: Link,
}

impl PairingCircuit {
    async fn send(&mut self, tail: &[u8]) -> Result<(), PairFailure> {
        self.link.send(&Frame::Data { circuit: CIRCUIT, tail }.encode()).await.map_err(PairFailure::Lost)
    }

    /// Waits for the next message of the phone. Cancel-safe.
    async fn receive(&mut self) -> Result<Vec<u8>, PairFailure> {
        loop {
            let frame = self.link.recv().await.map_err(PairFailure::Lost)?;
            match Frame::parse(&frame) {
                Ok(Frame::Data { circuit: CIRCUIT, tail }) => return Ok(tail.to_vec()),
                Ok(Frame::Close { circuit: CIRCUIT, reason }) => {
                    return Err(match reason {
                        CloseReason::RendezvousTaken => PairFailure::Taken,
                        CloseReason::Timeout => PairFailure::TimedOut,
                        _ => PairFailure::PhoneLeft,
                    });
                }
                // MET needs no answer: the phone speaks first.
                _ => {}
            }
        }
    }

    async fn finish(mut self) {
        // The other side also notices the end of the connection.
        let _ = self.link.send(&Frame::Close { circuit: CIRCUIT, reason: CloseReason::Done }.encode()).await;
        self.link.close().await;
    }
}
