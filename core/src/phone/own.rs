//! The phone's own things: its identity, pairings, rights, history.

use serde_bytes::{ByteArray, ByteBuf};

use super::{
    Context, HistoryEntry, NotSaved, PairingInfo, Phone, PhoneError, PhoneEvent,
    session::Session,
    state::{Id, MAX_PAIRINGS, OWN_VERSION, Own, Pairing, Push, State, StoredSecret},
    vault::{self, Opened, Part, Parts, Saved},
};
use crate::{
    keys::{DeviceRoot, PairingId, UnlockRoot},
    pairing::{PhoneIdentity, PhonePaired},
    relay::{CloseReason, RelayUrl},
    seed::{RecipientError, age_recipient},
    text::{MAX_NAME, clean},
};

impl PhoneIdentity {
    /// The public identity that belongs to an unlock root.
    ///
    /// # Errors
    /// [`RecipientError`], which never happens with a derived identity.
    pub fn derive(name: &str, unlock: &UnlockRoot) -> Result<Self, RecipientError> {
        let recipient = age_recipient(&unlock.derive_age_identity())?;
        Ok(Self { name: clean(name, MAX_NAME), recipient, signer: unlock.derive_signing().public() })
    }
}

impl Phone {
    /// A new phone with nothing on it; its state is saved at once.
    ///
    /// # Errors
    /// [`NotSaved`].
    pub fn create(device: DeviceRoot, identity: &PhoneIdentity, ctx: &mut Context<'_>) -> Result<Self, NotSaved> {
        let own = Own {
            v: OWN_VERSION,
            name: identity.name.clone(),
            recipient: identity.recipient.to_string(),
            signer: ByteArray::new(identity.signer),
            trusted: Vec::new(),
            not_before: 0,
        };
        let mut phone = Self::with(device, identity.clone(), State::new(own), Saved::default());
        phone.transact(ctx, |_| ())?;
        Ok(phone)
    }

    /// A phone from what [`Store::save`] was given last, by name. Parts that are missing or damaged are empty in it, and named by [`Phone::lost`].
    ///
    /// # Errors
    /// [`PhoneError::StateUnreadable`] if it can't be told which phone it is, [`PhoneError::StateLater`] if a part was saved by a later version.
    pub fn open(device: DeviceRoot, parts: &Parts, now: u64) -> Result<Self, PhoneError> {
        let opened = vault::open(&device.derive_state_key(), parts)?;
        let Opened { mut state, saved, lost } = opened;
        if lost.contains(&Part::Seeds) {
            // Nobody knows any more which steps are burnt.
            state.own.not_before = state.own.not_before.max(now);
        }
        state.forget_denied(now);
        let mut phone = Self::around(device, state, saved)?;
        phone.lost = lost;
        Ok(phone)
    }

    /// A phone around a state that was read.
    pub(super) fn around(device: DeviceRoot, state: State, saved: Saved) -> Result<Self, PhoneError> {
        if state.own.v != OWN_VERSION {
            return Err(PhoneError::StateLater);
        }
        let recipient = state.own.recipient.parse().map_err(|_| PhoneError::StateUnreadable)?;
        let identity = PhoneIdentity { name: state.own.name.clone(), recipient, signer: *state.own.signer };
        Ok(Self::with(device, identity, state, saved))
    }

    /// Parts that could not be read when this phone was opened, and have begun anew.
    #[must_use]
    pub fn lost(&self) -> &[Part] {
        &self.lost
    }

    /// Goes on without what was lost: it is saved as it is now, and [`Phone::open`] finds nothing missing any more.
    ///
    /// # Errors
    /// [`NotSaved`].
    pub fn accept_loss(&mut self, ctx: &mut Context<'_>) -> Result<(), NotSaved> {
        self.transact(ctx, |_| ())?;
        self.lost.clear();
        Ok(())
    }

    fn with(device: DeviceRoot, identity: PhoneIdentity, state: State, saved: Saved) -> Self {
        Self {
            device,
            identity,
            state,
            saved,
            lost: Vec::new(),
            sessions: Default::default(),
            links: Vec::new(),
            mailboxes: Vec::new(),
            pushes: Default::default(),
            without_push: Vec::new(),
            outputs: Default::default(),
        }
    }

    /// What this phone tells every laptop.
    #[must_use]
    pub fn identity(&self) -> PhoneIdentity {
        self.identity.clone()
    }

    /// The device root, for pairing.
    #[must_use]
    pub fn device(&self) -> &DeviceRoot {
        &self.device
    }

    /// Whether a pairing code was used on this phone before.
    #[must_use]
    pub fn has_paired(&self, id: &PairingId) -> bool {
        self.state.pairing(id).is_some() || self.state.paired.retired.iter().any(|retired| **retired == *id)
    }

    /// Stores a new pairing, which has no right to any seed, and opens its mailbox. Gives P5, for the laptop.
    ///
    /// # Errors
    /// [`PhoneError::PairingUsed`], [`PhoneError::Full`], [`PhoneError::NotSaved`].
    pub fn add_pairing(&mut self, paired: PhonePaired, ctx: &mut Context<'_>) -> Result<Vec<u8>, PhoneError> {
        if self.has_paired(&paired.pairing_id) {
            return Err(PhoneError::PairingUsed);
        }
        if self.state.paired.pairings.len() >= MAX_PAIRINGS {
            return Err(PhoneError::Full { what: "pairings" });
        }
        let pairing = Pairing {
            id: Id::new(paired.pairing_id),
            name: State::free_name(&paired.name, MAX_NAME, |name| self.state.paired.pairings.iter().any(|pairing| pairing.name == name)),
            relay: paired.relay.origin().to_owned(),
            ci_static: ByteArray::new(paired.ci_static),
            psk: StoredSecret(paired.psk),
            ticket: Id::new(paired.ticket_id),
            created: ctx.now.unix,
            push: (!paired.push.is_empty()).then(|| Push { sealed: ByteBuf::from(paired.push), given: true }),
        };
        self.transact(ctx, |state| state.paired.pairings.push(pairing))?;
        self.prove(&paired.pairing_id);
        Ok(paired.p5)
    }

    /// Every pairing.
    #[must_use]
    pub fn pairings(&self) -> Vec<PairingInfo> {
        let info = |pairing: &Pairing| {
            Some(PairingInfo {
                id: *pairing.id,
                name: pairing.name.clone(),
                relay: RelayUrl::parse(&pairing.relay).ok()?,
                created: pairing.created,
                seeds: self.rights_of(&pairing.id),
                wake_up: self.wake_up_state(&pairing.id),
            })
        };
        self.state.paired.pairings.iter().filter_map(info).collect()
    }

    /// Takes a pairing back: a request of it that waits is refused, one that was answered is not answered again, and its relay is told.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchPairing`], [`PhoneError::NotSaved`].
    pub fn revoke(&mut self, id: &PairingId, ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        self.state.pairing(id).ok_or(PhoneError::NoSuchPairing)?;
        let now = ctx.now.unix;
        self.transact(ctx, |state| state.take_back(id, now))?;
        self.end_of_pairing(id);
        Ok(())
    }

    /// What follows once it is on disk that a pairing was taken back.
    pub(super) fn end_of_pairing(&mut self, id: &PairingId) {
        if let Some(session) = self.sessions.remove(id) {
            if let Some(at) = session.at().cloned() {
                self.close(&at, CloseReason::TicketRefused);
            }
            if matches!(session, Session::AwaitHuman(_)) {
                self.event(PhoneEvent::Withdrawn(*id));
            }
        }
        self.prove(id);
    }

    /// Allows or denies a pairing the use of a seed. Denied, a request of it that waits is refused.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchPairing`], [`PhoneError::NoSuchSeed`], [`PhoneError::NotSaved`].
    pub fn allow(&mut self, pairing: &PairingId, seed: &[u8; 16], allowed: bool, ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        self.state.pairing(pairing).ok_or(PhoneError::NoSuchPairing)?;
        self.state.seed(seed).ok_or(PhoneError::NoSuchSeed)?;
        let refusals = if allowed { Vec::new() } else { self.refusals(seed, Some(pairing), ctx.now) };
        self.transact(ctx, |state| state.set_grant(pairing, seed, allowed))?;
        self.refuse(refusals, ctx);
        Ok(())
    }

    /// What happened, oldest first.
    #[must_use]
    pub fn history(&self) -> &[HistoryEntry] {
        &self.state.history
    }

    fn rights_of(&self, pairing: &Id) -> Vec<(String, bool)> {
        let grants = self.state.paired.grants.iter().filter(|grant| grant.pairing == *pairing);
        grants.filter_map(|grant| Some((self.state.seed(&grant.seed)?.label.clone(), grant.allowed))).collect()
    }
}
