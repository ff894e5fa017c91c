//! Seeds on their way in: what a QR code holds, kept inside until it is sealed.

use std::sync::Arc;

use countersign_core::{
    otp::{OtpAuth, is_migration, parse_migration, parse_otpauth},
    text::{MAX_LABEL, clean},
};
use zeroize::Zeroizing;

use crate::{AuthenticatorError, shell::on_its_own};

/// Longest text that is looked at, bytes.
const MAX_TEXT: usize = 8192;

/// One account of a [`SeedImport`].
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SeedEntry {
    /// For [`crate::Authenticator::enroll`].
    pub index: u32,
    /// Issuer and account.
    pub label: String,
    /// Why it can't be enrolled; nothing if it can.
    pub problem: Option<String>,
    /// What the owner should hear about it.
    pub warnings: Vec<String>,
}

/// Which QR code of how many an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct ImportPart {
    /// Counted from 1.
    pub number: u32,
    /// Of so many.
    pub of: u32,
}

struct Account {
    label: String,
    otpauth: Result<OtpAuth, String>,
}

/// Seeds that were read and not yet sealed: one from an otpauth URI, several from an export of Google Authenticator. They stay inside and are wiped when
/// this is closed; only the labels come out.
#[derive(uniffi::Object)]
pub struct SeedImport {
    accounts: Vec<Account>,
    part: ImportPart,
}

#[uniffi::export]
impl SeedImport {
    /// From the text of a QR code: `otpauth://totp/...` or `otpauth-migration://...`.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`].
    #[uniffi::constructor]
    pub fn from_text(text: String) -> Result<Arc<Self>, AuthenticatorError> {
        Self::read(&Zeroizing::new(text)).map(Arc::new)
    }

    /// From a picture of a QR code, PNG or JPEG. May take a second, on a thread of its own.
    ///
    /// # Errors
    /// [`AuthenticatorError::BadInput`], [`AuthenticatorError::TryAgain`].
    #[uniffi::constructor]
    pub async fn from_picture(picture: Vec<u8>) -> Result<Arc<Self>, AuthenticatorError> {
        let picture = Zeroizing::new(picture);
        on_its_own(move || Self::read_picture(&picture)).await.map(Arc::new)
    }

    /// What was found.
    ///
    /// # Errors
    /// None.
    pub fn entries(&self) -> Result<Vec<SeedEntry>, AuthenticatorError> {
        let entry = |(index, account): (u32, &Account)| SeedEntry {
            index,
            label: account.label.clone(),
            problem: account.otpauth.as_ref().err().cloned(),
            warnings: account.otpauth.as_ref().map(|it| it.warnings().iter().map(ToString::to_string).collect()).unwrap_or_default(),
        };
        Ok((0..).zip(&self.accounts).map(entry).collect())
    }

    /// Which QR code of how many this is: an export of many accounts has several.
    ///
    /// # Errors
    /// None.
    pub fn part(&self) -> Result<ImportPart, AuthenticatorError> {
        Ok(self.part)
    }
}

impl SeedImport {
    fn read_picture(picture: &[u8]) -> Result<Self, AuthenticatorError> {
        let unusable = |error| format!("this picture can't be used: {error}; take a PNG or JPEG that shows the QR code alone");
        let text = countersign_qr::read(picture).map_err(|error| AuthenticatorError::BadInput(unusable(error)))?;
        Self::read(&text)
    }

    fn read(text: &str) -> Result<Self, AuthenticatorError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(AuthenticatorError::BadInput("this is longer than any QR code of a seed".into()));
        }
        if !is_migration(text) {
            let otpauth = parse_otpauth(text).map_err(countersign_core::phone::PhoneError::from)?;
            let accounts = vec![Account { label: otpauth.label(), otpauth: Ok(otpauth) }];
            return Ok(Self { accounts, part: ImportPart { number: 1, of: 1 } });
        }
        let migration = parse_migration(text).map_err(|error| AuthenticatorError::BadInput(error.to_string()))?;
        let account = |it: countersign_core::otp::Account| Account {
            label: it.otpauth.as_ref().map_or_else(|_| clean(&it.name, MAX_LABEL), OtpAuth::label),
            otpauth: it.otpauth.map_err(|error| error.to_string()),
        };
        let part = ImportPart { number: migration.part.0, of: migration.part.1 };
        Ok(Self { accounts: migration.accounts.into_iter().map(account).collect(), part })
    }

    pub(crate) fn get(&self, index: u32) -> Result<&OtpAuth, AuthenticatorError> {
        let account = usize::try_from(index).ok().and_then(|index| self.accounts.get(index));
        let account = account.ok_or_else(|| AuthenticatorError::BadInput(format!("there is no account {index} in this import")))?;
        account.otpauth.as_ref().map_err(|problem| AuthenticatorError::BadInput(format!("{}: {problem}", account.label)))
    }

    /// The one seed, where one is wanted.
    pub(crate) fn only(&self) -> Result<&OtpAuth, AuthenticatorError> {
        match self.accounts.len() {
            1 => self.get(0),
            many => Err(AuthenticatorError::BadInput(format!(
                "one seed is wanted here, and this holds {many}; show the QR code of the account alone"
            ))),
        }
    }
}
