//! Seeds: sealing, importing, the index (docs/PROTOCOL.md §3).

use std::collections::BTreeSet;

use serde_bytes::ByteArray;
use zeroize::Zeroizing;

use super::{
    Context, Phone, PhoneError, SeedInfo,
    state::{Id, MAX_FILES, MAX_SEEDS, Seed, State},
};
use crate::{
    keys::{PublicKey, UnlockRoot, derive},
    labels,
    otp::OtpAuth,
    seed::{MAX_RECIPIENTS, Recipient, SealedSeed, SeedId, open, seal},
    text::MAX_LABEL,
};

/// A seed on its way into the index.
pub(super) struct Sealed {
    pub(super) id: SeedId,
    pub(super) file: SealedSeed,
    label: String,
    fingerprint: [u8; 32],
    created: u64,
}

impl Sealed {
    /// Adds the seed, or the new file to the seed it already is.
    /// `relabel`: the owner has just approved the new label.
    pub(super) fn enter(&self, state: &mut State, relabel: bool) {
        let taken = |label: &str| state.index.seeds.iter().any(|seed| seed.label == label && *seed.id != self.id);
        let label = State::free_name(&self.label, MAX_LABEL, taken);
        let digest = ByteArray::new(self.file.digest());
        match state.seed_mut(&self.id) {
            Some(seed) => {
                seed.files.retain(|file| *file != digest);
                seed.files.push(digest);
                let surplus = seed.files.len().saturating_sub(MAX_FILES);
                seed.files.drain(..surplus);
                if relabel {
                    seed.label = label;
                }
            }
            None => state.index.seeds.push(Seed {
                id: Id::new(self.id),
                label,
                files: vec![digest],
                fingerprint: ByteArray::new(self.fingerprint),
                created: self.created,
                last_step: state.last_step_of_removed(&self.fingerprint),
                last_used: None,
            }),
        }
    }
}

impl Phone {
    /// Seals a new seed to this phone and `recipients`, and adds it to the index. A secret that is enrolled already keeps its identity and its `last_step`.
    ///
    /// # Errors
    /// [`PhoneError::WrongUnlockKey`], [`PhoneError::Seal`], [`PhoneError::Full`], [`PhoneError::NotSaved`].
    pub fn enroll(
        &mut self,
        otpauth: &OtpAuth,
        recipients: &[Recipient],
        unlock: &UnlockRoot,
        ctx: &mut Context<'_>,
    ) -> Result<SealedSeed, PhoneError> {
        self.check_unlock(unlock)?;
        let sealed = self.seal_seed(otpauth, recipients, unlock, ctx)?;
        self.transact(ctx, |state| sealed.enter(state, true))?;
        Ok(sealed.file)
    }

    /// Adds a seed that another phone sealed, after opening it; returns what it is.
    ///
    /// # Errors
    /// [`PhoneError::WrongUnlockKey`], [`PhoneError::SeedNotOpened`], [`PhoneError::Full`], [`PhoneError::NotSaved`].
    pub fn import(&mut self, file: SealedSeed, unlock: &UnlockRoot, ctx: &mut Context<'_>) -> Result<SeedInfo, PhoneError> {
        self.check_unlock(unlock)?;
        let opened = open(&file, &unlock.derive_age_identity(), &|signer| self.trusts(signer)).map_err(|_| PhoneError::SeedNotOpened)?;
        let fingerprint = fingerprint(unlock, &opened.otpauth);
        let id = match self.known(&fingerprint) {
            Some(id) => id,
            // Another secret under a known id must not take over its rights and name.
            None if self.state.seed(&opened.seed_id).is_some() => self.fresh_id(ctx)?,
            None => self.room_for(opened.seed_id)?,
        };
        let sealed = Sealed { id, file, label: opened.otpauth.label(), fingerprint, created: opened.created };
        self.transact(ctx, |state| sealed.enter(state, false))?;
        self.seeds().into_iter().find(|seed| seed.id == id).ok_or(PhoneError::NoSuchSeed)
    }

    /// Trusts records signed by another phone's key from now on.
    ///
    /// # Errors
    /// [`PhoneError::NotSaved`].
    pub fn trust(&mut self, signer: &PublicKey, ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        let signer = ByteArray::new(*signer);
        self.transact(ctx, |state| {
            state.own.trusted.retain(|known| *known != signer);
            state.own.trusted.push(signer);
        })?;
        Ok(())
    }

    /// Every seed of the index.
    #[must_use]
    pub fn seeds(&self) -> Vec<SeedInfo> {
        let seeds = self.state.index.seeds.iter();
        seeds.map(|it| SeedInfo { id: *it.id, label: it.label.clone(), created: it.created, last_used: it.last_used }).collect()
    }

    /// Takes a seed out of the index: requests for it are refused from now on, also one that waits. The files sealed for it can still be imported.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchSeed`], [`PhoneError::NotSaved`].
    pub fn remove_seed(&mut self, id: &[u8; 16], ctx: &mut Context<'_>) -> Result<(), PhoneError> {
        self.state.seed(id).ok_or(PhoneError::NoSuchSeed)?;
        let refusals = self.refusals(id, None, ctx.now);
        self.transact(ctx, |state| state.remove_seed(id))?;
        self.refuse(refusals, ctx);
        Ok(())
    }

    /// The last step of a seed that may have been issued, here or by a phone that this one took the place of.
    pub(super) fn last_step(&self, id: &[u8; 16], period: u64) -> Option<u64> {
        let own = self.state.seed(id).and_then(|seed| seed.last_step);
        let before = Some(self.state.own.not_before).filter(|time| *time > 0).and_then(|time| time.checked_div(period));
        own.max(before)
    }

    pub(super) fn seal_seed(
        &self,
        otpauth: &OtpAuth,
        recipients: &[Recipient],
        unlock: &UnlockRoot,
        ctx: &mut Context<'_>,
    ) -> Result<Sealed, PhoneError> {
        let fingerprint = fingerprint(unlock, otpauth);
        let id = match self.known(&fingerprint) {
            Some(id) => id,
            None => self.fresh_id(ctx)?,
        };
        let own = self.identity().recipient;
        let others = recipients.iter().filter(|recipient| **recipient != own).cloned();
        let all: Vec<Recipient> = std::iter::once(own.clone()).chain(others).collect();
        let file = seal(otpauth, id, ctx.now.unix, &unlock.derive_signing(), &all)?;
        Ok(Sealed { id, file, label: otpauth.label(), fingerprint, created: ctx.now.unix })
    }

    pub(super) fn trusts(&self, signer: &PublicKey) -> bool {
        *self.state.own.signer == *signer || self.state.own.trusted.iter().any(|known| **known == *signer)
    }

    /// Refuses an unlock key that is not this phone's.
    pub(super) fn check_unlock(&self, unlock: &UnlockRoot) -> Result<(), PhoneError> {
        if unlock.derive_signing().public() == *self.state.own.signer { Ok(()) } else { Err(PhoneError::WrongUnlockKey) }
    }

    fn known(&self, fingerprint: &[u8; 32]) -> Option<SeedId> {
        self.state.index.seeds.iter().find(|seed| *seed.fingerprint == *fingerprint).map(|seed| *seed.id)
    }

    fn fresh_id(&self, ctx: &mut Context<'_>) -> Result<SeedId, PhoneError> {
        let mut id = [0; 16];
        ctx.rng.fill_bytes(&mut id);
        self.room_for(id)
    }

    fn room_for(&self, id: SeedId) -> Result<SeedId, PhoneError> {
        if self.state.index.seeds.len() < MAX_SEEDS { Ok(id) } else { Err(PhoneError::Full { what: "seeds" }) }
    }
}

/// Tells the same codes: another number of digits is the same secret for an attacker, another algorithm or period counts its steps for itself.
fn fingerprint(unlock: &UnlockRoot, otpauth: &OtpAuth) -> [u8; 32] {
    let kind = [otpauth.algorithm().as_str().as_bytes(), &otpauth.period().to_be_bytes()].concat();
    // All are inputs of HKDF; the result tells nothing without the unlock root.
    let context = Zeroizing::new([kind.as_slice(), otpauth.expose_secret()].concat());
    *derive(unlock.expose(), labels::FINGERPRINT, &context).expose()
}

/// Recipients besides the phone itself: at most six, none twice.
pub(super) fn parse_recipients(texts: &[String]) -> Result<Vec<Recipient>, PhoneError> {
    let recipients: Vec<Recipient> = texts.iter().map(|text| text.parse().map_err(|_| PhoneError::Recipient)).collect::<Result<_, _>>()?;
    let distinct: BTreeSet<&Recipient> = recipients.iter().collect();
    if recipients.len() < MAX_RECIPIENTS && distinct.len() == recipients.len() { Ok(recipients) } else { Err(PhoneError::Recipient) }
}
