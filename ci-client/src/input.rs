//! Reading a line from standard input without blocking the rest of the program.

use std::io::{self, IsTerminal as _};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Whether typed characters are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    On,
    /// On a terminal, typed characters stay invisible.
    Off,
}

/// Reads one line of at most `limit` bytes, without the end of the line. Dropping it gives the terminal its echo back.
pub(crate) async fn read_line(limit: usize, echo: Echo) -> io::Result<Zeroizing<String>> {
    let hidden = if echo == Echo::Off { Hidden::begin() } else { None };
    let (sender, receiver) = oneshot::channel();
    // A thread of its own: it may wait for ever, and ends with the program.
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        // Nobody listens any more when the program was interrupted.
        let _ = sender.send(read_bytes(io::stdin().lock(), limit));
    })?;
    let line = receiver.await.unwrap_or(Err(io::ErrorKind::BrokenPipe.into()));
    drop(hidden);
    line
}

/// Byte by byte, so that nothing after the line is taken and no buffer keeps a secret.
fn read_bytes(mut from: impl io::Read, limit: usize) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(limit + 1));
    let mut byte = Zeroizing::new([0]);
    while from.read(&mut *byte)? == 1 {
        if *byte == *b"\n" {
            break;
        }
        if line.len() > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
        }
        line.extend_from_slice(&*byte);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "nothing on standard input"));
    }
    let text = std::str::from_utf8(&line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Whether a human types.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The terminal as it was before its echo was turned off.
struct Hidden {
    #[cfg(unix)]
    before: rustix::termios::Termios,
}

impl Hidden {
    #[cfg(unix)]
    fn begin() -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).ok()?;
        Some(Self { before })
    }

    #[cfg(not(unix))]
    fn begin() -> Option<Self> {
        None
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // The terminal may be gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_within_limits() {
        let mut input = &b"482913\r\nrest"[..];
        assert_eq!(read_bytes(&mut input, 10).unwrap().as_str(), "482913");
        assert_eq!(input, b"rest");
        assert!(read_bytes(&b"\n"[..], 10).is_err());
        assert!(read_bytes(&b"12345678901234"[..], 10).is_err());
    }
}
