//! What the app is told.

use crate::PendingRequest;

/// How the connection to a relay is.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum LinkState {
    /// Being made.
    Connecting,
    /// Requests can arrive.
    Connected,
    /// There is a connection, but another device with the same keys has taken this phone's place: its requests arrive there. [`crate::Authenticator::connect`] and
    /// [`crate::Authenticator::network_changed`] take it back; by itself the engine does not, or the two would do so in turns.
    Evicted,
    /// There is none; the next attempt comes by itself.
    Waiting {
        /// Why; at most 200 characters.
        problem: String,
        /// When the next attempt is, milliseconds from the moment of the event.
        retry_ms: u64,
    },
    /// There is none and none is wanted: the phone was disconnected, or has no pairing there any more. It is no longer among the connections.
    Disconnected,
}

/// A relay and how the connection to it is.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Connection {
    /// The relay's URL.
    pub relay: String,
    /// How it is.
    pub state: LinkState,
}

/// Why a request is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Gone {
    /// It was answered on this phone, or refused because its seed or its right was taken away here.
    Answered,
    /// The job gave up, nobody answered in time, or the phone was disconnected.
    Withdrawn,
}

/// Something that the person should know.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Attention {
    /// A job was turned away: its clock and this phone's are too far apart. Codes are wrong if it is this one.
    ClockApart {
        /// Whose job.
        pairing: String,
        /// The job's time minus this phone's, seconds.
        seconds: i64,
    },
    /// Another device answers for this phone now: its keys were copied, or two devices were restored from one backup.
    Evicted {
        /// At which relay.
        relay: String,
    },
    /// A relay complained and ended the connection, which is made again. Not told when it only restarts or ends connections of a certain age.
    RelayProblem {
        /// Which relay.
        relay: String,
        /// What it said.
        problem: String,
    },
    /// A relay can wake this phone for a pairing from now on, as soon as the laptop has run `countersign renew`.
    WakeUpRegistered {
        /// Which pairing.
        pairing: String,
    },
    /// A relay will not wake this phone.
    WakeUpRefused {
        /// Which relay.
        relay: String,
        /// Why.
        problem: String,
    },
    /// A request was turned away, or an answer is not in the history, because the storage failed.
    StorageProblem {
        /// What to tell the person.
        problem: String,
    },
    /// A blob of the storage was missing or damaged; it has begun anew, and everything else is there.
    Lost {
        /// Which.
        what: LostPart,
    },
    /// Nobody has used this seed for a long time: it could be removed, here and at its service.
    SeedUnused {
        /// Its id.
        seed: String,
        /// Issuer and account.
        label: String,
        /// Since when, Unix seconds.
        since: u64,
    },
}

/// What was lost, and what to do. Seeds and pairings stay among [`crate::Authenticator::lost`] until [`crate::Authenticator::accept_loss`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LostPart {
    /// The seeds: import the sealed ones from `countersign.toml`.
    Seeds,
    /// The pairings: pair again.
    Pairings,
    /// Requests that were under way: start the jobs again.
    Requests,
    /// The history: nothing is to be done.
    History,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Event {
    /// A job asks.
    RequestArrived {
        /// What for.
        request: PendingRequest,
    },
    /// The connection to the job was lost, or is back.
    RequestChanged {
        /// The request as it is now.
        request: PendingRequest,
    },
    /// There is nothing to answer any more.
    RequestGone {
        /// [`PendingRequest::id`].
        id: String,
        /// Why.
        why: Gone,
    },
    /// A job that had its answer has said what became of it, or has ended: the history tells.
    Settled {
        /// Whose job, by [`crate::Pairing::id`].
        pairing_id: String,
    },
    /// The connection to a relay changed.
    ConnectionChanged {
        /// How it is now.
        connection: Connection,
    },
    /// The person should know something.
    AttentionNeeded {
        /// What.
        attention: Attention,
    },
}
