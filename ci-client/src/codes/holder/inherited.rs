//! Files that a holder inherits from whoever ran `approve`. A pipe among them would stay open for as long as the holder lives, and whoever reads it
//! would wait.

use std::fs;

/// Every descriptor below this is tried where the system does not list those that are open.
const USUAL_LIMIT: i32 = 1024;

/// Closes everything but the standard streams. Only to be called before this process has opened anything of its own.
pub(crate) fn close_inherited() {
    // The folder's own descriptor is in the list, and closed by the time the list is read.
    let open: Vec<i32> = match fs::read_dir("/dev/fd") {
        Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect(),
        Err(_) => (0..USUAL_LIMIT).collect(),
    };
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // Not open any more: that of the folder.
        let _ = nix::unistd::close(descriptor);
    }
}
