//! A picture of a QR code on disk.

use std::{fs::File, path::Path};

use countersign_qr::{MAX_FILE, PictureError};
use zeroize::Zeroizing;

use crate::{
    files::{cannot, read_limited},
    problem::Problem,
};

/// Reads the one otpauth URI in the picture at `path`.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let file = File::open(path).map_err(|error| cannot("read", path, &error))?;
    let bytes = read_file(file).map_err(|error| cannot("read", path, &error))?;
    let uri = bytes.ok_or(PictureError::FileTooLarge).and_then(|bytes| countersign_qr::read(&bytes));
    uri.map_err(|error| {
        Problem::config(format!("cannot use the picture {}: {error}", path.display()))
            .hint("take a screenshot of the QR code alone, or copy the otpauth URI and use --uri-stdin")
    })
}

fn read_file(file: File) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if length > MAX_FILE { Ok(None) } else { read_limited(file, length.max(4096)) }
}
