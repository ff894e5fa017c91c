//! The phone: mailboxes, sessions, policy, decisions (docs/PROTOCOL.md §5.4).
//!
//! [`Phone`] is the whole engine without input or output. A shell keeps one relay connection for each of [`Phone::relays`], feeds frames and time in,
//! sends what [`Phone::poll_output`] says, and shows [`Phone::pending`] to the human. Whatever must be on disk before something leaves is saved
//! through [`Store`] inside the call, so that the order can't be got wrong.

mod backup;
mod decide;
mod enroll;
mod error;
mod link;
mod own;
mod receive;
mod session;
mod show;
mod state;
mod vault;
mod wake_up;

use std::collections::{BTreeMap, VecDeque};

use rand_core::CryptoRngCore;

pub use backup::{BackupError, Restored};
pub use error::PhoneError;
pub use session::Decision;
pub use show::{HistoryEntry, HistoryOutcome, PairingInfo, PendingRequest, SeedInfo, WakeUpState};
pub use state::MAX_HISTORY;
pub use vault::{Part, Parts};
pub use wake_up::PushAddress;

use crate::{
    keys::{DeviceRoot, PairingId},
    pairing::PhoneIdentity,
    relay::{Circuit, ErrorCode, Mailbox, PushStatus, RelayUrl},
    time::Now,
};

/// Where the sealed state goes, in [`Part`]s. Each write must be atomic: after a crash either the old or the new bytes are there, whole.
pub trait Store {
    /// Replaces what was saved before under this [`Part::name`], durably.
    ///
    /// # Errors
    /// [`NotSaved`] if the old bytes are still the ones a restart would find, or may be.
    fn save(&mut self, part: &str, sealed: &[u8]) -> Result<(), NotSaved>;
}

/// The state could not be saved; holds what to tell the human.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSaved(pub String);

/// What a call may use: the time, randomness, and the place where state is saved.
pub struct Context<'a> {
    /// The phone's clocks.
    pub now: Now,
    /// Cryptographic randomness.
    pub rng: &'a mut dyn CryptoRngCore,
    /// The phone's storage.
    pub store: &'a mut dyn Store,
}

/// What the shell is to do, in this order.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhoneOutput {
    /// Send a frame to a relay; dropped if there is no connection.
    Send {
        /// Which relay.
        relay: RelayUrl,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Something changed.
    Event(PhoneEvent),
}

/// Something worth showing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhoneEvent {
    /// A job asks; see [`Phone::pending`].
    Asked(PairingId),
    /// The connection to the job was lost; it may come back.
    JobAway(PairingId),
    /// The connection to the job is back.
    JobBack(PairingId),
    /// The job gave up, its request expired, or the phone ends.
    Withdrawn(PairingId),
    /// The job has got its answer and said what became of the code, or ended.
    Settled(PairingId),
    /// Another device proved a mailbox of this phone: the keys were copied, or two programs share one state. Told once for each connection, which stays
    /// deaf for that mailbox: whoever proves it next has it. A shell proves it again, on a new connection, only when its owner wants it.
    Evicted(RelayUrl),
    /// A relay complained and ends the connection.
    RelayError(RelayUrl, ErrorCode),
    /// A relay can wake this phone for a pairing now, once its ticket is renewed.
    WakeUpRegistered(PairingId),
    /// A relay will not wake this phone.
    WakeUpRefused(RelayUrl, PushStatus),
    /// A job was turned away because its clock and this phone's are too far apart: this many seconds, more than none if the job's is ahead.
    ClockApart(PairingId, i64),
    /// A request was turned away because the state could not be saved.
    NotSaved(NotSaved),
}

/// The engine.
pub struct Phone {
    device: DeviceRoot,
    identity: PhoneIdentity,
    state: state::State,
    saved: vault::Saved,
    lost: Vec<vault::Part>,
    sessions: BTreeMap<PairingId, session::Session>,
    /// Relays that are connected.
    links: Vec<link::Link>,
    /// Mailboxes proven, or about to be, per relay.
    mailboxes: Vec<(Mailbox, PairingId, RelayUrl)>,
    /// PUSHes under way, by relay.
    pushes: BTreeMap<String, wake_up::Pushes>,
    /// Relays that do not know PUSH.
    without_push: Vec<RelayUrl>,
    outputs: VecDeque<PhoneOutput>,
}

/// A circuit is known by the relay and the relay's number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct At {
    relay: RelayUrl,
    circuit: Circuit,
}

impl Phone {
    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<PhoneOutput> {
        self.outputs.pop_front()
    }

    /// Monotonic time at which [`Phone::tick`] must be called at the latest; `None` while nothing is going on.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.sessions.values().filter_map(session::Session::deadline).min()
    }

    fn event(&mut self, event: PhoneEvent) {
        self.outputs.push_back(PhoneOutput::Event(event));
    }

    /// Changes the state on disk and then in memory. If it can't be saved nothing changes in memory, and nothing leaves; parts that were on disk by then
    /// (steps burnt before anything else) do no harm there, and are written again with the next change.
    fn transact<T>(&mut self, ctx: &mut Context<'_>, change: impl FnOnce(&mut state::State) -> T) -> Result<T, NotSaved> {
        let mut next = self.state.clone();
        let result = change(&mut next);
        self.saved.save(&self.device.derive_state_key(), &next, ctx)?;
        self.state = next;
        Ok(result)
    }
}
