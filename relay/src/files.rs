//! What is said of a file that an operator names and that can't be used: why, and what to do.

use std::{
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::Path,
};

use rustls_pki_types::pem;
use zeroize::Zeroizing;

use crate::limits::MAX_FILE;

/// Reads a file, which may be secret, if it is no longer than [`MAX_FILE`].
pub(crate) fn read(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read_from(File::open(file)?)
}

/// The same of one that is open.
pub(crate) fn read_from(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it: one that grows leaves parts of a secret behind. Of what is no file, the length is not known.
    let length = file.metadata()?.len().clamp(4096, MAX_FILE) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default()));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// What was read as text.
pub(crate) fn text(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Why a file can't be read.
pub(crate) fn unread(error: &io::Error) -> String {
    let said = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file: is the path right?",
        io::ErrorKind::PermissionDenied => "this user may not read it: change its owner, group or mode, or those of a folder on the way",
        io::ErrorKind::IsADirectory => "it is a folder: name a file in it",
        io::ErrorKind::FileTooLarge => "it is longer than 1 MiB: is it the right file?",
        io::ErrorKind::InvalidData => "it is no text: is it the right file?",
        _ => return error.to_string(),
    };
    said.to_owned()
}

/// Why there is nothing to be had from a PEM file.
pub(crate) fn broken_pem(error: &pem::Error) -> String {
    let said = match error {
        pem::Error::Io(error) => return unread(error),
        pem::Error::MissingSectionEnd { .. } => "it ends before the END line of a PEM block: copy the whole file again",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line in it is damaged: copy the whole file again",
        pem::Error::Base64Decode(_) => "what stands between a BEGIN and an END line is no base64: copy the whole file again",
        pem::Error::NoItemsFound => "there is no PEM block of the right kind in it: is it the right file?",
        other => return other.to_string(),
    };
    said.to_owned()
}

/// The line of a text that a span begins in, from 1.
pub(crate) fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let before = text.bytes().take(span.map_or(0, |span| span.start));
    1 + before.filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::{CertificateDer, pem::PemObject as _};

    use super::*;

    #[test]
    fn no_file_is_longer_than_it_may_be() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_FILE).unwrap();
        assert_eq!(read(file.path()).unwrap().len() as u64, MAX_FILE);
        file.as_file().set_len(MAX_FILE + 1).unwrap();
        let error = read(file.path()).unwrap_err();
        assert!(unread(&error).contains(&format!("longer than {} MiB", MAX_FILE >> 20)));
        // One without an end.
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(text(b"text").is_ok() && unread(&text(b"\xff").unwrap_err()).contains("no text"));
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let of = |path: &Path| unread(&read(path).unwrap_err());
        assert!(of(folder.path()).contains("a folder"));
        assert!(of(&folder.path().join("none")).contains("no such file"));
        let broken = |text: &str| broken_pem(&CertificateDer::from_pem_slice(text.as_bytes()).unwrap_err());
        let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
        assert!(broken(&format!("{begin}\nAAAA\n")).contains("before the END line"));
        assert!(broken("-----BEGIN CERTIFICATE\nAAAA\n").contains("BEGIN line"));
        assert!(broken(&format!("{begin}\n?\n{end}\n")).contains("no base64"));
        assert!(broken("").contains("no PEM block"));
    }
}
