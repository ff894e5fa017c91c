//! Standard input, byte by byte; and what a terminal there shows of it.

use rustix::termios::{LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr};
use zeroize::{Zeroize as _, Zeroizing};

use super::NoAnswer;

/// Longest line that is read.
const MAX_LINE: usize = 16 * 1024;

/// What a terminal has in the place of a key that does nothing (`_POSIX_VDISABLE`).
const NO_KEY: u8 = if cfg!(any(target_os = "linux", target_os = "android")) { 0 } else { 0xff };

/// The key that stops a program, Ctrl-Z.
pub(super) fn stop_key() -> Option<u8> {
    let modes = tcgetattr(std::io::stdin()).ok()?;
    Some(modes.special_codes[SpecialCodeIndex::VSUSP]).filter(|key| *key != NO_KEY)
}

/// Byte by byte: what follows the line belongs to the next question, and no buffer keeps a copy of a passphrase. `stop_key` is no part of an answer.
pub(super) fn read_line(stop_key: Option<u8>) -> Result<Zeroizing<String>, NoAnswer> {
    let stdin = std::io::stdin();
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    loop {
        let mut byte = [0_u8; 1];
        match rustix::io::read(&stdin, &mut byte) {
            Ok(0) if line.is_empty() => return Err(NoAnswer::End),
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if Some(byte[0]) == stop_key => {}
            Ok(_) if line.len() < MAX_LINE => line.extend_from_slice(&byte),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(NoAnswer::End),
        }
        byte.zeroize();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    std::str::from_utf8(&line).map(|line| Zeroizing::new(line.to_owned())).map_err(|_| NoAnswer::NotText)
}

/// What was typed and not read yet answers nothing.
pub(super) fn forget_typed() {
    // Where it fails there is no terminal.
    let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
}

/// The terminal shows nothing of what is typed, until this is dropped. Nor does Ctrl-Z stop the program: the shell that gets the terminal then has its own
/// modes, and whoever comes back would type with all to be seen.
pub(super) struct Hidden(Termios);

impl Hidden {
    pub(super) fn begin() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent).ok()?;
        Some(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is no better state to bring the terminal to.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
