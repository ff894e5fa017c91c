//! What a call of the shell can answer.

use super::{BackupError, NotSaved};
use crate::{otp::OtpAuthError, seed::SealError};

/// Why the phone did not do what its owner asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// Nothing was changed; the request, if there is one, still waits.
    #[error("the phone's state could not be saved: {0}. Nothing was changed; free the disk or mend the folder and try again")]
    NotSaved(#[from] NotSaved),
    /// The state file is damaged or belongs to another device key.
    #[error("the phone's state can't be read: it is damaged or belongs to another device key")]
    StateUnreadable,
    /// The state was saved by a later version of this program.
    #[error("the phone's state was saved by a later version of this app: update the app. Nothing was changed")]
    StateLater,
    /// There is no such request any more.
    #[error("this request is no longer waiting: it was answered, withdrawn, or has expired")]
    NoSuchRequest,
    /// The typed number is not that of the job; the request was ended.
    #[error(
        "this is not the number in the job's log; the request was denied. If nobody of yours is releasing, look into who holds the CI key"
    )]
    WrongNumber,
    /// The first use of a seed by a pairing was not allowed; the request was ended.
    #[error("this pairing has no right to this seed; the request was refused")]
    NotAllowed,
    /// What was typed can't be the number in the job's log; the request still waits.
    #[error("type the {digits} digits that the job's log shows")]
    NoNumber {
        /// As many as it has.
        digits: u8,
    },
    /// Too many codes were asked for.
    #[error("at most {most} codes were asked for")]
    TooManyCodes {
        /// As many as asked for.
        most: u8,
    },
    /// The unlock key is not the one this phone was set up with.
    #[error("this unlock key is not the one that this phone was set up with")]
    WrongUnlockKey,
    /// The sealed seed is not for this phone, or not signed by anybody it trusts; the request was ended.
    #[error("the sealed seed could not be opened: it is damaged, sealed to another phone, or signed by somebody this phone does not trust")]
    SeedNotOpened,
    /// Codes already issued reach too far ahead, or the clock was set back; the request was ended.
    #[error("the codes already issued reach too far ahead; wait, and check that the phone's clock is right")]
    CodesAhead,
    /// The otpauth URI can't be used.
    #[error("{0}")]
    OtpAuth(#[from] OtpAuthError),
    /// The otpauth URI is to be given on the phone.
    #[error("the otpauth URI is missing: scan or type it on the phone")]
    UriMissing,
    /// The seed can't be sealed to these recipients.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// A recipient is no age recipient.
    #[error("the further recipients must be of the form age1..., at most six, none twice")]
    Recipient,
    /// A push address has not the form of one.
    #[error(
        "this is no push address: an endpoint is an https URL of at most 640 characters, the key p256dh 65 bytes that begin with 4, auth 16 bytes"
    )]
    PushAddress,
    /// There is no such pairing.
    #[error("there is no such pairing")]
    NoSuchPairing,
    /// There is no such seed.
    #[error("there is no such seed")]
    NoSuchSeed,
    /// The pairing code was used on this phone before.
    #[error("this pairing code was used before; ask for a new one with countersign pair")]
    PairingUsed,
    /// A limit of this phone was reached.
    #[error("this phone has no room for more {what}; remove some first")]
    Full {
        /// Of what.
        what: &'static str,
    },
    /// A backup can't be used.
    #[error("{0}")]
    Backup(#[from] BackupError),
    /// The backup was made without the unlock key.
    #[error("this backup was made without the unlock key")]
    UnlockKeyMissing,
    /// The channel broke while answering; nothing left the phone.
    #[error("the answer could not be written; nothing left the phone")]
    Channel,
}
